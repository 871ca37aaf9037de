import DNSZones
public import GatewayClient
import NIOPosix
import Records
import System

/// Looks whether knotd answers for a name, or a zone, that was just set.
public struct NameLook: Sendable {
  /// How long knotd may take to answer.
  private static let patience = Duration.seconds(2)

  private let domain: Domain
  private let gateway: GatewayClient

  /// - Parameter name: as it was set; for a wildcard a name that it stands for is asked for.
  /// - Throws: `InvalidValue` for what is no name.
  public init(_ name: String, gateway: GatewayClient) throws {
    domain = try Domain(
      name.hasPrefix("*.") ? "gatewayctl-\(UInt32.random(in: 0 ... .max))\(name.dropFirst())" : name)
    self.gateway = gateway
  }

  /// What the world sees of it, where it is asked.
  public func state() async throws -> LiveWait.State {
    guard let dns = try await gateway.node().dns else {
      return .pending("the gateway serves no names: no --dns-address")
    }
    guard dns.fault.isEmpty else { return .pending(dns.fault) }
    for text in dns.addresses {
      let server = try Endpoint(text)
      let reply = try await NIOThreadPool.singleton.runIfActive {
        DNSQuery(name: domain, type: .soa, server: server, isRecursive: false).ask(within: Self.patience)
      }
      // Whatever its types are, the name is there.
      guard [.records, .noRecords].contains(reply.outcome) else {
        return .pending("knotd at \(server) says of \(domain): \(reply.statusText)")
      }
    }
    return .live(at: dns.addresses)
  }
}
