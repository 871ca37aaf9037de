import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// What `Metrics` makes of Traefik's counters.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct MetricsTests {
  /// `Metrics` without anything counted, and the zero value that goes with a call error.
  private static let nothing: JSON = ["Request": [:], "Response": [:]]

  @Test func bytesAddUpOverCodesAndMethods() async throws {
    try await HTTPBackend.withServer("plain") { plain in
      try await HTTPBackend.withServer("secure.example.org", tls: true) { secure in
        try await GatewayProcess.withGateway { gateway in
          try await gateway.setName("1-1-plain", "plain", plain.url)
          try await gateway.setFQDN("1-2-secure", "secure.example.org", secure.url)
          try await gateway.setFQDN("1-3-passed", "passed.example.org", secure.endpoint)
          try await gateway.withTraefik { traefik in
            let client = try await traefik.client("web-secure").overHTTP1
            for host in ["plain.\(zone)", "secure.example.org", "passed.example.org"] {
              try await eventually {
                try await client.fetch("https://\(host)/bytes/1").status == 200
              }
            }
            let before = try await gateway.call("Metrics").data
            let body = String(repeating: "x", count: 10_000)
            for (path, method, body) in [
              ("/bytes/1000", "GET", nil), ("/bytes/20000", "GET", nil), ("/bytes/300", "POST", body),
              ("/bytes/4", "PUT", body), ("/bytes/0", "DELETE", nil), ("/bytes/50/404", "GET", nil),
            ] {
              _ = try await client.fetch("https://plain.\(zone)\(path)", method: method, body: body)
            }
            _ = try await client.fetch("https://secure.example.org/bytes/777")
            _ = try await client.fetch("https://passed.example.org/bytes/999")

            // Traefik counts a response once it is over, which a client sees a moment earlier; the kernel tells of a connection's
            // bytes later still.
            let after = try await eventually {
              try await gateway.call("Metrics").data
            } until: {
              Self.difference($0, before, "Response", "1-1-plain") >= 21_354
                && Self.difference($0, before, "Response", "1-2-secure") >= 777
                && Self.difference($0, before, "Response", "1-3-passed") > 999
            }
            #expect(Self.difference(after, before, "Response", "1-1-plain") == 21_354)
            #expect(Self.difference(after, before, "Request", "1-1-plain") == 20_000)
            #expect(Self.difference(after, before, "Response", "1-2-secure") == 777)
            #expect(Self.difference(after, before, "Request", "1-2-secure") == 0)
            for kind in ["Request", "Response"] {
              let workloads = after[kind].object?.keys.sorted()
              #expect(workloads == ["1-1-plain", "1-2-secure", "1-3-passed"], "without @file and others")
            }
            // Its TLS is counted too, of which curl does not tell the bytes.
            #expect(Self.difference(after, before, "Response", "1-3-passed") > 999)
          }

          // It stands when Traefik does not run any more.
          let last = try await gateway.call("Metrics")
          #expect(last.callError == nil)
          #expect(Self.difference(last.data, [:], "Response", "1-1-plain") >= 21_354)
        }
      }
    }
  }

  private static func difference(_ after: JSON, _ before: JSON, _ kind: String, _ workload: String) -> Double {
    (after[kind][workload].number ?? 0) - (before[kind][workload].number ?? 0)
  }

  @Test func nothingIsCountedWhenTraefikIsNotRunning() async throws {
    try await GatewayProcess.withGateway { gateway in
      let reply = try await gateway.call("Metrics")
      #expect(reply.callError == nil && reply.protocolError == nil)
      #expect(reply.data == Self.nothing)
    }
  }

  /// What somebody else may answer at Traefik's address, and what is told of that.
  static let answers: [(program: String, error: String)] = [
    ("time.sleep(60)", "not done within 5.0 seconds"),
    ("connection.sendall(b'SSH-2.0-OpenSSH\\r\\n')", "the answer is no whole HTTP response"),
    ("pass", "the answer is no whole HTTP response"),
    (
      "connection.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nshort')",
      "the answer is no whole HTTP response"
    ),
    ("connection.sendall(b'HTTP/1.1 500 No\\r\\nContent-Length: 0\\r\\n\\r\\n')", "the status is 500 and not 200"),
  ]

  @Test("Whatever answers at Traefik's address, the call is answered", arguments: answers)
  func otherAnswers(program: String, error: String) async throws {
    try await GatewayProcess.withGateway { gateway in
      let address = gateway.address("--traefik-address")
      try await withServer(program, on: gateway.port("--traefik-address")) {
        let reply = try await gateway.call("Metrics")
        #expect(reply.callError == "failed to get metrics: cannot read Traefik's metrics at \(address): \(error)")
        #expect(reply.data == Self.nothing)
        let status = try await gateway.caller.status()
        #expect(status.protocolError == nil)
      }
    }
  }

  /// Runs `body` with a server that does `program` with every connection, in Python.
  private func withServer(_ program: String, on port: String, _ body: () async throws -> Void) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let script = """
        import socket, time
        server = socket.create_server(("127.0.0.1", \(port)))
        print("listening", flush=True)
        while True:
            connection, _ = server.accept()
            try:
                connection.recv(65536)
                \(program)
            except OSError as failure:
                print(failure, flush=True)
            connection.close()
        """
      try await ChildProcess.withProcess(
        Repository.program("python3"), ["-c", script], log: directory.file("server.log")
      ) { server in
        _ = try await server.line { $0 == "listening" }
        try await body()
      }
    }
  }

  @Test(
    "Traefik in a network namespace is asked there",
    .enabled(if: TemporaryNetworkNamespace.isPermitted, "making a network namespace takes root"))
  func networkNamespace() async throws {
    try await TemporaryNetworkNamespace.withNamespace { namespace in
      try await GatewayProcess.withGateway(GatewayProcess.permissive + ["--netns", namespace]) { gateway in
        try await gateway.setName("w", "shop", "http://127.0.0.1:1")
        #expect(try await gateway.call("Metrics").data == Self.nothing)
        try await TemporaryDirectory.withDirectory { directory in
          let traefik = try Repository.program("traefik", environment: "TRAEFIK")
          try await ChildProcess.withProcess(
            "ip", ["netns", "exec", namespace, traefik, "--configfile=\(gateway.root.file("traefik.yaml"))"],
            log: directory.file("traefik.log")
          ) { process in
            let port = gateway.port("--https-address")
            let curl = [
              "netns", "exec", namespace, "curl", "--silent", "--insecure", "--noproxy", "*", "--output", "/dev/null",
              "--write-out", "%{http_code}", "--connect-to", "::127.0.0.1:\(port)", "https://shop.\(zone)/",
            ]
            // Nobody is behind the route, which Traefik tells in so many bytes.
            try await process.ready {
              try await Command.run("ip", curl).standardOutput == "502"
            }
            let counted = try await eventually {
              try await gateway.call("Metrics").data["Response"]["w"].number ?? 0
            } until: {
              $0 > 0
            }
            #expect(counted.truncatingRemainder(dividingBy: Double("Bad Gateway".utf8.count)) == 0)
          }
        }
      }

      // A namespace that is gone is an error and not Traefik's absence.
      try await GatewayProcess.withGateway(GatewayProcess.permissive + ["--netns", "\(namespace)-gone"]) { gateway in
        let reply = try await gateway.call("Metrics")
        #expect(
          reply.callError
            == "failed to get metrics: cannot read Traefik's metrics at \(gateway.address("--traefik-address")): no "
            + "network namespace \(namespace)-gone: /var/run/netns/\(namespace)-gone does not exist")
      }
    }
  }
}
