import GatewayModule
import Logging
import RPC

/// Publishes a workload, asks for all routes and the traffic, and withdraws it again.
///
///     SwiftCaller SOCKET        Redis' unix socket
@main
enum Caller {
  static func main() async throws {
    let broker = try BrokerURL("unix://\(CommandLine.arguments[1])")
    let client = Client(broker: broker, logger: Logger(label: "caller"))
    // A daemon hands the client to its ServiceGroup instead.
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await client.run() }
      try await publish(with: client.object(Gateway.object, of: Gateway.module, timeout: .seconds(20)))
      group.cancelAll()
    }
  }

  static func publish(with gateway: Client.RemoteObject) async throws {
    let proxy = NamedProxy(name: "web", backends: ["http://10.1.2.3:9000"])
    let fqdn: String = try await gateway.call("SetNamedProxy", "37-1976-web", proxy)
    print("published", fqdn)

    do {
      let _: String = try await gateway.call("SetNamedProxy", "37-1977-web", proxy)
    } catch let failure as CallFailure {
      guard case .callError(let message) = failure.reason else { throw failure }
      print("refused:", message)
    }

    let routes: [RouteInfo] = try await gateway.call("Routes")
    for route in routes {
      print("route", route.workload, route.kind, route.fqdn, route.backends.joined(separator: " "))
    }

    let metrics: Metrics = try await gateway.call("Metrics")
    print("sent to backends:", metrics.request["37-1976-web"] ?? 0.0, "bytes")

    try await gateway.call("DeleteNamedProxy", "37-1976-web")
    print("withdrawn")
  }
}
