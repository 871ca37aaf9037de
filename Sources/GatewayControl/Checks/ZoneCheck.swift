import DNSZones
import GatewayClient
import NIOPosix
import ProxyConfig
import Records
import System

/// The records of the node's zone as the world sees them:
///
///     gent01.grid.test                   A     203.0.113.7
///     *.gent01.grid.test                 CNAME gent01.grid.test
///     _acme-challenge.gent01.grid.test   NS    gent01.grid.test
///
/// Addresses are asked for at a resolver. The last record is asked for where it stands, at a name server of the zone that
/// the node's is in: a resolver would go on to the node, find nobody there while no challenge is pending, and may remember
/// that for the time when one is.
struct ZoneCheck {
  private static let patience = Duration.seconds(5)

  let domain: Domain
  let addresses: [IPAddress]
  let resolver: Endpoint
  /// Where name servers are asked.
  var nameServerPort: UInt16 = 53

  private func ask(_ name: Domain, _ type: DNSRecordType) -> DNSReply {
    DNSQuery(name: name, type: type, server: resolver, isRecursive: true)
      .ask(within: Self.patience)
  }

  private func records(_ reply: DNSReply) -> [DNSRecord] { DNSRecord.all(in: .answer, of: reply.message) }

  /// All checks of a node's zone, at the same time.
  ///
  /// - Parameter zones: what the gateway serves itself; where the node's is one of them, who answers challenges is known.
  static func check(_ node: NodeView, resolver: Endpoint, besides zones: [ZoneInfo]) async -> [Check] {
    let zone: ChallengeZone
    do throws(NodeError) {
      zone = try node.zone()
    } catch {
      return [.failure("zone", "\(error)", node.info == nil ? Unit.gateway.remedy(.start) : "")]
    }
    guard let domain = zone.domain else { return [.ok("zone", "the node has no domain, and needs no records")] }
    let records = ZoneCheck(domain: domain, addresses: zone.addresses, resolver: resolver)
    func onThread(_ body: @Sendable @escaping () -> Check) async -> Check {
      do {
        return try await NIOThreadPool.singleton.runIfActive(body)
      } catch {
        return .failure("zone", "\(error)")
      }
    }
    async let addresses = onThread { records.checkAddresses() }
    async let wildcard = onThread { records.checkWildcard() }
    if zones.contains(where: { $0.domain == domain.rawValue }) { return await [addresses, wildcard] }
    let servers = [domain.rawValue] + (node.info?.dns?.nameservers ?? [])
    async let delegation = onThread { records.checkDelegation(to: servers) }
    return await [addresses, wildcard, delegation]
  }

  // MARK: Addresses

  func checkAddresses() -> Check {
    let check = "zone A"
    var found: [IPAddress] = []
    for type in [DNSRecordType.a, .aaaa] {
      let reply = ask(domain, type)
      guard reply.isAnswer else {
        return .failure(
          check, "\(domain) cannot be looked up at \(resolver): \(reply.statusText)", "another --resolver")
      }
      found += records(reply).compactMap { $0.type == type ? try? IPAddress($0.value) : nil }
    }
    let missing = addresses.filter { !found.contains($0) }
    let extra = found.filter { !addresses.contains($0) }
    let seen = found.isEmpty ? "\(domain) has no address" : "\(domain) is at \(list(found))"
    if !missing.isEmpty, missing.count == addresses.count {
      return .failure(check, seen, missing.map(record).joined(separator: ", "))
    }
    if !missing.isEmpty { return .warning(check, seen, missing.map(record).joined(separator: ", ")) }
    if !extra.isEmpty {
      return .warning(check, "\(seen), of which \(list(extra)) is not this node's", "remove what is not")
    }
    return .ok(check, seen)
  }

  private func record(_ address: IPAddress) -> String { "\(domain) \(address.isIPv4 ? "A" : "AAAA") \(address)" }

  func checkWildcard() -> Check {
    let check = "zone *"
    let label = "gatewayctl-check-\(UInt32.random(in: 0 ... .max))"
    let remedy = "*.\(domain) CNAME \(domain)"
    guard let name = try? Domain("\(label).\(domain)") else {
      return .warning(check, "\(domain) is too long for a name inside it to be looked up")
    }
    let reply = ask(name, .a)
    guard reply.isAnswer else {
      return .failure(
        check, "names in \(domain) cannot be looked up at \(resolver): \(reply.statusText)", "another --resolver")
    }
    let found = records(reply)
    let targets = found.filter { $0.type == .cname }.map(\.value)
    if targets.contains(domain.rawValue) { return .ok(check, "*.\(domain) is an alias of \(domain)") }
    if let target = targets.first { return .failure(check, "*.\(domain) is an alias of \(target)", remedy) }
    let ipv4 = found.compactMap { $0.type == .a ? try? IPAddress($0.value) : nil }
    if ipv4.contains(where: addresses.contains) { return .ok(check, "*.\(domain) is at \(list(ipv4))") }
    return .failure(check, ipv4.isEmpty ? "*.\(domain) has no address" : "*.\(domain) is at \(list(ipv4))", remedy)
  }

  // MARK: The challenge's name

  /// - Parameter servers: the names by which this node is known as a name server, its own first.
  func checkDelegation(to servers: [String]) -> Check {
    let check = "zone NS"
    let remedy = "_acme-challenge.\(domain) NS \(domain), in the zone above"
    guard let challenge = try? Domain("_acme-challenge.\(domain)"), let (zone, server) = nameServer() else {
      return .warning(check, "no name server of a zone above \(domain) was found by \(resolver)", remedy)
    }
    let query = DNSQuery(
      name: challenge, type: .ns, server: Endpoint(address: server, port: nameServerPort), isRecursive: false)
    let reply = query.ask(within: Self.patience)
    guard reply.isAnswer else {
      let silence = "the name server \(server) of \(zone) does not say: \(reply.statusText)"
      return .warning(check, silence, "ask it from elsewhere")
    }
    // Under AUTHORITY where it was delegated, as it should be; under ANSWER where the server has that zone too.
    let targets = (DNSRecord.all(in: .authority, of: reply.message) + records(reply))
      .filter { $0.type == .ns && $0.owner == challenge.rawValue }.map(\.value)
    if targets.isEmpty { return .failure(check, "\(challenge) is not delegated, says \(server) of \(zone)", remedy) }
    guard targets.contains(where: servers.contains) else {
      return .failure(check, "\(challenge) is delegated to \(targets.joined(separator: ", "))", remedy)
    }
    return targets.allSatisfy(servers.contains)
      ? .ok(check, "\(challenge) is delegated to \(targets.joined(separator: ", "))")
      : .warning(check, "\(challenge) is delegated to \(targets.joined(separator: ", "))", "only to \(domain)")
  }

  /// The innermost zone around the node's domain that there is, and the address of a server of it.
  private func nameServer() -> (zone: Domain, server: IPAddress)? {
    var labels = domain.rawValue.split(separator: ".")[...]
    while labels.count >= 2, let zone = try? Domain(labels.joined(separator: ".")) {
      let reply = ask(zone, .ns)
      guard reply.isAnswer else { return nil }
      let servers = records(reply).filter { $0.type == .ns && $0.owner == zone.rawValue }
      for server in servers {
        guard let name = try? Domain(server.value) else { continue }
        for type in [DNSRecordType.a, .aaaa] {
          for record in records(ask(name, type)) where record.type == type {
            if let address = try? IPAddress(record.value) { return (zone, address) }
          }
        }
      }
      labels = labels.dropFirst()
    }
    return nil
  }

  private func list(_ addresses: [IPAddress]) -> String { addresses.map(\.description).joined(separator: ", ") }
}
