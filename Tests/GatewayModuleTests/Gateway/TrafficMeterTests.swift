import Foundation
import ProxyConfig
import Records
import System
import TestSupport
import Testing

@testable import GatewayModule

/// How callers share scrapes.
@Suite(.timeLimit(.minutes(5)))
struct TrafficMeterTests {
  /// A Traefik that answers a scrape when it is told to, with how many there were when it was asked.
  private static let server = """
    import socket, sys
    server = socket.create_server(("127.0.0.1", 0))
    orders = open(sys.argv[1])
    print("port", server.getsockname()[1], flush=True)
    scrapes = 0
    while True:
        connection, _ = server.accept()
        connection.recv(65536)
        scrapes += 1
        print("scrape", scrapes, flush=True)
        orders.readline()
        body = b'traefik_service_requests_bytes_total{service="w@file"} %d\\n' % scrapes
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
        connection.close()
    """

  @Test func allWhoAskDuringAScrapeShareTheNextOne() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let orders = directory.file("orders")
      mkfifo(orders, 0o600)
      // For reading too, which does not wait for the other side.
      let descriptor = open(orders, O_RDWR | O_CLOEXEC)
      defer { close(descriptor) }
      try await ChildProcess.withProcess(
        Repository.program("python3"), ["-c", Self.server, orders], log: directory.file("server.log")
      ) { server in
        try await share(server, directory) { _ = write(descriptor, "\n", 1) }
      }
    }
  }

  private func share(_ server: ChildProcess, _ directory: TemporaryDirectory, answer: () -> Void) async throws {
    let port = try await server.line { $0.hasPrefix("port ") }.dropFirst(5)
    let root = GatewayRoot(directory.file("root"))
    let meter = TrafficMeter(
      TraefikScrape(address: try Endpoint("127.0.0.1:\(port)"), namespace: nil), namespace: nil,
      routes: try await RouteStore.open(root, logger: .silent), relay: nil, root: root, logger: .silent)
    try await withThrowingTaskGroup(of: Double?.self) { group in
      group.addImmediateTask { try await meter.read()["w"]?.request }
      _ = try await server.line { $0 == "scrape 1" }
      // Immediate, so that all are with the meter before the first scrape is over.
      for _ in 0..<20 { group.addImmediateTask { try await meter.read()["w"]?.request } }
      answer()
      #expect(try await group.next() == 1)
      _ = try await server.line { $0 == "scrape 2" }
      answer()
      // A scrape that had begun when they asked would not have counted all that came before.
      for try await scrape in group { #expect(scrape == 2) }

      // Nothing is kept.
      group.addImmediateTask { try await meter.read()["w"]?.request }
      _ = try await server.line { $0 == "scrape 3" }
      answer()
      #expect(try await group.next() == 3)
    }
  }

  // MARK: Totals

  /// A Traefik that shows what is in a file.
  private static let page = """
    import socket, sys
    server = socket.create_server(("127.0.0.1", 0))
    print("port", server.getsockname()[1], flush=True)
    while True:
        connection, _ = server.accept()
        connection.recv(65536)
        body = open(sys.argv[1], "rb").read()
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
        connection.close()
    """

  /// Runs `body` with what shows a number of bytes and what makes a meter, each time a new one on the same root.
  private func withTraefik(
    _ body: (
      _ root: TemporaryDirectory, _ show: (Int) throws -> Void, _ meter: (Duration) async throws -> TrafficMeter
    ) async throws -> Void
  ) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      try await TemporaryDirectory.withDirectory { own in
        let page = try own.write("", to: "page")
        try await ChildProcess.withProcess(
          Repository.program("python3"), ["-c", Self.page, page], log: own.file("server.log")
        ) { server in
          let port = try await server.line { $0.hasPrefix("port ") }.dropFirst(5)
          let root = GatewayRoot(directory.path)
          try await body(directory) { bytes in
            try own.write(#"traefik_service_requests_bytes_total{service="w@file"} \#(bytes)"# + "\n", to: "page")
          } _: { interval in
            TrafficMeter(
              try TraefikScrape(address: Endpoint("127.0.0.1:\(port)"), namespace: nil), namespace: nil,
              routes: try await RouteStore.open(root, logger: .silent), root: root, every: interval, logger: .silent)
          }
        }
      }
    }
  }

  @Test func whatWasToldIsOnDisk() async throws {
    try await withTraefik { _, show, meter in
      try show(10)
      #expect(try await meter(.seconds(30)).read()["w"]?.request == 10)
      // As after a kill: nothing is done at the end.
      try show(12)
      #expect(try await meter(.seconds(30)).read()["w"]?.request == 12)
      try show(5)
      #expect(try await meter(.seconds(30)).read()["w"]?.request == 17)
    }
  }

  @Test(
    "What cannot be stored is not told",
    arguments: [
      ("rmdir staging", "mkdir staging", "open $0/staging/traffic.msgpack: No such file or directory"),
      ("mkdir traffic.msgpack", "rmdir traffic.msgpack", "rename $0/traffic.msgpack: Is a directory"),
    ])
  func notStored(breaking: String, repair: String, cause: String) async throws {
    try await withTraefik { root, show, make in
      let meter = try await make(.seconds(30))
      try show(10)
      try await Command.succeed("sh", ["-ec", "cd $0; \(breaking)", root.path])
      for _ in 0..<2 {
        let error = await #expect(throws: FileError.self) { try await meter.read() }
        #expect(error?.description == cause.replacing("$0", with: root.path))
      }
      try show(15)
      try await Command.succeed("sh", ["-ec", "cd $0; \(repair)", root.path])
      #expect(try await meter.read()["w"]?.request == 15)
      #expect(try await make(.seconds(30)).read()["w"]?.request == 15)
    }
  }

  /// The clients are in Traefik's place here.
  @Test func aConnectionIsCountedOnceHoweverManyFollowIt() async throws {
    try await TLSPeers.withPeers { peers in
      try await TemporaryDirectory.withDirectory { directory in
        let root = GatewayRoot(directory.path)
        let store = try await RouteStore.open(root, logger: .silent)
        let route = try Route(
          workload: WorkloadID("w"), domain: Domain("w.test"), tls: .passthrough, backends: [peers.endpoint],
          under: .alreadyAccepted)
        _ = try await store.set(route)
        let meter = TrafficMeter(
          TraefikScrape(address: try Endpoint("127.0.0.1:\(FreePort.next())"), namespace: nil), namespace: nil,
          routes: store, relay: nil, root: root, logger: .silent)
        await withTaskGroup(of: Void.self) { group in
          for _ in 0..<20 {
            group.addTask { await meter.follow(route) }
            group.addTask { _ = try? await meter.read() }
            group.addTask { await meter.settle(try! WorkloadID("w")) }
          }
        }
        let sums = try await peers.connect(50, to: "w.test", through: peers.endpoint)
        let total = try await eventually {
          try await meter.read()["w"] ?? ByteCount()
        } until: {
          $0.request >= sums.request && $0.response >= sums.response
        }
        #expect(total == ByteCount(request: sums.request, response: sums.response))
      }
    }
  }

  @Test func readingsAreTakenWhenNobodyAsks() async throws {
    try await withTraefik { root, show, make in
      let meter = try await make(.milliseconds(20))
      try show(10)
      let service = Task { await meter.run() }
      let file = TrafficFile(GatewayRoot(root.path))
      try await eventually { try file.load().totals["w"]?.request == 10 }
      try show(11)
      try await eventually { try file.load().totals["w"]?.request == 11 }
      service.cancel()
      await service.value
    }
  }
}
