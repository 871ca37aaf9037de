public import ProxyConfig
import System

/// What the outside world sees of this node.
public struct PublicNetwork: Hashable, Sendable {
  /// The domain inside which named proxies get their names.
  public let domain: Domain?
  /// The node's public addresses, to which an FQDN proxy's domain must point.
  public let addresses: [IPAddress]

  public init(domain: Domain?, addresses: [IPAddress]) {
    self.domain = domain
    self.addresses = addresses
  }
}
