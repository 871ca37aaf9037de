import Foundation
import ProxyConfig
import TestSupport
import Testing

@testable import GatewayModule

/// How callers share scrapes.
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
        try await share(server) { _ = write(descriptor, "\n", 1) }
      }
    }
  }

  private func share(_ server: ChildProcess, answer: () -> Void) async throws {
    let port = try await server.line { $0.hasPrefix("port ") }.dropFirst(5)
    let meter = TrafficMeter(TraefikScrape(address: try Endpoint("127.0.0.1:\(port)"), namespace: nil))
    try await withThrowingTaskGroup(of: Double?.self) { group in
      group.addImmediateTask { try await meter.read().request["w"] }
      _ = try await server.line { $0 == "scrape 1" }
      // Immediate, so that all are with the meter before the first scrape is over.
      for _ in 0..<20 { group.addImmediateTask { try await meter.read().request["w"] } }
      answer()
      #expect(try await group.next() == 1)
      _ = try await server.line { $0 == "scrape 2" }
      answer()
      // A scrape that had begun when they asked would not have counted all that came before.
      for try await scrape in group { #expect(scrape == 2) }

      // Nothing is kept.
      group.addImmediateTask { try await meter.read().request["w"] }
      _ = try await server.line { $0 == "scrape 3" }
      answer()
      #expect(try await group.next() == 3)
    }
  }
}
