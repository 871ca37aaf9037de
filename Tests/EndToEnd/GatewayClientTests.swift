import GatewayClient
import Glibc
import Logging
import RPC
import Records
import System
import TestSupport
import Testing

@testable import GatewayModule

/// The client for authors of other modules, at a running gateway.
@Suite(.timeLimit(.minutes(15)))
struct GatewayClientTests {
  private func withClient(
    _ process: GatewayProcess, _ body: @Sendable (GatewayClient) async throws -> Void
  ) async throws {
    let client = RPCClient(
      broker: try BrokerURL(process.redis.unixURL), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await client.run() }
      try await body(GatewayClient(client))
      group.cancelAll()
    }
  }

  @Test func publishesListsCountsAndWithdraws() async throws {
    try await GatewayProcess.withGateway { process in
      try await withClient(process) { gateway in
        let fqdn = try await gateway.publish(
          RouteRequest(.label("Shop"), backends: ["http://10.1.2.3"]), for: "1-1-shop")
        #expect(fqdn == "shop.\(GatewayProcess.zone)")
        let bank = RouteRequest(.fqdn("bank.example.org"), backends: ["10.1.2.4:443"], passesTLSThrough: true)
        #expect(try await gateway.publish(bank, for: "2-1-bank") == "bank.example.org")

        let shopRoute = RouteInfo(workload: "1-1-shop", kind: .named, fqdn: fqdn, backends: ["http://10.1.2.3:80"])
        let bankRoute = RouteInfo(
          workload: "2-1-bank", kind: .fqdn, fqdn: "bank.example.org", passesTLSThrough: true,
          backends: ["10.1.2.4:443"])
        #expect(try await gateway.routes() == [shopRoute, bankRoute])
        #expect(try await gateway.route(of: "2-1-bank") == bankRoute)
        #expect(try await gateway.route(of: "3-1-none") == nil)
        #expect(try await gateway.traffic() == TrafficTotals(request: [:], response: [:]))
        #expect(try await gateway.node().routes == 2)

        try await gateway.withdraw("1-1-shop")
        try await gateway.withdraw("2-1-bank")
        #expect(try await gateway.routes().isEmpty)
      }
    }
  }

  @Test func eventsTellWhatBecomesOfRoutes() async throws {
    try await GatewayProcess.withGateway { process in
      try await withClient(process) { gateway in
        let events = Task {
          var seen: [RouteEvent.Action] = []
          for try await event in gateway.events where event.workload == "w" {
            seen.append(event.action)
            if event.action == .deleted { break }
          }
          return seen
        }
        // Nobody can tell from here when it listens.
        try await eventually {
          let reply = try await process.redis.command("PUBSUB", "NUMSUB", "gateway.gateway@0.0.1.Changes")
          return reply.split(separator: "\n").last == "1"
        }
        try await gateway.publish(RouteRequest(.label("one"), backends: ["http://10.1.2.3"]), for: "w")
        try await gateway.publish(RouteRequest(.label("two"), backends: ["http://10.1.2.3"]), for: "w")
        try await gateway.withdraw("w")
        #expect(try await events.value == [.set, .replaced, .deleted])
      }
    }
  }

  @Test func refusalsHaveTheCodeOfTheirKind() async throws {
    try await GatewayProcess.withGateway { process in
      try await withClient(process) { gateway in
        func code(of request: RouteRequest, for workload: String = "other") async throws -> CallFailure.Code {
          let failure = await #expect(throws: CallFailure.self) { try await gateway.publish(request, for: workload) }
          let code = try #require(failure?.code)
          #expect(failure?.mayRun == true)
          return code
        }
        try await gateway.publish(RouteRequest(.label("shop"), backends: ["http://10.1.2.3"]), for: "w")
        let backends = ["http://10.1.2.3"]
        #expect(try await code(of: RouteRequest(.label("shop"), backends: backends)) == .domainTaken)
        #expect(try await code(of: RouteRequest(.label("a b"), backends: backends)) == .invalidValue)
        #expect(try await code(of: RouteRequest(.label("a"), backends: ["ftp://10.1.2.3"])) == .invalidValue)
        #expect(try await code(of: RouteRequest(.label("a"), backends: backends), for: "a/b") == .invalidValue)
        #expect(try await code(of: RouteRequest(.fqdn("a.\(GatewayProcess.zone)"), backends: backends)) == .callError)
        #expect(try await code(of: RouteRequest(.label("a"), backends: backends, network: "n")) == .callError)
      }
    }
  }

  /// The gateway's own errors of other kinds; DomainCheckTests and FaultTests have it throw them.
  static let refusals: [(message: String, code: CallFailure.Code)] = {
    let domain = try! Domain("w.test")
    let records = AddressRecords(domain: domain, addresses: [try! IPAddress("192.0.2.7")], missing: nil)
    let elsewhere = DomainCheckError(
      domain: domain, reason: .pointsElsewhere(records, node: [try! IPAddress("192.0.2.1")]))
    let lookup = LookupError(domain: domain, resolver: try! Endpoint("127.0.0.1:53"), reason: .silence(.seconds(5)))
    let full = FileError("/r/staging/w.yaml", "write", ENOSPC)
    let storage = RouteStoreError(workload: try! WorkloadID("w"), cause: full)
    return [
      ("\(elsewhere)", .pointsElsewhere),
      ("\(DomainCheckError(domain: domain, reason: .lookup(lookup)))", .lookupFailed),
      ("\(storage)", .storageFailed),
    ]
  }()

  @Test(arguments: refusals)
  func messagesHaveTheCodeOfTheirKind(message: String, code: CallFailure.Code) async throws {
    try await RedisServer.withServer { redis in
      var server = RPCServer(
        module: GatewayObject.module, broker: try BrokerURL(redis.unixURL),
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
      server.register(GatewayObject.id) {
        RPCMethod(GatewayObject.Method.setFQDNProxy) { (_: String, _: RouteRequest) in throw CallError(message) }
      }
      let client = RPCClient(
        broker: try BrokerURL(redis.unixURL), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
      await withThrowingTaskGroup(of: Void.self) { [server] group in
        group.addTask { try await server.run() }
        group.addTask { try await client.run() }
        let failure = await #expect(throws: CallFailure.self) {
          try await GatewayClient(client).publish(RouteRequest(.fqdn("w.test"), backends: []), for: "w")
        }
        #expect(failure?.code == code)
        #expect(failure?.description == message)
        group.cancelAll()
      }
    }
  }
}
