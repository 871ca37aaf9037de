import ProxyConfig
import RPC
import System

/// The answer of `network@0.0.1` to `GetPublicConfig`, as far as it concerns this module.
struct PublicConfig: Decodable, Sendable {
  /// A network address; absent ones have no bytes.
  struct Network: Decodable, Sendable {
    let ip: Binary

    enum CodingKeys: String, CodingKey { case ip = "IP" }
  }

  let ipv4: Network
  let ipv6: Network
  let domain: String

  enum CodingKeys: String, CodingKey {
    case ipv4 = "IPv4"
    case ipv6 = "IPv6"
    case domain = "Domain"
  }

  /// - Throws: `InvalidValue` when the domain is none.
  func publicNetwork() throws(InvalidValue) -> PublicNetwork {
    PublicNetwork(
      domain: domain.isEmpty ? nil : try Domain(domain),
      addresses: [ipv4, ipv6].compactMap { IPAddress(bytes: $0.ip.bytes) }.filter { !$0.isUnspecified })
  }
}
