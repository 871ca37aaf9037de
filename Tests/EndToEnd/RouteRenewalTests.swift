import Foundation
import TestSupport
import Testing

/// Route files of an earlier version are brought up to date after the start.
@Suite(.timeLimit(.minutes(5)))
struct RouteRenewalTests {
  /// As the first versions wrote a route that passes TLS through.
  private static func earlierFile(_ number: Int) -> String {
    """
    tcp:
      routers:
        w-\(number)-route:
          rule: HostSNI(`w\(number).example.test`)
          service: w-\(number)
          tls:
            passthrough: "true"
      services:
        w-\(number):
          loadbalancer:
            servers:
            - address: 10.1.2.3:443

    """
  }

  private static func write(_ count: Int, in root: TemporaryDirectory) throws {
    _ = try root.directory("proxy")
    for number in 0..<count { try root.write(earlierFile(number), to: "proxy/w-\(number).yaml") }
  }

  private func renewed(_ gateway: GatewayProcess) throws -> [GatewayProcess.File] {
    try gateway.files(in: "proxy").values.filter { $0.content.contains("-421") }
  }

  @Test func allAtOnceWhileThereIsNoTraefik() async throws {
    let own = "# mine\n" + Self.earlierFile(7).replacing("service: w-7", with: "service: w-7\n      entryPoints: [web]")
    try await GatewayProcess.withGateway(
      prepare: { root in
        try Self.write(300, in: root)
        try root.write(own, to: "proxy/w-7.yaml")
      },
      { gateway in
        try await eventually { try renewed(gateway).count == 299 }
        try await eventually { try gateway.logged("route files are up to date").count == 1 }
        // What is somebody's own stays as it is.
        #expect(try gateway.routeFile("w-7")?.content == own)
        #expect(try await gateway.routes().count == 299)

        // Setting one writes the same bytes, which then need no writing.
        let before = try gateway.routeFile("w-0")
        try await gateway.setFQDN("w-0", "w0.example.test", "10.1.2.3:443")
        #expect(try gateway.routeFile("w-0") == before)
        try await gateway.delete("w-0")
        try await gateway.setFQDN("w-0", "w0.example.test", "10.1.2.3:443")
        // All but what the earlier version did not know.
        #expect(try gateway.routeFile("w-0")?.content == before.map { $0.content + "kind: fqdn\n" })

        try await gateway.restart()
        try await gateway.setFQDN("more", "more.example.test", "10.1.2.3:443")
        #expect(try gateway.logged("bringing route files of an earlier version up to date").count == 1)
      })
  }

  @Test("Files follow --trusted-proxy after the next start, and say no more of it when it is gone")
  func trustedProxies() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("w", "w", "http://10.1.2.3")
      try await gateway.setFQDN("passed", "passed.example.test", "10.1.2.3:443")
      let before = try gateway.files(in: "proxy")
      // Each start has the flags of the one before it, too.
      for (network, matchers) in [
        ("10.0.0.0/8", "ClientIP(`10.0.0.0/8`)"), ("::1", "ClientIP(`10.0.0.0/8`) || ClientIP(`::1/128`)"),
      ] {
        try await gateway.restart(adding: ["--trusted-proxy", network])
        let rule = "Host(`w.\(GatewayProcess.zone)`) && (\(matchers))"
        try await eventually { try gateway.routeFile("w")?.content.contains(rule) == true }
        #expect(try gateway.routeFile("passed") == before["passed.yaml"])
        #expect(try await gateway.domains().count == 2)
        // And so does one that is set.
        try await gateway.setName("more", "more", "http://10.1.2.3")
        #expect(try gateway.routeFile("more")?.content.contains("&& (\(matchers))") == true)
        try await gateway.delete("more")
      }

      let trusting = try #require(try gateway.routeFile("w")?.content)
      try await GatewayProcess.withGateway(
        prepare: { root in
          _ = try root.directory("proxy")
          try root.write(trusting, to: "proxy/w.yaml")
        },
        { gateway in
          try await eventually { try gateway.routeFile("w")?.content == before["w.yaml"]?.content }
        })
    }
  }

  @Test func allAtOnceBeforeTraefikIsRestarted() async throws {
    try await GatewayProcess.withGateway { gateway in
      for number in 0..<5 { try await gateway.setName("w-\(number)", "w\(number)", "http://10.1.2.3") }
      try await gateway.withTraefik { _ in
        let seen = gateway.root.file("seen")
        let count = "cat \(gateway.root.path)/proxy/*.yaml | grep -c ClientIP > \(seen)"
        try await gateway.restart(adding: ["--trusted-proxy", "10.0.0.0/8", "--traefik-restart", count])
        try await eventually { try String(contentsOfFile: seen, encoding: .utf8) == "5\n" }
      }
    }
  }

  @Test func oneAtATimeWhileTraefikRunsAlsoOverACrash() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.withTraefik { traefik in
        try await gateway.kill()
        try Self.write(4, in: gateway.root)
        func reloads() async throws -> Int {
          let scrape = try await gateway.client("--traefik-address").fetch("http://metrics/metrics").body
          let line = scrape.split(separator: "\n").first { $0.hasPrefix("traefik_config_reloads_total ") }
          return line?.split(separator: " ").last.flatMap { Double($0) }.map { Int($0) } ?? 0
        }
        try await eventually { try await traefik.routers().count == 4 }
        let before = try await reloads()

        try await gateway.start()
        try await eventually { try renewed(gateway).count >= 1 }
        try await gateway.kill()
        try await gateway.start()
        // Calls are not held up.
        try await gateway.setFQDN("called", "called.example.test", "10.1.2.4:443")
        try await eventually { try renewed(gateway).count == 5 }
        try await eventually { try await traefik.routers().count == 15 }
        #expect(try await reloads() - before <= 5)
        let files = try renewed(gateway).filter { !$0.content.contains("called") }
        let times = files.map(\.modified).sorted()
        // A pause between each, but for the crash.
        #expect(zip(times, times.dropFirst()).count { $1 - $0 >= 1_900_000_000 } >= 2)
        #expect(try await gateway.domains().count == 5)
      }
    }
  }
}
