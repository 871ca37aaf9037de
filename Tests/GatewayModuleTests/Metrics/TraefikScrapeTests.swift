import Foundation
import ProxyConfig
import System
import TestSupport
import Testing

@testable import GatewayModule

@Suite(.timeLimit(.minutes(5))) struct TraefikScrapeTests {
  private static let metric = #"traefik_service_requests_bytes_total{code="200",service="1-2-a@file"} 12"# + "\n"

  /// What a server answers, and what comes of it.
  @Test(
    arguments: [
      ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", .status(404)),
      ("HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", .status(301)),
      ("SSH-2.0-OpenSSH_9.2\r\n", .malformed),
      ("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + metric, .malformed),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + metric, .malformed),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx", .malformed),
      ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + metric, .malformed),
      ("", .malformed),
      ("HTTP/1.1 200 OK\r\n", .malformed),
    ] as [(String, ScrapeError.Reason)])
  func anAnswerThatIsNoneIsAnError(_ answer: String, _ reason: ScrapeError.Reason) async throws {
    try await Self.withServer(answer) { address in
      let error = await #expect(throws: ScrapeError.self) {
        try await TraefikScrape(address: address, namespace: nil).read()
      }
      #expect(error == ScrapeError(address: address, reason: reason))
    }
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: \(metric.utf8.count)\r\n\r\n" + metric,
    "HTTP/1.1 200 OK\r\n\r\n" + metric,
    "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + metric,
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      + metric.map { "1\r\n\($0 == "\n" ? "\n" : String($0))\r\n" }.joined() + "0\r\n\r\n",
  ])
  func anAnswerIsReadHoweverItIsFramed(_ answer: String) async throws {
    try await Self.withServer(answer) { address in
      let traffic = try await TraefikScrape(address: address, namespace: nil).read()
      #expect(traffic == Traffic(request: ["1-2-a": 12]))
    }
  }

  @Test func theRequestAsksForTextOnOneConnection() async throws {
    try await Self.withServer("HTTP/1.1 200 OK\r\n\r\n") { address, process in
      _ = try await TraefikScrape(address: address, namespace: nil).read()
      let request = try await process.line { $0.hasPrefix("request ") }
      #expect(
        request == """
          request GET /metrics HTTP/1.1|Host: \(address)|Accept: text/plain;version=0.0.4|Connection: close||
          """)
    }
  }

  @Test func nothingListeningIsNotRunning() async throws {
    let address = try Endpoint("127.0.0.1:\(FreePort.next())")
    let error = await #expect(throws: ScrapeError.self) {
      try await TraefikScrape(address: address, namespace: nil).read()
    }
    #expect(error?.reason == .notRunning)
    #expect(error?.description == "cannot read Traefik's metrics at \(address): nothing listens there")
  }

  /// One that accepts and says nothing, one that stops in the middle, one that never stops.
  @Test(arguments: [
    ("", "hang"), ("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + metric, "hang"),
    ("HTTP/1.1 200 OK\r\n\r\n", "drip"),
  ])
  func aServerThatHangsIsLeft(_ answer: String, _ mode: String) async throws {
    let limit = Duration.milliseconds(300)
    try await Self.withServer(answer, mode: mode) { address, process in
      let scrape = TraefikScrape(address: address, namespace: nil, limits: .init(time: limit))
      let duration = await ContinuousClock().measure {
        let error = await #expect(throws: ScrapeError.self) { try await scrape.read() }
        #expect(error?.reason == .timedOut(limit))
      }
      #expect(duration >= limit)
      _ = try await process.line { $0 == "closed" }
    }
  }

  /// The connection waits to be accepted, and no further one fits in.
  @Test func aServerThatDoesNotAcceptIsLeft() async throws {
    let limit = Duration.milliseconds(300)
    try await Self.withServer("", mode: "full") { address in
      let scrape = TraefikScrape(address: address, namespace: nil, limits: .init(time: limit))
      let error = await #expect(throws: ScrapeError.self) { try await scrape.read() }
      #expect(error?.reason == .timedOut(limit))
    }
  }

  @Test func aBodyWithoutEndIsCutOff() async throws {
    try await Self.withServer("HTTP/1.1 200 OK\r\n\r\n", mode: "flood") { address, process in
      let limits = TraefikScrape.ScrapeLimits(size: 10_000_000)
      let error = await #expect(throws: ScrapeError.self) {
        try await TraefikScrape(address: address, namespace: nil, limits: limits).read()
      }
      #expect(error?.reason == .tooLarge(10_000_000))
      _ = try await process.line { $0 == "closed" }
    }
  }

  @Test func aCancelledScrapeEndsBeforeItsLimit() async throws {
    try await Self.withServer("", mode: "hang") { address, process in
      let limits = TraefikScrape.ScrapeLimits(time: .seconds(50))
      let scrape = Task { try await TraefikScrape(address: address, namespace: nil, limits: limits).read() }
      _ = try await process.line { $0.hasPrefix("request ") }
      scrape.cancel()
      let error = await #expect(throws: ScrapeError.self) { try await scrape.value }
      #expect(error?.reason == .cancelled)
    }
  }

  @Test func traefikIsReadInItsNetworkNamespace() async throws {
    try await TemporaryNetworkNamespace.withNamespace { name in
      let answer = "HTTP/1.1 200 OK\r\n\r\n" + Self.metric
      try await Self.withServer(answer, prefix: ["ip", "netns", "exec", name]) { address in
        let inside = try TraefikScrape(address: address, namespace: NetworkNamespace(name))
        #expect(try await inside.read() == Traffic(request: ["1-2-a": 12]))

        let outside = await #expect(throws: ScrapeError.self) {
          try await TraefikScrape(address: address, namespace: nil).read()
        }
        #expect(outside?.reason == .notRunning)
      }
    }
  }

  @Test func aMissingNamespaceIsAnError() async throws {
    let namespace = try NetworkNamespace("gateway-test-\(UUID().uuidString)")
    let address = try Endpoint("127.0.0.1:8082")
    let error = await #expect(throws: ScrapeError.self) {
      try await TraefikScrape(address: address, namespace: namespace).read()
    }
    #expect(error?.reason == .namespace(NetworkNamespaceError(name: namespace.name, reason: .missing)))
  }

  @Test func traefikCountsWhatAWorkloadReceivesAndSends() async throws {
    try await TemporaryDirectory.withDirectory { routes in
      try await HTTPBackend.withServer("site") { backend in
        try await Traefik.withServer(routes: routes.path) { traefik in
          let address = try await #require(traefik.entryPoints()["metrics"])
          let scrape = try TraefikScrape(address: Endpoint(address), namespace: nil)
          let first = try await scrape.read()
          let started = try #require(first.started)
          #expect(first == Traffic(started: started))
          #expect(abs(Date.now.timeIntervalSince1970 - started) < 60)

          try routes.write(
            """
            http:
              routers:
                37-1976-site-route:
                  rule: Host(`site.example.com`)
                  service: 37-1976-site
              services:
                37-1976-site:
                  loadbalancer:
                    servers:
                    - url: \(backend.url)
            """, to: "37-1976-site.yaml")
          let client = try await traefik.client("web")
          try await eventually { try await client.fetch("http://site.example.com/bytes/100000").status == 200 }
          let traffic = try await eventually {
            try await scrape.read()
          } until: {
            ($0.response["37-1976-site"] ?? 0) >= 100_000
          }
          #expect(Set(traffic.request.keys) == ["37-1976-site"] && Set(traffic.response.keys) == ["37-1976-site"])
        }
      }
    }
  }

  // MARK: - A server of a few lines

  private static func withServer(
    _ answer: String, mode: String = "close", prefix: [String] = [], _ body: (Endpoint) async throws -> Void
  ) async throws {
    try await withServer(answer, mode: mode, prefix: prefix) { address, _ in try await body(address) }
  }

  /// Runs `body` with the address and the process of a server that answers every request with `answer`, and then closes
  /// the connection or does what `mode` says.
  private static func withServer(
    _ answer: String, mode: String = "close", prefix: [String] = [],
    _ body: (Endpoint, ChildProcess) async throws -> Void
  ) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let command = try prefix + ["python3", "-u", directory.write(script, to: "server.py"), mode]
      try directory.write(answer, to: "answer")
      try await ChildProcess.withProcess(
        command[0], Array(command.dropFirst()) + [directory.file("answer")], log: directory.file("log")
      ) { process in
        let port = try await process.line { $0.hasPrefix("port ") }.dropFirst(5)
        try await body(Endpoint("127.0.0.1:\(port)"), process)
      }
    }
  }

  private static let script = """
    import socket, sys, time

    mode = sys.argv[1]
    answer = open(sys.argv[2], "rb").read()
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    if mode == "full":
        waiting = []
        while True:
            client = socket.socket()
            client.settimeout(0.1)
            waiting.append(client)
            try:
                client.connect(server.getsockname())
            except OSError:
                break
    print("port", server.getsockname()[1])
    if mode == "full":
        time.sleep(60)

    while True:
        client, _ = server.accept()
        request = b""
        while not request.endswith(b"\\r\\n\\r\\n"):
            request += client.recv(4096)
        print("request", request.decode().replace("\\r\\n", "|"))
        try:
            client.sendall(answer)
            while mode == "drip":
                client.sendall(b"x\\n")
                time.sleep(0.01)
            while mode == "flood":
                client.sendall(b"x" * 100000)
            if mode == "hang":
                client.recv(1)
        except OSError:
            pass
        client.close()
        if mode != "close":
            print("closed")
    """
}
