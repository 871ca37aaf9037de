import DNSZones
import GatewayClient
import Records
import System

/// The zones that a gateway serves, as the world sees them: what their parents say, and what each name server answers.
struct DNSCheck {
  private static let patience = Duration.seconds(5)
  /// Of more zones than these the others are not looked at.
  private static let maximumZones = 50

  private let info: DNSInfo
  private let zones: [ZoneInfo]
  private let resolver: Endpoint
  /// Where name servers are asked; the world asks there.
  private let port: UInt16 = 53

  init(_ info: DNSInfo, zones: [ZoneInfo], resolver: Endpoint) {
    self.info = info
    self.zones = zones
    self.resolver = resolver
  }

  /// Looks at everything; takes as long as name servers do not answer.
  func check() -> [Check] {
    guard info.fault.isEmpty else { return [.failure("dns", info.fault, Unit.knot.remedy(.start))] }
    let records = zones.reduce(0) { $0 + $1.records }
    let all = Check.ok("dns", "knotd serves \(zones.count) zones, in which workloads have set \(records) records")
    // A hash may name other name servers than this gateway's.
    let delegated = zones.filter { !$0.workload.hasPrefix("hash:") }
    let left = delegated.count - Self.maximumZones
    let rest = left > 0 ? [Check.warning("dns", "\(left) of the zones are not looked at")] : []
    return [all] + rest + info.nameservers.map(checkServer) + info.secondaries.map(checkSecondary)
      + delegated.prefix(Self.maximumZones).map(checkZone)
  }

  // MARK: Name servers

  private func checkServer(_ text: String) -> Check {
    let check = "dns"
    guard let name = try? Domain(text) else { return .failure(check, "\(text) is no name of a name server") }
    let addresses = [DNSRecordType.a, .aaaa].flatMap { type in
      let reply = DNSQuery(name: name, type: type, server: resolver, isRecursive: true).ask(within: Self.patience)
      return DNSRecord.all(in: .answer, of: reply.message).compactMap {
        $0.type == type ? try? IPAddress($0.value) : nil
      }
    }
    guard !addresses.isEmpty else {
      return .failure(check, "\(name) has no address, says \(resolver)", "\(name) A, in the zone that it is in")
    }
    for address in addresses {
      for (protocolName, usesTCP) in [("UDP", false), ("TCP", true)] {
        guard let zone = zones.first(where: { $0.serial != 0 }), let domain = try? Domain(zone.domain) else { continue }
        let reply = serial(of: domain, at: Endpoint(address: address, port: port), usesTCP: usesTCP)
        guard case .failure(let reason) = reply else { continue }
        return .failure(
          check, "\(name) does not answer at \(address) by \(protocolName) for \(domain): \(reason)",
          "open port 53 there; the zones have to be there")
      }
      if let stale = staleZone(at: Endpoint(address: address, port: port), of: name.rawValue) { return stale }
    }
    return .ok(check, "\(name) answers at \(list(addresses)) by UDP and TCP, and has the serials")
  }

  private struct Silence: Error {
    let reason: String
  }

  private func serial(of domain: Domain, at server: Endpoint, usesTCP: Bool = false) -> Result<UInt32, Silence> {
    let reply = DNSQuery(name: domain, type: .soa, server: server, isRecursive: false, usesTCP: usesTCP)
      .ask(within: Self.patience)
    let serials = DNSRecord.all(in: .answer, of: reply.message).compactMap { $0.type == .soa ? UInt32($0.value) : nil }
    guard let serial = serials.first else { return .failure(Silence(reason: reply.statusText)) }
    return .success(serial)
  }

  private func checkSecondary(_ text: String) -> Check {
    guard let server = try? Endpoint(text) else { return .failure("dns", "\(text) is no address of a name server") }
    return staleZone(at: server, of: "the secondary") ?? .ok("dns", "the secondary at \(server) has the serials")
  }

  /// A zone of which a name server has not what this gateway serves.
  private func staleZone(at server: Endpoint, of name: String) -> Check? {
    for zone in zones.prefix(Self.maximumZones) where zone.serial != 0 {
      guard let domain = try? Domain(zone.domain) else { continue }
      switch serial(of: domain, at: server) {
      case .failure(let silence):
        return .failure("dns", "\(name) does not answer at \(server) for \(domain): \(silence.reason)")
      case .success(let serial):
        // RFC 1982; a later one came while this was looked at.
        guard Int32(bitPattern: serial &- zone.serial) < 0 else { continue }
        return .warning(
          "dns", "\(name) has serial \(serial) of \(domain) at \(server), not \(zone.serial)",
          "in a minute again; then look at its log")
      }
    }
    return nil
  }

  // MARK: Parents

  private func checkZone(_ zone: ZoneInfo) -> Check {
    let check = "dns zone"
    guard let domain = try? Domain(zone.domain) else { return .failure(check, "\(zone.domain) is no domain") }
    let parent: ParentZone
    do throws(ParentZone.ParentUnknown) {
      parent = try ParentZone(of: domain, resolver: resolver, port: port)
    } catch {
      return .warning(check, "\(domain): \(error)", "ask from elsewhere")
    }
    let wanted = info.nameservers.map { "\(domain) NS \($0)." }.joined(separator: ", ")
    let place = "at \(parent.server) of \(parent.zone)"
    guard !parent.nameservers.isEmpty else { return .failure(check, "\(domain) is not delegated \(place)", wanted) }
    guard parent.nameservers.contains(where: info.nameservers.contains) else {
      return .failure(check, "\(domain) is delegated to \(list(parent.nameservers)) \(place)", wanted)
    }
    let bare = parent.nameservers.filter { name in
      (try? Domain(name).isInside(domain)) == true && !parent.namesWithAddress.contains(name)
    }
    guard bare.isEmpty else {
      return .failure(
        check, "the address of \(list(bare)) is not \(place), and nobody finds it elsewhere",
        "\(bare[0]) A, as glue there")
    }
    if let fault = checkSigners(zone, domain, parent, place) { return fault }
    let missing = info.nameservers.filter { !parent.nameservers.contains($0) }
    let strangers = parent.nameservers.filter { !info.nameservers.contains($0) }
    if !missing.isEmpty || !strangers.isEmpty {
      return .warning(
        check, "\(domain) is delegated to \(list(parent.nameservers)) \(place), not to \(list(info.nameservers))",
        wanted)
    }
    let protection = zone.ds.isEmpty ? "is not signed" : "is signed, and its DS is there"
    return .ok(check, "\(domain) is delegated to \(list(parent.nameservers)) and \(protection)")
  }

  /// What is wrong with the DS records at the parent; nil where nothing is.
  private func checkSigners(_ zone: ZoneInfo, _ domain: Domain, _ parent: ParentZone, _ place: String) -> Check? {
    let check = "dns zone"
    let reply = DNSQuery(
      name: domain, type: .ds, server: Endpoint(address: parent.server, port: port), isRecursive: false
    ).ask(within: Self.patience)
    guard reply.isAnswer else {
      return .warning(check, "the DS of \(domain) is not told \(place): \(reply.statusText)")
    }
    let found = DNSRecord.all(in: .answer, of: reply.message).filter { $0.type == .ds && $0.owner == domain.rawValue }
      .map(\.value)
    let wanted = zone.ds.map { text in
      let words = text.lowercased().split(separator: " ")
      return words.prefix(3).joined(separator: " ") + " " + words.dropFirst(3).joined()
    }
    let remedy = zone.ds.map { "\(domain) DS \($0)" }.joined(separator: ", ")
    if found.isEmpty {
      return zone.ds.isEmpty
        ? nil : .warning(check, "\(domain) has no DS \(place): nobody sees that its answers are forged", remedy)
    }
    guard found.contains(where: wanted.contains) else {
      return .failure(
        check, "the DS of \(domain) \(place) is of no key of it: resolvers that look take no answer",
        zone.ds.isEmpty ? "remove it there" : remedy)
    }
    return nil
  }

  private func list(_ items: [some CustomStringConvertible]) -> String { NodeCheck.list(items) }
}
