import Foundation
import ProxyConfig
import TestSupport
import Testing

/// What clients of the real Traefik see of a route when backends are down.
@Suite(.timeLimit(.minutes(5)))
struct BackendOutageTests {
  private static let domain = "site.example.com"

  /// Runs a Traefik with one route.
  private func withRoute(
    _ tls: Route.TLS = .terminated(.own), to backends: [String], http httpBackends: [String] = [],
    isolation: isolated (any Actor)? = #isolation, _ body: (Traefik) async throws -> Void
  ) async throws {
    let route = try Route(
      workload: WorkloadID("site"), domain: Domain(Self.domain), tls: tls, backends: backends,
      httpBackends: httpBackends, under: .alreadyAccepted)
    try await Traefik.withServer(for: [route]) { traefik in
      try await eventually { try await traefik.routers()["site-route@file"] != nil }
      try await body(traefik)
    }
  }

  private func status(of traefik: Traefik, _ method: String = "GET", within limit: Duration = .seconds(20)) async throws
    -> Int
  {
    let client = HTTPClient(connectingTo: try await traefik.entryPoints()["web-secure"], within: limit)
    return try await client.fetch(
      "https://\(Self.domain)/", method: method, body: method == "GET" ? nil : "a body"
    ).status
  }

  private func expect(
    _ expected: Int, of traefik: Traefik, _ method: String = "GET", within limit: Duration = .seconds(20),
    times: Int = 1,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    for _ in 0..<times {
      let status = try await status(of: traefik, method, within: limit)
      #expect(status == expected, "\(method)", sourceLocation: sourceLocation)
    }
  }

  /// The statuses of so many requests with a body, 32 at a time.
  private func statuses(of traefik: Traefik, ofRequests count: Int) async throws -> [String: Int] {
    let address = try #require(try await traefik.entryPoints()["web-secure"])
    let outcome = try await Command.run(
      Repository.program("curl"),
      [
        "--silent", "--insecure", "--noproxy", "*", "--connect-to", "::\(address)", "--http1.1", "--parallel",
        "--parallel-max", "32", "--data", "a body", "--output", "/dev/null", "--write-out", "%{http_code}\n",
        "https://\(Self.domain)/[1-\(count)]",
      ], within: .seconds(120))
    return outcome.standardOutput.split(separator: "\n").reduce(into: [:]) { $0[String($1), default: 0] += 1 }
  }

  @Test("Of two backends one is down, and every request is answered", arguments: [false, true])
  func oneOfTwoIsDown(tls: Bool) async throws {
    try await HTTPBackend.withServer("up", tls: tls) { up in
      let down = try "\(tls ? "https" : "http")://127.0.0.1:\(FreePort.next())"
      try await withRoute(to: [up.url, down]) { traefik in
        for method in ["GET", "POST"] {
          try await expect(200, of: traefik, method, times: 10)
        }
        // Requests take turns at the backends all together.
        let statuses = try await statuses(of: traefik, ofRequests: 400)
        #expect(statuses == ["200": 400])
      }
    }
  }

  @Test func allAreDownAndBackAtOnce() async throws {
    let ports = try [FreePort.next(), FreePort.next()]
    try await withRoute(to: ports.map { "http://127.0.0.1:\($0)" }) { traefik in
      for method in ["GET", "POST", "GET"] { try await expect(502, of: traefik, method) }
      try await HTTPBackend.withServer("back", port: ports[1]) { _ in
        for method in ["GET", "POST", "GET"] { try await expect(200, of: traefik, method) }
      }
      try await expect(502, of: traefik)
    }
  }

  @Test(
    "Of two backends one drops all packets, and nobody waits for it long",
    .enabled(if: TemporaryNetworkNamespace.isPermitted, "only root may make a network namespace"))
  func oneOfTwoIsUnreachable() async throws {
    try await TemporaryNetworkNamespace.withNamespace { namespace in
      // The wire's other end is nobody's, so that what is sent there is lost without a word.
      for arguments in [
        ["link", "add", "wire", "type", "veth", "peer", "name", "end"],
        ["address", "add", "198.18.0.1/24", "dev", "wire"],
        ["link", "set", "wire", "up"], ["link", "set", "end", "up"],
        ["neighbour", "add", "198.18.0.2", "lladdr", "02:00:00:00:00:01", "dev", "wire", "nud", "permanent"],
      ] { try await Command.succeed("ip", ["-n", namespace] + arguments) }
      try await TemporaryNetworkNamespace.inside(namespace) {
        try await HTTPBackend.withServer("up") { up in
          try await withRoute(to: [up.url, "http://198.18.0.2"]) { traefik in
            for method in ["GET", "POST"] {
              // It takes 0.75 s; Traefik's own limit is 30 s.
              try await expect(200, of: traefik, method, within: .seconds(10), times: 10)
            }
          }
        }
      }
    }
  }

  /// By method: how often backends may read a request that none of them answers, on a connection that served others before.
  static let methods = ["POST": 1...1, "PATCH": 1...1, "PUT": 1...1, "DELETE": 1...1, "GET": 1...2]

  @Test(
    "A request that a backend may have acted on is not sent again",
    arguments: [(0, false), (0, true), (1, false), (1, true)])
  func nothingIsSentTwice(answers: Int, http2: Bool) async throws {
    try await DyingBackend.withServer(answers: answers, http2: http2) { first in
      try await DyingBackend.withServer(answers: answers, http2: http2) { second in
        try await withRoute(to: [first.url, second.url]) { traefik in
          for (method, expected) in Self.methods {
            // So that there is a connection to each that answered once and will not do so again.
            if answers > 0 {
              while try await status(of: traefik, "POST") != 200 {}
              while try await status(of: traefik, "POST") != 200 {}
            }
            let before = first.requests + second.requests
            var status = 200
            while status == 200 {
              let count = first.requests + second.requests
              status = try await self.status(of: traefik, method)
              try await eventually { first.requests + second.requests > count }
              let read = first.requests + second.requests - count
              #expect(expected.contains(read), "\(method): \(read) times")
              // A GET that was read on a used connection is sent again on a new one, which answers.
              if method == "GET", read == 2 { break }
            }
            #expect(first.requests + second.requests > before)
          }
        }
      }
    }
  }

  @Test("Passed through: of two backends one is down, then both, then one is back")
  func passedThrough() async throws {
    let ports = try [FreePort.next(), FreePort.next()]
    try await withRoute(.passthrough, to: ports.map { "127.0.0.1:\($0)" }) { traefik in
      for port in ports {
        try await HTTPBackend.withServer("up", port: port, tls: true) { _ in
          // Traefik looks every 2 s.
          try await eventually {
            for _ in 0..<10 where try await status(of: traefik) != 200 { return false }
            return true
          }
          try await expect(200, of: traefik, times: 10)
        }
        try await eventually {
          do { return try await status(of: traefik) == 0 } catch { return true }
        }
      }
    }
  }
}
