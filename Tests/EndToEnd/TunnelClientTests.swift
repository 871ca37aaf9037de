import Foundation
import TestSupport
import Testing

/// `gateway-tunnel`, the program for the machine at home.
@Suite(.timeLimit(.minutes(10)))
struct TunnelClientTests {
  private static let zone = GatewayProcess.zone

  private func logs(_ client: ChildProcess, _ message: String) async throws {
    _ = try await client.line { $0.contains("\"message\":\"\(message)\"") }
  }

  @Test func siteAtHomeIsServedByTLSAndInClear() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      try await gateway.setName("37-site", "site", "tunnel:37-home")
      let passed: JSON = ["FQDN": "passed.example.org", "TLSPassthrough": true, "Backends": ["tunnel:37-home"]]
      #expect(try await gateway.call("SetFQDNProxy", "37-passed", passed).callError == nil)
      try await HTTPBackend.withServer("plain") { plain in
        try await HTTPBackend.withServer("passed.example.org", tls: true) { secure in
          let local = ["--local", plain.endpoint, "--local-tls", secure.endpoint]
          try await gateway.withTraefik { _ in
            let client = gateway.client("--https-address")
            try await relay.withOwnClient(secret: secret, local) { own in
              try await logs(own, "connected")
              try await eventually { try await client.fetch("https://site.\(Self.zone)/").answer?.name == "plain" }
              try await eventually {
                try await client.fetch("https://passed.example.org/").answer?.name == "passed.example.org"
              }
              #expect(try await client.fetch("https://site.\(Self.zone)/bytes/3000000").body.utf8.count == 3_000_000)
              #expect(try await gateway.listedTunnel("37-home")?["Sessions"][0]["Version"] == 2)
              own.signal(SIGTERM)
              #expect(try await own.exit(within: .patience) == .code(0))
            }
          }
        }
      }
    }
  }

  /// Traefik shows a certificate of its own here, which is trusted by no one but who is told to.
  @Test func certificateOfTheServerIsVerified() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      try await gateway.withTraefik { _ in
        let port = gateway.port("--https-address")
        try await relay.withOwnClient(
          secret: secret, server: "tls://localhost:\(port)", ["--local", "127.0.0.1:1"]
        ) { own in
          let line = try await own.line { $0.contains("not connected, trying again") }
          #expect(line.contains("CERTIFICATE_VERIFY_FAILED"))
        }
      }
      #expect(try await gateway.listedTunnel("37-home")?["Connected"] == false)
    }
  }

  @Test func refusedSecretEndsItWithAStatusOfItsOwn() async throws {
    try await Relay.withNode { _, relay in
      try await relay.withOwnClient(secret: "there is none such", ["--local", "127.0.0.1:1"]) { own in
        let status = try await own.exit(within: .patience)
        #expect(status == .code(77))
        #expect(own.lines.last == "gateway-tunnel: tcp://\(relay.clients): there is no tunnel with this secret")
      }
    }
  }

  @Test func comesBackAfterTheRelayDoes() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      try await relay.withOwnClient(secret: secret, ["--local", "127.0.0.1:1"]) { own in
        try await logs(own, "connected")
        relay.signal(SIGKILL)
        _ = try await relay.exit()
        try await logs(own, "not connected, trying again")
        try await relay.start()
        try await eventually { try await gateway.listedTunnel("37-home")?["Connected"] == true }
        // And one that is stopped in order.
        relay.signal(SIGTERM)
        #expect(try await relay.exit() == .code(0))
        try await relay.start()
        try await eventually { try await gateway.listedTunnel("37-home")?["Connected"] == true }
      }
    }
  }

  @Test func openConnectionsOfAClientThatStopsEndInOrder() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      let passed: JSON = ["FQDN": "passed.example.org", "TLSPassthrough": true, "Backends": ["tunnel:37-home"]]
      #expect(try await gateway.call("SetFQDNProxy", "37-passed", passed).callError == nil)
      try await TLSPeers.withPeers { peers in
        try await gateway.withTraefik { traefik in
          try await eventually { try await traefik.routers()["37-passed-route@file"]?.status == "enabled" }
          let address = gateway.address("--https-address")
          try await relay.withOwnClient(secret: secret, ["--local", peers.endpoint]) { old in
            try await logs(old, "connected")
            try await peers.open("long", to: "passed.example.org", through: address)
            // Only an answer shows that the client has it.
            _ = try await peers.send(1000, over: "long")
            old.signal(SIGTERM)
            // It takes no further ones.
            try await eventually {
              let isConnected = try await gateway.listedTunnel("37-home")?["Connected"]
              return isConnected == false ? "" : "\(old.lines.suffix(4)) \(try relay.log.suffix(4))"
            } until: {
              $0.isEmpty
            }
            _ = try await peers.send(100_000, over: "long")
            _ = try await peers.close("long")
            let status = try await old.exit(within: .patience)
            #expect(status == .code(0))
            try await relay.withOwnClient(secret: secret, ["--local", peers.endpoint]) { new in
              try await logs(new, "connected")
              _ = try await peers.connect(3, to: "passed.example.org", through: address)
            }
          }
        }
      }
    }
  }

  @Test func applicationThatIsAwayCostsItsVisitorsAlone() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      try await gateway.setName("37-site", "site", "tunnel:37-home")
      let port = try UInt16(FreePort.next())
      try await relay.withOwnClient(secret: secret, ["--local", "127.0.0.1:\(port)"]) { own in
        try await logs(own, "connected")
        try await gateway.withTraefik { _ in
          let client = gateway.client("--https-address")
          try await eventually { try await client.fetch("https://site.\(Self.zone)/").status == 502 }
          try await logs(own, "the local application does not answer")
          try await HTTPBackend.withServer("back", port: port) { _ in
            try await eventually { try await client.fetch("https://site.\(Self.zone)/").answer?.name == "back" }
            try await logs(own, "the local application answers again")
          }
          #expect(own.lines.count { $0.contains("\"message\":\"connected\"") } == 1)
        }
      }
    }
  }

  @Test(
    "A bad flag is one line and exit status 64",
    arguments: [
      (["--server", "ftp://x"], "it must be tls://HOST[:PORT] or tcp://HOST[:PORT]"),
      (["--server", "tls://"], "the host must be a name or an IP address"),
      (["--server", "tls://a b"], "the host must be a name or an IP address"),
      (["--server", "tls://[::1"], "brackets must hold an IPv6 address"),
      (["--server", "tcp://x:0"], "the port must be a number from 1 to 65535"),
      (["--server", "tcp://x:65536"], "the port must be a number from 1 to 65535"), ([], "--server is missing"),
    ])
  func badFlags(_ flags: [String], _ rule: String) async throws {
    let outcome = try await Command.run(
      Repository.product("gateway-tunnel"), flags + ["--local", "127.0.0.1:1"],
      environment: ["GATEWAY_TUNNEL_SECRET": "0123456789abcdef"])
    #expect(outcome.status == .code(64))
    #expect(outcome.standardError.contains(rule))
    #expect(outcome.standardError.split(separator: "\n").count == 1)
  }
}
