import GatewayModule
import Logging
import RPC
import TestSupport
import Testing

/// What the author of another module writes in Swift.
@Suite(.timeLimit(.minutes(15)))
struct SwiftCallerTests {
  @Test func publishesListsCountsAndWithdraws() async throws {
    try await GatewayProcess.withGateway { process in
      let client = Client(
        broker: try BrokerURL(process.redis.unixURL), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await client.run() }
        let gateway = client.object(Gateway.object, of: Gateway.module)

        let shop = NamedProxy(name: "Shop", backends: ["http://10.1.2.3"])
        let fqdn: String = try await gateway.call("SetNamedProxy", "1-1-shop", shop)
        #expect(fqdn == "shop.\(GatewayProcess.zone)")
        let bank = FQDNProxy(fqdn: "bank.example.org", passesTLSThrough: true, backends: ["10.1.2.4:443"])
        try await gateway.call("SetFQDNProxy", "2-1-bank", bank)

        let routes: [RouteInfo] = try await gateway.call("Routes")
        #expect(routes.map(\.workload) == ["1-1-shop", "2-1-bank"])
        #expect(routes.map(\.kind) == [.named, .fqdn])
        #expect(routes.map(\.fqdn) == [fqdn, "bank.example.org"])
        #expect(routes.map(\.passesTLSThrough) == [false, true])
        #expect(routes.map(\.backends) == [["http://10.1.2.3:80"], ["10.1.2.4:443"]])

        let metrics: Metrics = try await gateway.call("Metrics")
        #expect(metrics.request == [:] && metrics.response == [:])

        let failure = await #expect(throws: CallFailure.self) {
          let _: String = try await gateway.call("SetNamedProxy", "other", shop)
        }
        #expect(failure?.reason == .callError("domain already registered: \(fqdn)"))

        try await gateway.call("DeleteNamedProxy", "1-1-shop")
        try await gateway.call("DeleteNamedProxy", "2-1-bank")
        let left: [RouteInfo] = try await gateway.call("Routes")
        #expect(left.isEmpty)
        group.cancelAll()
      }
    }
  }
}
