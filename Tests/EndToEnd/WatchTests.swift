import Foundation
import TestSupport
import Testing

/// What others do to the route files while the gateway runs.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct WatchTests {
  private func file(_ workload: String, _ domain: String, _ backend: String = "http://127.0.0.1:9") -> String {
    """
    http:
      routers: {\(workload)-route: {rule: Host(`\(domain)`), service: \(workload), \
    tls: {certResolver: resolver, domains: [main: \(domain)]}}}
      services: {\(workload): {loadBalancer: {servers: [url: '\(backend)']}}}
    """
  }

  private func waitForDomains(_ expected: [String: String], _ gateway: GatewayProcess) async throws {
    try await eventually {
      try await gateway.domains()
    } until: {
      $0 == expected
    }
  }

  @Test func takesOverRoutesThatAreDropped() async throws {
    try await GatewayProcess.withGateway { gateway in
      try gateway.root.write(file("w", "a.test"), to: "proxy/w.yaml")
      try await waitForDomains(["w": "a.test"], gateway)
      let reply = try await gateway.call("SetFQDNProxy", "v", "a.test", ["http://127.0.0.1:9"], false)
      #expect(reply.callError == "domain already registered: a.test")
      // Edited by hand, into another good one.
      try gateway.root.write(file("w", "b.test"), to: "proxy/w.yaml")
      try await waitForDomains(["w": "b.test"], gateway)
      try await gateway.setFQDN("v", "a.test", "http://127.0.0.1:9")
      try await gateway.delete("w")
      #expect(try gateway.routeFile("w") == nil)
    }
  }

  @Test func routeThatIsRemovedByHandIsGone() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setFQDN("w", "a.test", "http://127.0.0.1:9")
      try FileManager.default.removeItem(atPath: gateway.root.file("proxy/w.yaml"))
      try await waitForDomains([:], gateway)
      try await eventually { try !gateway.logged("route gone: its file was removed").isEmpty }
      let line = try #require(try gateway.logged("route gone: its file was removed").first)
      #expect(line["workload"].string == "w" && line["level"].string == "notice")
      try await gateway.setFQDN("v", "a.test", "http://127.0.0.1:9")
      try await gateway.delete("w")
    }
  }

  @Test(
    "A route file that is damaged is written again, and still served",
    arguments: ["", "http: [", "somebody: else's", "http: {routers: {w-route: {rule: Host(`w.test`)}}}"])
  func healsItsOwn(damage: String) async throws {
    try await HTTPBackend.withServer("one") { backend in
      try await GatewayProcess.withGateway { gateway in
        try await gateway.setName("w", "w", backend.url)
        let whole = try #require(try gateway.routeFile("w")).content
        try await gateway.withTraefik { traefik in
          let url = "https://w.\(GatewayProcess.zone)/"
          let client = try await traefik.client("web-secure")
          try await eventually {
            try await client.fetch(url).status
          } until: {
            $0 == 200
          }
          // Not in one step, as an editor may do it.
          try Data(damage.utf8).write(to: URL(filePath: gateway.root.file("proxy/w.yaml")))
          try await eventually { try !gateway.logged("route written again").isEmpty }
          #expect(try #require(try gateway.routeFile("w")).content == whole)
          #expect(try gateway.files(in: "quarantine")["w.yaml"]?.content == damage)
          try await traefik.restart()
          let again = try await traefik.client("web-secure")
          try await eventually {
            try await again.fetch(url).status
          } until: {
            $0 == 200
          }
          #expect(try await gateway.domains() == ["w": "w.\(GatewayProcess.zone)"])
        }
      }
    }
  }

  @Test func thousandFilesAreDroppedAtOnce() async throws {
    try await GatewayProcess.withGateway { gateway in
      for number in 0..<1000 {
        let text = number % 10 == 0 ? "a: [" : file("w-\(number)", "w-\(number).test")
        try gateway.root.write(text, to: "proxy/w-\(number).yaml")
      }
      // Calls have their turn meanwhile.
      try await gateway.setName("mine", "mine", "http://127.0.0.1:9")
      try await eventually { try await gateway.routes().count == 901 }
      try await eventually { try gateway.files(in: "quarantine").count == 101 }
      #expect(try gateway.files(in: "proxy").count == 902)
    }
  }

  @Test func directoryThatIsPutBackIsWatchedAgain() async throws {
    try await GatewayProcess.withGateway { gateway in
      func shell(_ command: String) async throws {
        try await Command.succeed("sh", ["-ec", "cd $0; \(command)", gateway.root.path])
      }
      try await gateway.setFQDN("kept", "k.test", "http://127.0.0.1:9")
      try await gateway.setFQDN("gone", "g.test", "http://127.0.0.1:9")
      try await shell("mv proxy away")
      try await eventually { try !gateway.logged("route files are not watched").isEmpty }
      let reply = try await gateway.call("SetFQDNProxy", "v", "v.test", ["http://127.0.0.1:9"], false)
      #expect(reply.callError?.hasPrefix("cannot store the route of v: rename ") == true)
      #expect(try await gateway.domains() == ["kept": "k.test", "gone": "g.test"])

      try await shell("rm away/gone.yaml; echo 'a: [' > away/bad.yaml; mv away proxy")
      try await waitForDomains(["kept": "k.test"], gateway)
      try await eventually { try gateway.files(in: "quarantine").keys.contains("bad.yaml") }
      try gateway.root.write(file("new", "n.test"), to: "proxy/new.yaml")
      try await waitForDomains(["kept": "k.test", "new": "n.test"], gateway)

      // Removed with all that is in it, and made again.
      try await shell("rm -r proxy; sleep 0.1; mkdir proxy")
      try await waitForDomains([:], gateway)
      try await gateway.setFQDN("gone", "g.test", "http://127.0.0.1:9")
      try await waitForDomains(["gone": "g.test"], gateway)
      #expect(try gateway.logged("route files are not watched").count <= 2)
    }
  }

  @Test func directoryThatStaysAwayIsMadeAgainWithAllRoutes() async throws {
    try await GatewayProcess.withGateway { gateway in
      for name in ["w", "v"] { try await gateway.setName(name, name, "http://10.1.2.3") }
      let (domains, files) = (try await gateway.domains(), try gateway.files(in: "proxy").mapValues(\.content))
      try await Command.succeed("mv", [gateway.root.file("proxy"), gateway.root.file("away")])
      try await eventually { try gateway.files(in: "proxy").mapValues(\.content) == files }
      #expect(try await gateway.domains() == domains)
      try await eventually { try !gateway.logged("route files are watched again").isEmpty }
      try gateway.root.write(file("new", "n.test"), to: "proxy/new.yaml")
      try await waitForDomains(domains.merging(["new": "n.test"]) { $1 }, gateway)
      try await gateway.restart()
      #expect(try await gateway.domains().count == 3)
    }
  }

  @Test("Events that are lost because there are too many are made up for")
  func looksAgainWhenEventsAreLost() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setFQDN("gone", "g.test", "http://127.0.0.1:9")
      gateway.signal(SIGSTOP)
      let limit = try String(contentsOfFile: "/proc/sys/fs/inotify/max_queued_events", encoding: .utf8)
      let count = try #require(Int(limit.trimmingCharacters(in: .whitespacesAndNewlines)))
      for _ in 0..<count / 2 + 1 {
        // Two events that differ, or they would count as one.
        for name in ["a", "b"] { close(open(gateway.root.file("proxy/\(name)"), O_WRONLY | O_CREAT, 0o600)) }
      }
      try FileManager.default.removeItem(atPath: gateway.root.file("proxy/gone.yaml"))
      try gateway.root.write(file("new", "n.test"), to: "proxy/new.yaml")
      try gateway.root.write("a: [", to: "proxy/bad.yaml")
      gateway.signal(SIGCONT)
      try await waitForDomains(["new": "n.test"], gateway)
      try await eventually { try gateway.files(in: "quarantine").keys.contains("bad.yaml") }
    }
  }

  @Test func ownWritesAreNoNews() async throws {
    try await GatewayProcess.withGateway { gateway in
      for number in 0..<20 { try await gateway.setName("w", "w-\(number)", "http://127.0.0.1:9") }
      try await gateway.delete("w")
      try gateway.root.write(file("last", "l.test"), to: "proxy/last.yaml")
      try await waitForDomains(["last": "l.test"], gateway)
      try await eventually { try !gateway.logged("route taken over").isEmpty }
      let messages = try gateway.log.compactMap { $0["message"].string }
      #expect(messages.count { $0 == "route taken over" } == 1)
      #expect(!messages.contains { $0.hasPrefix("route gone") || $0.contains("quarantine") })
    }
  }
}
