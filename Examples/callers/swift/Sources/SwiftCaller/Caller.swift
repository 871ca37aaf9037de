import GatewayClient
import Logging
import RPC

/// Publishes a workload, asks for all routes and the traffic, and withdraws it again.
///
///     SwiftCaller SOCKET        Redis' unix socket
@main
enum Caller {
  static func main() async throws {
    let broker = try BrokerURL("unix://\(CommandLine.arguments[1])")
    let client = RPCClient(broker: broker, logger: Logger(label: "caller"))
    // A daemon hands the client to its ServiceGroup instead.
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await client.run() }
      try await publish(with: GatewayClient(client, timeout: .seconds(20)))
      group.cancelAll()
    }
  }

  static func publish(with gateway: GatewayClient) async throws {
    let request = RouteRequest(.label("web"), backends: ["http://10.1.2.3:9000"])
    print("published", try await gateway.publish(request, for: "37-1976-web"))

    do {
      try await gateway.publish(request, for: "37-1977-web")
    } catch let failure as CallFailure where failure.code == .domainTaken {
      print("refused:", failure)
    }

    for route in try await gateway.routes() {
      print("route", route.workload, route.kind, route.fqdn, route.backends.joined(separator: " "))
    }
    print("sent to backends:", try await gateway.traffic().request["37-1976-web"] ?? 0.0, "bytes")

    try await gateway.withdraw("37-1976-web")
    print("withdrawn")
  }
}
