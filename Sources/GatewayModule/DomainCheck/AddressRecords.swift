public import ProxyConfig
import System

/// What a resolver knows about where a domain is: at least one address.
public struct AddressRecords: Hashable, Sendable {
  public let domain: Domain

  /// From the A records, then from the AAAA records, in the order they came.
  public let addresses: [IPAddress]

  /// Why one of the two kinds of records could not be had.
  public let missing: LookupError?

  public init(domain: Domain, addresses: [IPAddress], missing: LookupError? = nil) {
    self.domain = domain
    self.addresses = addresses
    self.missing = missing
  }

  /// The rule for a domain that is to be served here: one of its addresses is the node's.
  public func verify(pointTo node: [IPAddress]) throws(DomainCheckError) {
    guard addresses.contains(where: node.contains) else {
      throw DomainCheckError(domain: domain, reason: .pointsElsewhere(self, node: node))
    }
  }
}
