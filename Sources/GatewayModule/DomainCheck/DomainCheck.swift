public import ProxyConfig
import System

/// Makes sure that a domain somebody wants served here is theirs to point here: that it does point here.
public struct DomainCheck: Sendable {
  private let resolver: Resolver

  public init(at resolver: Resolver) {
    self.resolver = resolver
  }

  /// Looks `domain` up and compares its addresses with the node's public ones.
  public func verify(_ domain: Domain, pointsTo node: [IPAddress]) async throws(DomainCheckError) {
    let records: AddressRecords
    do throws(LookupError) {
      records = try await resolver.addresses(of: domain)
    } catch {
      throw DomainCheckError(domain: domain, reason: .lookup(error))
    }
    try records.verify(pointTo: node)
  }
}

/// Why a domain is not served here.
public struct DomainCheckError: Error, Hashable, CustomStringConvertible {
  public enum Reason: Hashable, Sendable {
    case lookup(LookupError)
    case pointsElsewhere(AddressRecords, node: [IPAddress])
  }

  public let domain: Domain
  public let reason: Reason

  public var description: String {
    switch reason {
    case .lookup(let error):
      return "\(error)"
    case .pointsElsewhere(let records, let node):
      let found = "\(domain) does not point to this node: it has \(Self.list(records.addresses))"
      let wanted = node.isEmpty ? "this node has no public address" : "this node is at \(Self.list(node))"
      return "\(found), \(wanted)" + (records.missing.map { "; \($0)" } ?? "")
    }
  }

  /// A resolver may answer with thousands.
  private static func list(_ addresses: [IPAddress]) -> String {
    let shown = 8
    let text = addresses.prefix(shown).map(\.description).joined(separator: ", ")
    return addresses.count > shown ? "\(text) and \(addresses.count - shown) more" : text
  }
}
