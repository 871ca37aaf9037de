import DNSZones
public import GatewayClient
import NIOPosix
import Records
import System

/// Waits until knotd answers for a name, or a zone, that was just set.
public struct NameWait: Sendable {
  /// What came of the wait.
  public enum WaitOutcome: Hashable, Sendable {
    /// The world sees it; where it was asked.
    case served(by: [String])
    /// It does not, and why.
    case pending(String)
  }

  /// From one look to the next.
  private static let interval = Duration.milliseconds(100)
  /// How long knotd may take to answer.
  private static let patience = Duration.seconds(2)

  private let name: String
  private let gateway: GatewayClient

  /// - Parameter name: as it was set; for a wildcard a name that it stands for is asked for.
  public init(_ name: String, gateway: GatewayClient) {
    self.name = name
    self.gateway = gateway
  }

  /// - Parameter limit: how long to wait.
  public func run(within limit: Duration) async throws -> WaitOutcome {
    let deadline = ContinuousClock.now + limit
    let text = name.hasPrefix("*.") ? "gatewayctl-\(UInt32.random(in: 0 ... .max))\(name.dropFirst())" : name
    let domain = try Domain(text)
    while true {
      let outcome = try await look(domain)
      guard case .pending = outcome, .now < deadline else { return outcome }
      try await Task.sleep(for: Self.interval)
    }
  }

  private func look(_ domain: Domain) async throws -> WaitOutcome {
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
    return .served(by: dns.addresses)
  }
}
