import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// That what Traefik does not count is counted all the same: transfers that are broken off, and WebSockets.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct BrokenTransferTests {
  /// A route to a backend, and what is counted for it.
  private struct Site {
    let gateway: GatewayProcess
    let traefik: Traefik
    let backend: HTTPBackend
    let directory: TemporaryDirectory

    private func total(_ kind: String) async throws -> Double {
      let reply = try await gateway.call("Metrics")
      if let error = reply.callError { throw FixtureError(error) }
      return reply.data[kind]["w"].number ?? 0
    }

    /// That a total comes to `bytes`, give or take a tenth, and stays there.
    func expect(_ kind: String, _ bytes: Double, sourceLocation: SourceLocation = #_sourceLocation) async throws {
      let near = bytes * 0.9...bytes * 1.1
      let told = try await eventually {
        try await total(kind)
      } until: {
        $0 >= near.lowerBound
      }
      for _ in 0..<3 { #expect(try await total(kind) <= near.upperBound, sourceLocation: sourceLocation) }
      #expect(try await total(kind) >= told, sourceLocation: sourceLocation)
    }

    /// Fetches a whole body of 100,000 bytes, and expects that exactly these are added.
    func expectExactness(sourceLocation: SourceLocation = #_sourceLocation) async throws {
      let before = try await total("Response")
      let response = try await traefik.client("web-secure").overHTTP1.fetch("https://site.\(zone)/bytes/100000")
      #expect(response.status == 200)
      let after = try await eventually {
        try await total("Response")
      } until: {
        $0 >= before + 100_000
      }
      #expect(after == before + 100_000, sourceLocation: sourceLocation)
    }

    /// Runs curl with `arguments`, and breaks it off when `isEnough` of what it wrote.
    func breakOff(
      _ arguments: [String], _ path: String, input: Int32? = nil, when isEnough: (Int) async throws -> Bool
    ) async throws {
      let body = directory.file("body")
      _ = FileManager.default.createFile(atPath: body, contents: nil)
      let address = try #require(try await traefik.entryPoints()["web-secure"])
      let command =
        ["--silent", "--insecure", "--no-buffer", "--noproxy", "*", "--connect-to", "::\(address)"] + arguments
        + ["--output", body, "https://site.\(zone)\(path)"]
      try await ChildProcess.withProcess(
        Repository.program("curl"), command, standardInput: input, log: directory.file("curl.log")
      ) { curl in
        try await curl.ready {
          let size = try FileManager.default.attributesOfItem(atPath: body)[.size] as? Int ?? 0
          return try await isEnough(size)
        }
        curl.signal(SIGKILL)
        _ = try await curl.exit()
      }
    }
  }

  private func withSite(tls: Bool = false, _ body: (Site) async throws -> Void) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      try await HTTPBackend.withServer("site", tls: tls) { backend in
        try await GatewayProcess.withGateway { gateway in
          try await gateway.setName("w", "site", backend.url)
          try await gateway.withTraefik { traefik in
            let site = Site(gateway: gateway, traefik: traefik, backend: backend, directory: directory)
            let client = try await traefik.client("web-secure")
            try await eventually {
              try await client.fetch("https://site.\(zone)/bytes/0").status == 200
            }
            try await body(site)
          }
        }
      }
    }
  }

  @Test("A download broken off after 4 MB counts as 4 MB", arguments: ["--http1.1", "--http2"], [false, true])
  func download(_ version: String, isSecure: Bool) async throws {
    try await withSite(tls: isSecure) { site in
      try await site.expectExactness()
      try await site.breakOff([version], "/stall/4000000/8000000") { $0 >= 4_000_000 }
      try await site.expect("Response", 4_100_000)
      try await site.expectExactness()
    }
  }

  @Test("An upload broken off after 4 MB counts as 4 MB", arguments: ["--http1.1", "--http2"])
  func upload(_ version: String) async throws {
    try await withSite { site in
      let pipe = Pipe()
      let writer = Task.detached { try pipe.fileHandleForWriting.write(contentsOf: Data(count: 4_000_000)) }
      try await site.breakOff(
        [version, "--upload-file", "-"], "/swallow", input: pipe.fileHandleForReading.fileDescriptor
      ) { _ in
        try await site.expect("Request", 4_000_000)
        return true
      }
      _ = await writer.result
      try await site.expect("Request", 4_000_000)
      try await site.expectExactness()
    }
  }

  @Test func ofAVideoThatIsSoughtInEveryPieceCounts() async throws {
    try await withSite { site in
      for _ in 0..<20 { try await site.breakOff(["--http2"], "/stall/200000/90000000") { $0 >= 200_000 } }
      try await site.expect("Response", 4_000_000)
    }
  }

  @Test func aLongDownloadCountsWhileItGoesOnAndOnceWhenItIsOver() async throws {
    try await withSite { site in
      try await site.breakOff([], "/stall/3000000/3000001") { size in
        guard size >= 3_000_000 else { return false }
        try await site.expect("Response", 3_000_000)
        return true
      }
      try await site.expect("Response", 3_000_000)
    }
  }

  private static let webSocket = """
    import socket, ssl, sys
    host, port, site = sys.argv[1:]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=site)
    connection.sendall(f"GET /upgrade/1000000/2000000 HTTP/1.1\\r\\nHost: {site}\\r\\nConnection: Upgrade\\r\\n"
                       "Upgrade: websocket\\r\\n\\r\\n".encode())
    stream = connection.makefile("rb")
    assert b" 101 " in stream.readline()
    while stream.readline().strip():
        pass
    connection.sendall(b"x" * 1000000)
    assert len(stream.read(2000000)) == 2000000
    """

  @Test func aWebSocketCountsInBothDirections() async throws {
    try await withSite { site in
      let address = try #require(try await site.traefik.entryPoints()["web-secure"]).split(separator: ":")
      try await Command.succeed(
        Repository.program("python3"), ["-c", Self.webSocket, "127.0.0.1", String(address.last!), "site.\(zone)"])
      try await site.expect("Request", 1_000_000)
      try await site.expect("Response", 2_000_000)
      try await site.expectExactness()
    }
  }
}
