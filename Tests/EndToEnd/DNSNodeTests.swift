import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// What the gateway itself says in the DNS: of the node's own domain, and to certificate authorities.
@Suite(.timeLimit(.minutes(15)))
struct DNSNodeTests {
  // MARK: The node's own domain

  @Test func domainOfTheNodeNeedsNothingButItsDelegation() async throws {
    let authority = ["--acme-email", "operator@example.org", "--acme-ca", "staging"]
    try await Knot.withNode(["--dns-domain", zone] + authority) { gateway, knot in
      // As soon as it is served it is whole.
      try await eventually { try await knot.ask(zone, "SOA").status == "NOERROR" }
      #expect(try await knot.data(zone, "A") == ["203.0.113.7"])
      #expect(try await knot.data(zone, "AAAA") == ["2001:db8::7"])
      #expect(try await knot.data(zone, "CAA") == [#"0 issue "letsencrypt.org""#])
      #expect(
        try await knot.ask("shop.\(zone)", "A").records.map(\.data) == ["\(zone).", "203.0.113.7"],
        "every name leads to the node")
      // A name that a workload has set leads where it says.
      #expect(try await gateway.setRecords("37-1-mail", "mail.\(zone)", .record("A", "192.0.2.7")).callError == nil)
      #expect(try await knot.data("mail.\(zone)", "A") == ["192.0.2.7"])
      for name in [zone, "*.\(zone)", "_acme-challenge.\(zone)", "_dmarc.\(zone)"] {
        #expect(
          try await gateway.setRecords("37-1-x", name, .record("A", "192.0.2.7")).callError
            == #"invalid name "\#(name)": it is the gateway's own"#)
      }
      // The gateway may be started with another address.
      try await gateway.restart(adding: ["--public-ip", "203.0.113.9"])
      try await eventually {
        try await knot.data(zone, "A")
      } until: {
        $0 == ["203.0.113.7", "203.0.113.9"]
      }
    }
  }

  /// Also where it is only inside a managed domain, as the name servers may be.
  @Test func whatIsTheNodesOrItsServersIsNobodyElses() async throws {
    let flags = ["--dns-domain", "example.test", "--dns-nameserver", "ns2.dns.example.test"]
    try await Knot.withNode(flags) { gateway, _ in
      for name in [
        zone, "*.\(zone)", "_acme-challenge.\(zone)", "ns2.dns.example.test", "_acme-challenge.ns2.dns.example.test",
      ] {
        let reply = try await gateway.setRecords("37-1-x", name, .record("TXT", "x"))
        #expect(reply.callError == "invalid name \"\(name)\": it is the gateway's own")
      }
      let reply = try await gateway.setRecords("37-1-x", "dns.example.test", .record("NS", "ns.elsewhere.test"))
      #expect(
        reply.callError
          == "invalid records of \"dns.example.test\": ns2.dns.example.test in it is the gateway's own")
    }
  }

  /// What speaks for a name is for whoever has the name: else others could get certificates for it.
  @Test func namesThatAreBelievedOfAnotherAreItsHolders() async throws {
    try await Knot.withNode(["--dns-domain", zone]) { gateway, _ in
      #expect(
        try await gateway.setRecords("37-1-web", "web.\(Knot.managed)", .record("A", "192.0.2.7")).callError == nil)
      for name in ["_acme-challenge.web.\(Knot.managed)", "_443._tcp.web.\(Knot.managed)", "*.web.\(Knot.managed)"] {
        #expect(
          try await gateway.setRecords("38-1-x", name, .record("TXT", "x")).callError
            == #"invalid name "\#(name)": web.\#(Knot.managed) is held by 37-1-web"#)
      }
      let challenge = "_acme-challenge.web.\(Knot.managed)"
      #expect(try await gateway.setRecords("37-1-challenge", challenge, .record("TXT", "x")).callError == nil)
      #expect(
        try await gateway.setRecords("38-1-x", "a.web.\(Knot.managed)", .record("A", "192.0.2.7")).callError == nil)
      // The other way round, and after a restart.
      #expect(
        try await gateway.setRecords("39-1-x", "_acme-challenge.new.\(Knot.managed)", .record("TXT", "x")).callError
          == nil)
      try await gateway.restart()
      #expect(
        try await gateway.setRecords("37-1-new", "new.\(Knot.managed)", .record("A", "192.0.2.7")).callError
          == #"invalid name "new.\#(Knot.managed)": new.\#(Knot.managed) is held by 39-1-x"#)
      _ = try await gateway.dns("DeleteRecords", "39-1-x")
      #expect(
        try await gateway.setRecords("37-1-new", "new.\(Knot.managed)", .record("A", "192.0.2.7")).callError == nil)

      // A route's name is held as well, and a name whose records are another's is no route's.
      try await gateway.setName("37-1-shop", "shop", "http://127.0.0.1:9")
      for name in ["shop.\(zone)", "_acme-challenge.shop.\(zone)"] {
        #expect(
          try await gateway.setRecords("38-1-y", name, .record("TXT", "x")).callError
            == #"invalid name "\#(name)": shop.\#(zone) is held by 37-1-shop"#)
      }
      #expect(try await gateway.setRecords("38-1-y", "club.\(zone)", .record("A", "192.0.2.7")).callError == nil)
      let reply = try await gateway.call(
        "SetNamedProxy", "37-1-club", ["Name": "club", "Backends": ["http://127.0.0.1:9"]])
      #expect(reply.callError == "domain already registered: club.\(zone)")
    }
  }

  // MARK: Certificates

  @Test(arguments: [true, false])
  func wildcardCertificateIsThereByKnot(inOwnZone: Bool) async throws {
    let dns = try Knot.flags()
    let knot = dns[dns.firstIndex(of: "--dns-address")! + 1]
    let http = try FreePort.next()
    try await Pebble.withServer(resolver: knot, http: "\(http)") { pebble in
      let flags =
        dns + (inOwnZone ? ["--dns-domain", zone] : []) + [
          "--http-address", "127.0.0.1:\(http)", "--acme-email", "operator@example.org", "--acme-ca",
          pebble.directoryURL, "--acme-resolver", knot, "--acme-propagation", "resolvers",
        ]
      try await GatewayProcess.withGateway(flags, prepare: Knot.prepare) { gateway in
        try await Knot.withServer(for: gateway) { knot in
          let challenge = "_acme-challenge.\(zone)"
          // Traefik, which asks for it at once, does not ask again soon.
          try await eventually { try await knot.ask(challenge, "TXT").status == "NOERROR" }
          try await gateway.withTraefikAsInstalled(environment: pebble.environment) { _ in
            try await HTTPBackend.withServer("hats") { hats in
              try await gateway.setName("1-shop", "shop", hats.url)
              let client = gateway.client("--https-address", trust: .authority(file: pebble.root))
              let response = try await eventually {
                try await client.fetch("https://shop.\(zone)/hats")
              } until: {
                $0.status == 200
              }
              #expect(response.certificateNames == ["*.\(zone)"])
            }
          }
          // Nothing of it is left, nor was there ever another server.
          try await eventually {
            try await knot.data(challenge, "TXT")
          } until: {
            $0 == (inOwnZone ? [#""no challenge is pending""#] : [])
          }
          #expect(try !gateway.files().keys.contains("acme/dnsmasq.conf"))
        }
      }
    }
  }

  /// As `acme-hook` alone sees it: values come and go together, and what is pending survives all of them.
  @Test func pendingChallengesAreAnsweredWhoeverIsKilled() async throws {
    try await Knot.withNode { gateway, knot in
      let name = "_acme-challenge.\(zone)"
      @Sendable func hook(_ verb: String, _ value: String) async throws -> Command.Outcome {
        try await Command.run(
          Repository.product("acme-hook"), [verb, "--root", gateway.root.path, "\(name).", value])
      }
      for value in ["first", "second"] { #expect(try await hook("present", value).status == .code(0)) }
      #expect(try await knot.data(name, "TXT") == [#""first""#, #""second""#])
      try await knot.kill()
      try await gateway.kill()
      try await gateway.start()
      try await knot.start()
      try await eventually {
        try await knot.data(name, "TXT")
      } until: {
        $0 == [#""first""#, #""second""#]
      }
      #expect(try await hook("cleanup", "first").status == .code(0))
      try await eventually {
        try await knot.data(name, "TXT")
      } until: {
        $0 == [#""second""#]
      }
      // Without the gateway nobody tells knotd: the hook says so, and the challenge is not pending.
      try await gateway.kill()
      let outcome = try await hook("present", "third")
      #expect(outcome.status == .code(1))
      #expect(
        outcome.standardError.contains("knotd, to which the gateway says what to answer, does not"), "\(outcome)")
    }
  }
}
