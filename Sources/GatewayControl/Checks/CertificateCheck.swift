import GatewayModule
import ProxyConfig
import System

/// Which sites lack a certificate, and which domains point elsewhere.
struct CertificateCheck: Sendable {
  /// How many lookups go on at the same time.
  private static let width = 16

  let node: NodeView
  let resolver: Endpoint

  /// What the gateway tells of sites without a certificate, and of those where their records lead.
  ///
  /// - Parameter looksUp: whether their records are looked at.
  func checkCertificates(looksUp: Bool) async -> [Check] {
    let name = "certs"
    guard let missing = node.info.flatMap({ MissingCertificates($0) }) else { return [] }
    guard missing.count > 0 else { return [.ok(name, missing.finding)] }
    let check = Check.warning(name, missing.finding, MissingCertificates.remedy)
    guard looksUp else { return [check] }
    return [check] + (await checkDomains(missing.names.compactMap { try? Domain($0.name) }, orNothing: true))
  }

  /// Whether domains that were set as FQDNs still point to this node.
  ///
  /// - Parameter orNothing: whether nothing is said when they do.
  func checkDomains(_ domains: [Domain], orNothing: Bool = false) async -> [Check] {
    let name = "domains"
    do {
      let addresses = try node.zone().addresses
      let check = DomainCheck(at: try Resolver(at: resolver))
      let faults = await withTaskGroup(of: DomainCheckError?.self) { group in
        var faults: [DomainCheckError] = []
        var rest = domains[...]
        for _ in 0..<Self.width {
          guard let domain = rest.popFirst() else { break }
          group.addTask { await Self.fault(of: domain, check, addresses) }
        }
        for await fault in group {
          if let fault { faults.append(fault) }
          if let domain = rest.popFirst() { group.addTask { await Self.fault(of: domain, check, addresses) } }
        }
        return faults.sorted { $0.domain.rawValue < $1.domain.rawValue }
      }
      guard let first = faults.first else {
        let all = domains.count == 1 ? "the one FQDN points" : "all \(domains.count) FQDNs point"
        return orNothing ? [] : [.ok(name, "\(all) to this node")]
      }
      let others = faults.dropFirst().map(\.domain.rawValue)
      let more = others.isEmpty ? "" : "; also \(Self.list(others, of: others.count))"
      return [
        .warning(
          name, "\(first)\(more)",
          "such a site gets no certificate, and the one that it has is not renewed: correct the records, or delete the "
            + "route")
      ]
    } catch {
      return [.warning(name, "not looked at: \(error)")]
    }
  }

  private static func fault(
    of domain: Domain, _ check: DomainCheck, _ addresses: [IPAddress]
  ) async -> DomainCheckError? {
    do throws(DomainCheckError) {
      try await check.verify(domain, pointsTo: addresses)
      return nil
    } catch {
      return error
    }
  }

  private static func list(_ names: [String], of count: Int) -> String {
    let shown = MissingCertificates.shown
    let first = names.prefix(shown).joined(separator: ", ")
    return count > shown ? "\(first) and \(count - shown) more" : first
  }
}
