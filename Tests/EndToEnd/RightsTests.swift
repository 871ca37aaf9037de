import Foundation
import TestSupport
import Testing

/// The programs with Redis users that have the rights which the documents name.
@Suite(.timeLimit(.minutes(5)))
struct RightsTests {
  @Test func gatewayAndCallersNeedNoMoreThanTheDocumentsSay() async throws {
    try await GatewayProcess.withGateway(["--no-domain-check"]) { gateway in
      let redis = gateway.redis
      let config: JSON = [
        "IPv4": ["$net": "203.0.113.7/24"], "IPv6": ["IP": nil, "Mask": nil], "Domain": .string(GatewayProcess.zone),
      ]
      let network = try await gateway.caller.serve(
        "network@0.0.1", of: "network", methods: ["GetPublicConfig": ["result": config]])
      try await redis.makeUsers(asIn: "docs/operating.md", "docs/calling.md")
      gateway.signal(SIGTERM)
      #expect(try await gateway.exit() == .code(0))
      try await gateway.start(adding: ["--broker", redis.url(of: "gateway")])

      func ctl(_ arguments: String...) async throws -> String {
        let outcome = try await Command.run(
          Repository.product("gatewayctl"), arguments, environment: ["GATEWAY_BROKER": redis.url(of: "caller")])
        #expect(outcome.status == .code(0), "\(arguments): \(outcome.standardError)")
        return outcome.standardOutput
      }
      try await ChildProcess.withProcess(
        Repository.product("gatewayctl"), ["watch", "--json"],
        environment: ["GATEWAY_BROKER": redis.url(of: "caller")], log: gateway.root.file("watch.log")
      ) { watch in
        try await eventually {
          try await redis.command("PUBSUB", "NUMSUB", "gateway.gateway@0.0.1.Changes").hasSuffix("\n1")
        }
        #expect(try await ctl("set-name", "w", "web", "--backend", "http://10.1.2.3") == "web.\(GatewayProcess.zone)\n")
        _ = try await ctl("set-fqdn", "v", "app.example.org", "--backend", "http://10.1.2.3")
        _ = try await watch.line { $0.contains("app.example.org") }
      }
      #expect(try await network.requests().isEmpty == false)
      #expect(try await ctl("list").contains("app.example.org"))
      _ = try await ctl("metrics")
      _ = try await ctl("status")

      // What is in hand when it dies is run by the next one.
      let request = try await gateway.caller.request(
        "DeleteNamedProxy", with: ["w"], object: "manager@0.0.1", id: "11111111-2222-4333-8444-555555555555")
      try await gateway.kill()
      try await gateway.caller.push(request, to: "gateway.manager@0.0.1.in-flight")
      try await gateway.start()
      try await eventually { try await redis.command("LLEN", "11111111-2222-4333-8444-555555555555") == "1" }
      #expect(try await gateway.domains() == ["v": "app.example.org"])
      _ = try await ctl("delete", "v")

      #expect(try await redis.denials() == "")

      // And what is due when Redis comes back without its data, and with its users.
      try await redis.kill()
      _ = try await eventually {
        try gateway.logged("broker away, trying again until it is back")
      } until: {
        !$0.isEmpty
      }
      try await redis.start()
      try await redis.makeUsers(asIn: "docs/operating.md", "docs/calling.md")
      // It had no users for a moment.
      try await redis.command("ACL", "LOG", "RESET")
      #expect(try await ctl("list").contains("app.example.org") == false)
      gateway.signal(SIGTERM)
      #expect(try await gateway.exit() == .code(0))
      #expect(try await redis.denials() == "")
      let refusals = try gateway.log.filter { "\($0)".contains("NOPERM") }
      #expect(refusals == [])
    }
  }
}
