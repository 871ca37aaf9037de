import DNSZones
import Records
public import System

/// Makes sure that a domain somebody wants served here is theirs to have served here: that its parent names this gateway.
public struct DelegationCheck: Sendable {
  private let resolver: Endpoint
  private let port: UInt16

  /// - Parameters:
  ///   - resolver: finds the zone above a domain.
  ///   - port: where the name servers of that zone are asked; the world's is 53.
  public init(at resolver: Endpoint, port: UInt16 = 53) {
    self.resolver = resolver
    self.port = port
  }

  /// Whether the parent of `domain` names one of these name servers; takes up to some tens of seconds.
  func isDelegated(_ domain: Domain, to nameservers: [Domain]) async throws -> Bool {
    try await names(of: domain).contains { name in nameservers.contains { $0.rawValue == name } }
  }

  /// Throws unless the parent of `domain` names one of these name servers.
  func verify(_ domain: Domain, isDelegatedTo nameservers: [Domain]) async throws {
    let found = try await names(of: domain)
    guard !found.contains(where: { name in nameservers.contains { $0.rawValue == name } }) else { return }
    throw NotDelegated(domain: domain, found: found, nameservers: nameservers)
  }

  private func names(of domain: Domain) async throws -> [String] {
    try await POSIXThread.run { [resolver, port] _ in
      try ParentZone(of: domain, resolver: resolver, port: port).nameservers
    }
  }
}

/// A domain whose parent does not name this gateway.
public struct NotDelegated: Error, Hashable, Sendable, CustomStringConvertible {
  let domain: Domain
  let found: [String]
  let nameservers: [Domain]

  public var description: String {
    let seen =
      found.isEmpty
      ? "it has no NS records at its parent"
      : "its NS records at its parent are \(found.prefix(8).joined(separator: ", "))"
    return
      "\(domain) is not delegated to this gateway: \(seen), and none is \(nameservers.map(\.rawValue).joined(separator: " or "))"
  }
}
