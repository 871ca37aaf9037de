import Foundation
import TestSupport
import Testing

/// Where an FQDN must point before it is published, asked at a real resolver.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct DomainCheckTests {
  private static let records: [Dnsmasq.Record] = [
    .address("four.example.org", "203.0.113.7"), .address("six.example.org", "2001:db8::7"),
    .address("both.example.org", "192.0.2.1"), .address("both.example.org", "2001:db8::7"),
    .alias("chain.example.org", to: "middle.example.org"), .alias("middle.example.org", to: "four.example.org"),
    .address("elsewhere.example.org", "192.0.2.1"), .alias("lost.example.org", to: "elsewhere.example.org"),
    .failing("failing.example.org"), .silent("silent.example.org"),
  ]

  /// Runs `body` with a gateway that looks domains up at a resolver which knows these records.
  private func withResolver(_ body: (GatewayProcess, Dnsmasq) async throws -> Void) async throws {
    try await Dnsmasq.withServer(Self.records) { resolver in
      try await GatewayProcess.withGateway(GatewayProcess.node + ["--resolver", resolver.address]) { gateway in
        try await body(gateway, resolver)
      }
    }
  }

  private func setFQDN(_ gateway: GatewayProcess, _ fqdn: String) async throws -> PythonCaller.Reply {
    try await gateway.call("SetFQDNProxy", .string(fqdn), .string(fqdn), ["http://10.1.2.3"], false)
  }

  @Test func acceptsADomainThatPointsToTheNode() async throws {
    try await withResolver { gateway, resolver in
      for name in ["four", "six", "both", "chain"] {
        let reply = try await setFQDN(gateway, "\(name).example.org")
        #expect(reply.callError == nil, "\(name)")
      }
      #expect(try await gateway.domains().count == 4)

      // A route that is there is not looked up again.
      await resolver.stop()
      #expect(try await setFQDN(gateway, "four.example.org").callError == nil)
    }
  }

  @Test func refusesADomainThatDoesNot() async throws {
    try await withResolver { gateway, resolver in
      let files = try gateway.files()
      let elsewhere = "does not point to this node: it has 192.0.2.1, this node is at 203.0.113.7, 2001:db8::7"
      let failure = { (name: String) in "cannot look up \(name).example.org at \(resolver.address): " }
      let expected = [
        "elsewhere": "elsewhere.example.org \(elsewhere)", "lost": "lost.example.org \(elsewhere)",
        "missing": failure("missing") + "there is no such domain (NXDOMAIN)",
        "failing": failure("failing") + "the resolver could not find out (SERVFAIL)",
        "silent": failure("silent") + "no answer within 5.0 seconds",
      ]
      for (name, error) in expected {
        let reply = try await setFQDN(gateway, "\(name).example.org")
        #expect(reply.callError == error)
        #expect(reply.dataHex == "")
      }
      await resolver.stop()
      let reply = try await setFQDN(gateway, "four.example.org")
      #expect(reply.callError == failure("four") + "nothing listens there, or no route leads there")
      #expect(try gateway.files() == files)
    }
  }

  @Test("Sixty slow checks hold up no other call, whether for sixty workloads or one")
  func slowChecks() async throws {
    try await withResolver { gateway, _ in
      func inFlight() async throws -> String {
        try await gateway.redis.command("LLEN", "gateway.manager@0.0.1.in-flight")
      }
      var attempt = 0
      // On a machine that is so slow that the five seconds of these are over first, it is tried again.
      try await eventually {
        attempt += 1
        for number in 0..<60 {
          // The callers who wait for these do not matter, so nobody does.
          let request = try await gateway.caller.request(
            "SetFQDNProxy",
            with: [
              .string(number % 2 == 0 ? "same" : "slow-\(number)"), .string("n\(number).silent.example.org"),
              ["http://10.1.2.3"], false,
            ], object: "manager@0.0.1", id: "slow-\(attempt)-\(number)")
          try await gateway.caller.push(request, to: "gateway.manager@0.0.1")
        }
        // Behind them on the queue.
        for number in 0..<20 {
          try await gateway.setName("w-\(number)", "n\(attempt)-\(number)", "http://10.1.2.3")
        }
        if try await inFlight() == "60" { return true }
        try await eventually { try await inFlight() == "0" }
        return false
      }
      gateway.signal(SIGKILL)
    }
  }

  @Test func checkIsDoneBeforeTheNextCallOfItsWorkload() async throws {
    try await withResolver { gateway, _ in
      let slow = try await gateway.caller.request(
        "SetFQDNProxy", with: ["w", "silent.example.org", ["http://10.1.2.3"], false], object: "manager@0.0.1",
        id: "slow")
      try await gateway.caller.push(slow, to: "gateway.manager@0.0.1")
      try await gateway.setName("w", "shop", "http://10.1.2.3")
      #expect(try await gateway.redis.command("LLEN", "slow") == "1")
    }
  }
}
