import Foundation
import TestSupport
import Testing

/// Tunnels, from the bus through Traefik and the relay to a client on another yamux, hashicorp's.
@Suite(.timeLimit(.minutes(10)))
struct TunnelTests {
  private static let zone = GatewayProcess.zone

  /// A client that may do what it should not.
  private func withClient<Result>(
    of relay: Relay, _ secret: String, _ arguments: String..., at address: String? = nil,
    _ body: (ChildProcess) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      try await ChildProcess.withProcess(
        Repository.program("python3"),
        [Repository.file("Tests/python/tunnel_client.py"), address ?? relay.clients] + arguments + [
          "--secret=\(secret)"
        ],
        log: directory.file("client.log"), body)
    }
  }

  private func isConnected(_ gateway: GatewayProcess, _ workload: String) async throws -> Bool {
    try await gateway.listedTunnel(workload)?["Connected"] == true
  }

  // MARK: What is set is served

  @Test func siteBehindATunnelIsFetchedByItsName() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      #expect(secret.utf8.count == 43)
      try await HTTPBackend.withServer("plain") { plain in
        try await HTTPBackend.withServer("passed.example.org", tls: true) { secure in
          try await relay.withClient(secret: secret, local: plain.endpoint, localTLS: secure.endpoint) { _ in
            try await gateway.setName("37-site", "site", "tunnel:37-home")
            let passed: JSON = [
              "FQDN": "passed.example.org", "TLSPassthrough": true, "Backends": ["tunnel:37-home"],
              "HTTPBackends": ["tunnel:37-home"],
            ]
            #expect(try await gateway.call("SetFQDNProxy", "37-passed", passed).callError == nil)
            try await gateway.withTraefik { _ in
              let client = gateway.client("--https-address")
              try await eventually {
                try await client.fetch("https://site.\(Self.zone)/a?b").answer?.path == "/a?b"
              }
              let answer = try await eventually { () -> HTTPClient.Response in
                try await client.fetch("https://passed.example.org/")
              } until: {
                $0.answer?.name == "passed.example.org"
              }
              #expect(answer.certificateSubject?.contains("passed.example.org") == true)
              try await eventually {
                try await gateway.client("--http-address").fetch("http://passed.example.org/").answer?.name == "plain"
              }
              // More than a window.
              #expect(try await client.fetch("https://site.\(Self.zone)/bytes/3000000").body.utf8.count == 3_000_000)
            }
          }
        }
      }
      let routes = try await gateway.routes()
      #expect(routes.map { $0["Backends"] } == [["tunnel:37-home"], ["tunnel:37-home"]])
      #expect(routes.map { $0["HTTPBackends"] }.contains(["tunnel:37-home"]))
      // The file says all that is needed to read it back.
      try await gateway.kill()
      try await gateway.start()
      #expect(try await gateway.routes() == routes)
    }
  }

  @Test func clientsComeByTLSUnderTheNodesName() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      try await gateway.setName("37-site", "site", "tunnel:37-home")
      try await gateway.withTraefik { _ in
        // Its file is there before Traefik; Traefik says that it has taken it in by serving it.
        try await eventually {
          try await withClient(
            of: relay, secret, "serve", "--tls", "tunnel.\(Self.zone)", at: gateway.address("--https-address")
          ) { client in
            let first = try await client.line { !$0.isEmpty }
            guard first == "answer 0 " else { return false }
            let listed = try await gateway.listedTunnel("37-home")
            let session = listed?["Sessions"].array?.first
            #expect(session?["Version"] == 2)
            // Not Traefik's address: the client's, of which the port is unlike any of Traefik's connections to the relay.
            #expect(session?["Remote"].string?.hasPrefix("127.0.0.1:") == true)
            try await eventually {
              try await gateway.client("--https-address").fetch("https://site.\(Self.zone)/").body == "served"
            }
            return true
          }
        }
      }
    }
  }

  @Test func fileThatSomebodyPutsThereIsServed() async throws {
    try await Relay.withNode { gateway, relay in
      // The digest of "0123456789abcdef".
      let digest = "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f"
      try gateway.root.write("secret: \(digest)\naddress: 127.64.9.9:\(relay.port)\n", to: "tunnels/37-hand.yaml")
      try await eventually { try await gateway.listedTunnel("37-hand") != nil }
      try await eventually {
        try await withClient(of: relay, "0123456789abcdef", "serve") {
          try await $0.line { !$0.isEmpty } == "answer 0 "
        }
      }
      // One that is none harms nobody.
      try gateway.root.write("secret: none\n", to: "tunnels/37-broken.yaml")
      try await eventually { try gateway.files()["quarantine/37-broken.yaml"] != nil }
      try gateway.root.write("secret: none\n", to: "tunnels/37-hand.yaml")
      try await eventually { try gateway.files()["quarantine/37-hand.yaml"] != nil }
      try await withClient(of: relay, "0123456789abcdef", "serve") { client in
        _ = try await client.line { $0 == "answer 0 " }
      }
    }
  }

  @Test func commandsTellLiveFromPendingAndWhetherTheRelayRuns() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      func wait() async throws -> Command.Outcome {
        try await gateway.gatewayctl("tunnel", "set", "37-home", "--wait", "1")
      }
      let pending = try await wait()
      #expect(pending.status == .code(75))
      #expect(pending.standardError.hasPrefix("gatewayctl: the tunnel of 37-home is not served after "))
      #expect(pending.standardError.hasSuffix(" s: no client has dialled in\n"))
      func relayLine() async throws -> String? {
        try await gateway.gatewayctl("status").standardOutput.split(separator: "\n").first { $0.hasPrefix("relay") }
          .map(String.init)
      }
      func check() async throws -> JSON? {
        try JSON(parsing: try await gateway.gatewayctl("check", "--json").standardOutput).array?.first {
          $0["Check"] == "relay"
        }
      }
      try await withClient(of: relay, secret, "serve") { client in
        _ = try await client.line { $0 == "answer 0 " }
        let live = try await wait()
        #expect(live.status == .code(0) && live.standardError.hasPrefix("the tunnel of 37-home is served after "))
        let line = try await relayLine()
        #expect(line?.hasPrefix("relay    up since ") == true)
        #expect(line?.hasSuffix(", 1 of 1 tunnels with a client, 0 of 0 pipes listening") == true)
        let finding = try await check()?["Finding"]
        #expect(finding == "of 1 tunnels 1 have a client, of 0 pipes 0 take connections")
      }
      relay.signal(SIGKILL)
      _ = try await relay.exit()
      #expect(try await relayLine() == "relay    down: the relay is not running")
      #expect(try await check()?["Outcome"] == "failure")
      #expect(try await wait().standardError.hasSuffix(" s: the relay does not answer\n"))
    }
  }

  // MARK: Secrets

  @Test func secretIsToldOnceAndOnlyItsDigestIsKept() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      let servers: JSON = [
        .string("tls://tunnel.\(Self.zone):\(gateway.port("--https-address"))"), .string("tcp://\(relay.clients)"),
      ]
      // Asked for again without one, it stays, and is not told.
      #expect(try await gateway.tunnel("SetTunnel", "37-home", [:]).data == ["Servers": servers, "Secret": ""])
      let file = try #require(try gateway.files()["tunnels/37-home.yaml"])
      #expect(!file.content.contains(secret))
      #expect(
        try FileManager.default.attributesOfItem(atPath: gateway.root.file("tunnels/37-home.yaml"))[
          .posixPermissions] as? Int == 0o600)
      #expect(try !gateway.log.contains { "\($0)".contains(secret) })
      // One that is given.
      let own = String(repeating: "s", count: 16)
      #expect(try await gateway.tunnel("SetTunnel", "37-own", ["Secret": .string(own)]).data["Secret"] == "")
      let taken = try await gateway.tunnel("SetTunnel", "38-other", ["Secret": .string(own)])
      #expect(taken.callError?.hasPrefix("secret already registered: sha256:") == true)
      #expect(try await gateway.listedTunnel("38-other") == nil)
    }
  }

  @Test func sessionsEndAtOnceWithTheirSecret() async throws {
    try await Relay.withNode { gateway, relay in
      let first = try await gateway.setTunnel("37-home")
      try await withClient(of: relay, first, "serve") { client in
        _ = try await client.line { $0 == "answer 0 " }
        let other: JSON = ["Secret": .string(String(repeating: "n", count: 512))]
        #expect(try await gateway.tunnel("SetTunnel", "37-home", other).callError == nil)
        _ = try await client.line { $0 == "closed" }
      }
      try await withClient(of: relay, first, "serve") { client in
        _ = try await client.line { $0 == "answer 1 there is no tunnel with this secret" }
        _ = try await client.line { $0 == "closed" }
      }
      try await withClient(of: relay, String(repeating: "n", count: 512), "serve") { client in
        _ = try await client.line { $0 == "answer 0 " }
        #expect(try await gateway.tunnel("DeleteTunnel", "37-home").callError == nil)
        _ = try await client.line { $0 == "closed" }
      }
      #expect(try await gateway.tunnel("DeleteTunnel", "37-home").callError == nil)
      #expect(try await gateway.tunnel("Tunnels").data == [])
    }
  }

  // MARK: What is refused

  @Test func badValuesAreRefusedInWords() async throws {
    try await Relay.withNode { gateway, _ in
      for (secret, count) in [("short", 5), (String(repeating: "x", count: 513), 513)] {
        let reply = try await gateway.tunnel("SetTunnel", "37-home", ["Secret": .string(secret)])
        #expect(reply.callError == "invalid secret of \(count) bytes: it must have 16 to 512")
      }
      #expect(
        try await gateway.tunnel("SetTunnel", "../x", [:]).callError
          == #"invalid workload "../x": only letters, digits, '.', '_' and '-' may appear"#)
      _ = try await gateway.setTunnel("37-home")
      for workload in ["38-thief", "3-thief", "site"] {
        let proxy: JSON = ["Name": "site", "TLSPassthrough": false, "Backends": ["tunnel:37-home"]]
        #expect(
          try await gateway.call("SetNamedProxy", .string(workload), proxy).callError
            == #"invalid backend "tunnel:37-home": this user has no such tunnel"#)
      }
      let none: JSON = [
        "Name": "site", "TLSPassthrough": false, "Backends": ["tunnel:37-none", "tunnel:", "tunnel:/"],
      ]
      #expect(
        try await gateway.call("SetNamedProxy", "37-site", none).callError
          == ["37-none", "", "/"].map { #"invalid backend "tunnel:\#($0)": this user has no such tunnel"# }
          .joined(separator: "; "))
      let name: JSON = ["Name": "tunnel", "TLSPassthrough": false, "Backends": ["tunnel:37-home"]]
      #expect(
        try await gateway.call("SetNamedProxy", "37-site", name).callError
          == #"invalid name "tunnel": clients of tunnels dial in under it"#)
    }
  }

  /// What a client does, and what the relay does then.
  @Test(
    "A client that does what it must not is sent away, and nobody else notices",
    arguments: [
      ("bytewise", ["answer 0 ", "finished 1"]), ("silent", ["closed"]), ("unfinished", ["closed"]),
      ("oversized", ["closed"]), ("noise", ["goaway 1", "closed"]), ("flood", ["closed"]),
      ("lies", ["goaway 1", "closed"]),
      ("opens", ["reset 3"]), ("pings", ["closed"]), ("gone", ["closed"]),
    ])
  func badClient(_ what: String, _ lines: [String]) async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      let other = try await gateway.setTunnel("38-other")
      try await withClient(of: relay, other, "serve") { innocent in
        _ = try await innocent.line { $0 == "answer 0 " }
        try await withClient(of: relay, secret, what) { client in
          for line in lines { _ = try await client.line { $0 == line } }
        }
        #expect(!innocent.lines.contains("closed"))
        try await eventually { try await isConnected(gateway, "37-home") == false }
        #expect(try await isConnected(gateway, "38-other"))
      }
    }
  }

  @Test func oneAddressDoesNotLockOthersOut() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      try await withClient(of: relay, secret, "crowd") { crowd in
        _ = try await crowd.line { $0 == "refused 16" }
        try await withClient(of: relay, secret, "serve", "--source=127.0.0.2") { client in
          _ = try await client.line { $0 == "answer 0 " }
        }
      }
      try await eventually { try await relay.metric("gateway_relay_connections") == 0 }
      try await withClient(of: relay, secret, "serve") { client in _ = try await client.line { $0 == "answer 0 " } }
    }
  }

  @Test func clientThatAcceptsNoStreamCostsItsVisitorsAlone() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      let listen = try await gateway.setPipe("37-pipe", to: "tunnel:37-home")
      try await withClient(of: relay, secret, "deaf", "--visit=\(listen)") { client in
        // 256 may wait for it.
        _ = try await client.line { $0 == "refused 4" }
        #expect(try await isConnected(gateway, "37-home"))
        #expect(!client.lines.contains("closed"))
      }
      try await eventually { try await isConnected(gateway, "37-home") == false }
    }
  }

  @Test func madeSecretIsToldAlsoWhenTheRelayDoesNotAnswer() async throws {
    try await TLSPeers.withPeers { noRelay in
      try await GatewayProcess.withGateway(GatewayProcess.permissive + ["--relay-address", noRelay.endpoint]) {
        gateway in
        #expect(try await gateway.setTunnel("37-home").utf8.count == 43)
        // Who has given it can give it again.
        let given = try await gateway.tunnel("SetTunnel", "37-home", ["Secret": "0123456789abcdef"])
        #expect(
          given.callError?.hasPrefix(
            "the tunnel of 37-home is stored, and not served yet: the relay cannot be asked: ") == true)
      }
    }
  }

  @Test func addressOfATunnelThatIsGoneIsNotGivenToAnother() async throws {
    try await Relay.withNode { gateway, _ in
      func address(_ workload: String) throws -> String? {
        try gateway.files()["tunnels/\(workload).yaml"]?.content.split(separator: "\n").first {
          $0.hasPrefix("address:")
        }
        .map(String.init)
      }
      _ = try await gateway.setTunnel("37-home")
      let first = try #require(try address("37-home"))
      #expect(try await gateway.tunnel("DeleteTunnel", "37-home").callError == nil)
      // Addresses follow from names. This one would be given the same.
      _ = try await gateway.setTunnel("38-875697")
      #expect(try address("38-875697") != first)
      _ = try await gateway.setTunnel("37-home")
      #expect(try address("37-home") == first)
    }
  }

  // MARK: What happens while streams are open

  @Test func openStreamOutlivesTheGatewayAndTheBroker() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      try await TLSPeers.withPeers { peers in
        try await relay.withClient(secret: secret, local: peers.endpoint) { _ in
          let proxy: JSON = [
            "FQDN": "passed.example.org", "TLSPassthrough": true, "Backends": ["tunnel:37-home"],
          ]
          #expect(try await gateway.call("SetFQDNProxy", "37-passed", proxy).callError == nil)
          try await gateway.withTraefik { traefik in
            try await eventually { try await traefik.routers()["37-passed-route@file"]?.status == "enabled" }
            let address = gateway.address("--https-address")
            try await peers.open("long", to: "passed.example.org", through: address)
            _ = try await peers.send(1_000_000, over: "long")
            try await gateway.kill()
            try await gateway.redis.kill()
            _ = try await peers.send(1_000_000, over: "long")
            _ = try await peers.connect(3, to: "passed.example.org", through: address)
            try await gateway.redis.start()
            try await gateway.start()
            _ = try await peers.close("long")
            try await eventually { try await gateway.listedTunnel("37-home")?["Streams"] == 0 }
          }
        }
      }
    }
  }

  @Test func clientIsReplacedWithoutAGap() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      try await gateway.setName("37-site", "site", "tunnel:37-home")
      try await gateway.withTraefik { _ in
        let client = gateway.client("--https-address")
        func served() async throws -> Bool {
          try await client.fetch("https://site.\(Self.zone)/").body == "served"
        }
        try await withClient(of: relay, secret, "serve") { old in
          _ = try await old.line { $0 == "answer 0 " }
          try await eventually { try await served() }
          try await withClient(of: relay, secret, "serve") { new in
            _ = try await new.line { $0 == "answer 0 " }
            #expect(try await gateway.listedTunnel("37-home")?["Sessions"].array?.count == 2)
            // Both are used: the least busy one first.
            for _ in 0..<8 { #expect(try await served()) }
            old.signal(SIGTERM)
            _ = try await old.exit(within: .patience)
            // Known at once: no ping is waited for.
            try await eventually { try await gateway.listedTunnel("37-home")?["Sessions"].array?.count == 1 }
            for _ in 0..<8 { #expect(try await served()) }
          }
        }
        // With none, users are told at once.
        try await eventually { try await client.fetch("https://site.\(Self.zone)/").status == 502 }
      }
    }
  }

  @Test func clientWhoseLineIsDeadIsKnown() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      try await HTTPBackend.withServer("plain") { plain in
        try await relay.withClient(secret: secret, local: plain.endpoint) { client in
          try await eventually { try await isConnected(gateway, "37-home") }
          client.signal(SIGSTOP)
          try await eventually { try await isConnected(gateway, "37-home") == false }
          client.signal(SIGCONT)
          #expect(
            try relay.log.contains {
              $0["message"] == "client gone" && $0["reason"] == "no answer to a ping within 10 s"
            })
        }
      }
    }
  }

  @Test func relayThatStopsLetsOpenStreamsEnd() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      try await TLSPeers.withPeers { peers in
        try await relay.withClient(secret: secret, local: peers.endpoint) { client in
          let proxy: JSON = ["FQDN": "passed.example.org", "TLSPassthrough": true, "Backends": ["tunnel:37-home"]]
          #expect(try await gateway.call("SetFQDNProxy", "37-passed", proxy).callError == nil)
          try await gateway.withTraefik { traefik in
            try await eventually { try await traefik.routers()["37-passed-route@file"]?.status == "enabled" }
            try await peers.open("long", to: "passed.example.org", through: gateway.address("--https-address"))
            _ = try await peers.send(1000, over: "long")
            relay.signal(SIGTERM)
            _ = try await peers.send(100_000, over: "long")
            _ = try await peers.close("long")
            #expect(try await relay.exit() == .code(0))
            _ = try await client.line { $0 == "closed" }
          }
        }
      }
      // Without a relay, what is asked for is kept.
      _ = try await gateway.setTunnel("37-later")
      #expect(try await gateway.listedTunnel("37-later")?["Connected"] == JSON.null)
      try await relay.start()
      try await eventually { try await gateway.listedTunnel("37-later")?["Connected"] == false }
    }
  }
}
