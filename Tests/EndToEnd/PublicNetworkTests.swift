import TestSupport
import Testing

/// The node's public network, as the `network` module tells it: the test plays that module.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct PublicNetworkTests {
  private static let flags = ["--no-domain-check"]

  /// A `PublicConfig` as Go writes it.
  private static func config(ipv4: JSON, ipv6: JSON, domain: JSON) -> [String: JSON] {
    [
      "GetPublicConfig": [
        "result": [
          "Type": "macvlan", "IPv4": ipv4, "IPv6": ipv6, "GW4": ["$ip": "185.206.122.1"], "GW6": nil,
          "Domain": domain,
        ]
      ]
    ]
  }

  private static let whole = config(
    ipv4: ["$net": "185.206.122.33/24"], ipv6: ["$net": "2a10:b600:1:0:cc4:7a30:65b5:1/64"],
    domain: "Gent01.dev.grid.tf")

  /// Runs `body` with a gateway that asks a `network` module which answers like this.
  private func withNetwork(
    _ methods: [String: JSON], _ body: (GatewayProcess, PythonCaller.Service) async throws -> Void
  ) async throws {
    try await GatewayProcess.withGateway(Self.flags) { gateway in
      try await body(gateway, gateway.caller.serve("network@0.0.1", of: "network", methods: methods))
    }
  }

  @Test func domainAndAddressesAreUsedAndKept() async throws {
    try await withNetwork(Self.whole) { gateway, network in
      try await withThrowingTaskGroup(of: String.self) { group in
        for number in 0..<50 {
          group.addTask { try await gateway.setName("w-\(number)", "n\(number)", "http://10.1.2.3") }
        }
        for try await name in group { #expect(name.hasSuffix(".gent01.dev.grid.tf")) }
      }
      try await gateway.setFQDN("v", "example.org", "http://10.1.2.3")
      let inside = try await gateway.call("SetFQDNProxy", "u", "x.gent01.dev.grid.tf", ["http://10.1.2.3"], false)
      #expect(
        inside.callError
          == "domain x.gent01.dev.grid.tf is inside this node's domain gent01.dev.grid.tf: use SetNamedProxy")
      for own in ["http://185.206.122.33", "http://[2a10:b600:1::cc4:7a30:65b5:1]"] {
        let reply = try await gateway.call("SetNamedProxy", "u", "loop", [.string(own)], false)
        #expect(reply.callError == "invalid backend \"\(own)\": the address is one of this node's own")
      }
      // Asked once for all of that.
      #expect(try await network.requests() == [.init(method: "GetPublicConfig", arguments: [])])
    }
  }

  @Test func nodeWithoutDomainTakesOnlyFQDNs() async throws {
    let methods = Self.config(ipv4: ["$net": "185.206.122.33/24"], ipv6: ["IP": nil, "Mask": nil], domain: "")
    try await withNetwork(methods) { gateway, _ in
      let named = try await gateway.call("SetNamedProxy", "w", "shop", ["http://10.1.2.3"], false)
      #expect(named.callError == "this node has no domain: a named proxy needs one, use SetFQDNProxy")
      try await gateway.setFQDN("w", "shop.example.org", "http://10.1.2.3")
      try await gateway.setFQDN("v", "passed.example.org", "10.1.2.3:443")
      #expect(try await gateway.routes().map { $0["Kind"] } == ["fqdn", "fqdn"])
    }
  }

  @Test func nodeWithoutAddressesTakesOnlyNames() async throws {
    try await withNetwork(Self.config(ipv4: ["IP": nil, "Mask": nil], ipv6: nil, domain: "gent01.dev.grid.tf")) {
      gateway, _ in
      let fqdn = try await gateway.call("SetFQDNProxy", "w", "shop.example.org", ["http://10.1.2.3"], false)
      #expect(fqdn.callError == "this node has no public address: an FQDN proxy needs one")
      #expect(try await gateway.setName("w", "shop", "http://10.1.2.3") == "shop.gent01.dev.grid.tf")
    }
  }

  static let faults: [(answer: JSON, error: String)] = [
    (
      ["error": "no public config", "result": nil],
      "the node's public network is not known: the network module says: no public config"
    ),
    (
      ["protocol_error": "not a function"],
      "the node's public network is not known: GetPublicConfig: not a function"
    ),
    (
      ["result": ["Domain": "nodot"]],
      #"the node's public network is not known: invalid domain "nodot": it needs at least two labels"#
    ),
    (
      ["result": "none"],
      "the node's public network is not known: GetPublicConfig: the result does not decode: expecting map got string"
    ),
  ]

  @Test("What is wrong with the network module's answer is told", arguments: faults)
  func errors(answer: JSON, error: String) async throws {
    try await withNetwork(["GetPublicConfig": answer]) { gateway, _ in
      let reply = try await gateway.call("SetNamedProxy", "w", "shop", ["http://10.1.2.3"], false)
      #expect(reply.callError == error)
      #expect(reply.dataHex == "a0")
      // An error is not kept.
      _ = try await gateway.caller.serve("network@0.0.1", of: "network", methods: Self.whole)
      try await gateway.setName("w", "shop", "http://10.1.2.3")
    }
  }

  @Test func silenceIsToldUntilTheModuleAppears() async throws {
    try await GatewayProcess.withGateway(Self.flags) { gateway in
      // All who ask meanwhile share one question, and hold up nobody who does not.
      async let waiting = withThrowingTaskGroup(of: String?.self) { group in
        for number in 0..<40 {
          group.addTask {
            try await gateway.call("SetNamedProxy", .string("w-\(number)"), "x", ["http://10.1.2.3"], false).callError
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      try await eventually { try await gateway.redis.command("LLEN", "gateway.manager@0.0.1.in-flight") == "40" }
      try await gateway.delete("somebody")
      // So far nobody has given up.
      #expect(try await gateway.redis.command("LLEN", "network.network@0.0.1") == "1")
      #expect(try await gateway.redis.command("LLEN", "gateway.manager@0.0.1.in-flight") == "40")
      let errors = try await waiting
      #expect(
        Set(errors) == [
          "the node's public network is not known: no answer within 5.0 seconds from queue network.network@0.0.1 "
            + "at \(gateway.redis.unixURL); the request was withdrawn"
        ])

      let network = try await gateway.caller.serve("network@0.0.1", of: "network", methods: Self.whole)
      #expect(try await gateway.setName("w", "shop", "http://10.1.2.3") == "shop.gent01.dev.grid.tf")
      // The question of before was taken back.
      #expect(try await network.requests().count == 1)
    }
  }

  @Test func flagsAreUsedAndNobodyIsAsked() async throws {
    try await GatewayProcess.withGateway(["--domain", "node.example.net.", "--no-domain-check"]) { gateway in
      let network = try await gateway.caller.serve("network@0.0.1", of: "network", methods: Self.whole)
      #expect(try await gateway.setName("w", "shop", "http://10.1.2.3") == "shop.node.example.net")
      let fqdn = try await gateway.call("SetFQDNProxy", "v", "example.org", ["http://10.1.2.3"], false)
      #expect(fqdn.callError == "this node has no public address: an FQDN proxy needs one")
      #expect(try await network.requests().isEmpty)
    }
  }
}
