import Logging
import ProxyConfig
import RPC
import System
import TestSupport
import Testing

@testable import GatewayModule

/// What the `network` module says, and what is made of it while it says nothing.
@Suite(.timeLimit(.minutes(5)))
struct NetworkModuleTests {
  private func answer(_ domain: String) -> [String: JSON] {
    [
      "GetPublicConfig": [
        "result": ["IPv4": ["$net": "203.0.113.7/24"], "IPv6": ["IP": nil, "Mask": nil], "Domain": .string(domain)]
      ]
    ]
  }

  /// Runs `body` with a module that is asked every time and given up soon.
  private func withModule(_ body: (NetworkModule, PythonCaller) async throws -> Void) async throws {
    try await RedisServer.withServer { redis in
      try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
        let client = RPCClient(broker: try BrokerURL(redis.unixURL), logger: .silent)
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await client.run() }
          let module = NetworkModule(
            client: client, lifetime: .zero, timeout: .seconds(2), logger: .silent)
          try await body(module, caller)
          group.cancelAll()
        }
      }
    }
  }

  @Test func lastAnswerStandsWhileTheModuleIsSilent() async throws {
    try await withModule { module, caller in
      await #expect(throws: PublicNetworkUnknown.self) { try await module.publicNetwork() }
      _ = try await caller.serve("network@0.0.1", of: "network", methods: answer("one.test"))
      let known = try await module.publicNetwork()
      #expect(known == PublicNetwork(domain: try Domain("one.test"), addresses: [try IPAddress("203.0.113.7")]))

      _ = try await caller.serve("network@0.0.1", of: "network", methods: ["GetPublicConfig": ["silent": true]])
      #expect(try await module.publicNetwork() == known)
      _ = try await caller.serve("network@0.0.1", of: "network", methods: answer("two.test"))
      #expect(try await module.publicNetwork().domain == Domain("two.test"))
    }
  }

  @Test func whatTheModuleSaysCountsMoreThanWhatItSaid() async throws {
    try await withModule { module, caller in
      _ = try await caller.serve("network@0.0.1", of: "network", methods: answer("one.test"))
      _ = try await module.publicNetwork()
      let refusal: JSON = ["error": "public access was withdrawn", "result": nil]
      _ = try await caller.serve("network@0.0.1", of: "network", methods: ["GetPublicConfig": refusal])
      let error = try await #require(throws: PublicNetworkUnknown.self) { try await module.publicNetwork() }
      #expect(
        error.description
          == "the node's public network is not known: the network module says: public access was withdrawn")
    }
  }
}
