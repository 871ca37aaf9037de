import Foundation
import TestSupport
import Testing

/// How a gateway ends, and what its end leaves behind.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct StoppingTests {
  /// Ten seconds are promised; the rest is for a busy machine.
  private static let promise = Duration.seconds(20)

  @Test(arguments: [SIGTERM, SIGINT])
  func idleGatewayStopsAtOnce(signal: Int32) async throws {
    try await GatewayProcess.withGateway { gateway in
      gateway.signal(signal)
      // Calls in hand would have eight seconds.
      let status = try await gateway.exit(within: .seconds(8))
      #expect(status == .code(0))
    }
  }

  @Test func callInHandIsAnsweredFirst() async throws {
    try await Dnsmasq.withServer([.silent("silent.example.org")]) { resolver in
      try await GatewayProcess.withGateway(GatewayProcess.node + ["--resolver", resolver.address]) { gateway in
        async let slow = gateway.call("SetFQDNProxy", "w", "silent.example.org", ["http://10.1.2.3"], false)
        try await eventually { try await gateway.redis.command("LLEN", "gateway.manager@0.0.1.in-flight") == "1" }
        gateway.signal(SIGTERM)
        _ = try await eventually {
          try gateway.logged("stopping")
        } until: {
          !$0.isEmpty
        }
        // What comes now is for the next one.
        let late = try await gateway.caller.request(
          "SetNamedProxy", with: ["v", "late", ["http://10.1.2.3"], false], object: "manager@0.0.1", id: "late")
        try await gateway.caller.push(late, to: "gateway.manager@0.0.1")

        #expect(try await gateway.exit() == .code(0))
        let error = "cannot look up silent.example.org at \(resolver.address): no answer within 5.0 seconds"
        #expect(try await slow.callError == error)
        #expect(try await gateway.redis.command("LLEN", "late") == "0")

        try await gateway.start()
        try await eventually { try await gateway.redis.command("LLEN", "late") == "1" }
        #expect(try await gateway.domains() == ["v": "late.\(GatewayProcess.zone)"])
      }
    }
  }

  @Test func gatewayWithoutItsBrokerStopsInTime() async throws {
    try await GatewayProcess.withGateway { gateway in
      await gateway.redis.stop()
      _ = try await eventually {
        try gateway.logged("broker away, trying again until it is back")
      } until: {
        !$0.isEmpty
      }
      gateway.signal(SIGTERM)
      #expect(try await gateway.exit(within: Self.promise) == .code(0))
      try await gateway.redis.start()
    }
  }

  /// With a client of its own, too, since it asks for its public network on the bus.
  @Test(arguments: ["hangs", "is dead"])
  func busyGatewayStopsInTimeWhenItsBroker(does: String) async throws {
    try await Dnsmasq.withServer([.silent("silent.example.org")]) { resolver in
      try await GatewayProcess.withGateway(["--resolver", resolver.address]) { gateway in
        let config: JSON = ["IPv4": ["$net": "203.0.113.7/24"], "IPv6": ["IP": nil, "Mask": nil], "Domain": ""]
        _ = try await gateway.caller.serve(
          "network@0.0.1", of: "network", methods: ["GetPublicConfig": ["result": config]])
        for number in 0..<20 {
          let request = try await gateway.caller.request(
            "SetFQDNProxy", with: ["w\(number)", "silent.example.org", ["http://10.1.2.3"], false],
            object: "manager@0.0.1", id: "reply\(number)")
          try await gateway.caller.push(request, to: "gateway.manager@0.0.1")
        }
        try await eventually { try await gateway.redis.command("LLEN", "gateway.manager@0.0.1.in-flight") == "20" }
        if does == "hangs" { gateway.redis.pause() } else { try await gateway.redis.kill() }
        gateway.signal(SIGTERM)
        #expect(try await gateway.exit(within: Self.promise) == .code(0))
        if does == "hangs" { gateway.redis.resume() } else { try await gateway.redis.start() }
      }
    }
  }

  @Test func gatewayThatHasNeverSeenItsBrokerStopsInTime() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      try await ChildProcess.withProcess(
        Repository.product("gateway"),
        ["--broker", "unix://\(directory.file("none.sock"))", "--root", directory.file("root")],
        log: directory.file("log")
      ) { gateway in
        _ = try await gateway.line { $0.contains("broker away") }
        gateway.signal(SIGTERM)
        #expect(try await gateway.exit(within: Self.promise) == .code(0))
      }
    }
  }

  @Test("A restart command in hand is ended with all it started, and run again by the next gateway")
  func restartCommandIsEnded() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let pids = directory.file("pids")
      let command = "sleep 600 & echo $! >> \(pids); wait"
      try await GatewayProcess.withGateway(GatewayProcess.node + ["--traefik-restart", command]) { gateway in
        func started(_ count: Int) async throws -> [Int32] {
          try await eventually {
            ChildProcess.wholeLines(of: (try? String(contentsOfFile: pids, encoding: .utf8)) ?? "")
          } until: {
            $0.count == count
          }.compactMap { Int32($0) }
        }
        try await gateway.restart(adding: ["--acme-email", "operator@example.org"])
        for life in 1...2 {
          let child = try #require(try await started(life).last)
          gateway.signal(SIGTERM)
          #expect(try await gateway.exit(within: Self.promise) == .code(0))
          // Where nobody reaps it, it stays as a zombie, which is dead as well.
          try await eventually {
            let state = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8).split(separator: " ")[2]
            return state == nil || state == "Z"
          }
          #expect(try gateway.logged("Traefik's restart was cut off; the next start runs it again").count == life)
          #expect(try gateway.logged("Traefik's restart failed").isEmpty)
          if life == 1 { try await gateway.start() }
        }
        // Nothing is owed any more once it has ended.
        try await gateway.start(adding: ["--traefik-restart", "true"])
        try await eventually { try gateway.logged("Traefik restarted").count == 1 }
        try await gateway.restart()
        #expect(try gateway.logged("Traefik restarted").count == 1)
        #expect(try await started(2).count == 2)
      }
    }
  }

  @Test func waitForTheHooksTurnIsEnded() async throws {
    try await GatewayProcess.withGateway { gateway in
      let lock = gateway.root.file("acme/lock")
      let log = gateway.root.file("log")
      try await ChildProcess.withProcess("flock", ["--no-fork", lock, "sleep", "600"], log: log) { holder in
        try await eventually { try Self.holds(holder.pid, lock) }
        try await gateway.restart()
        try await eventually { try Self.holds(gateway.pid, lock) }
        gateway.signal(SIGTERM)
        #expect(try await gateway.exit(within: Self.promise) == .code(0))
        #expect(try gateway.logged("tidying up after DNS-01 challenges failed").isEmpty)
      }
    }
  }

  /// Whether a process has a file open.
  private static func holds(_ pid: Int32, _ file: String) throws -> Bool {
    let folder = "/proc/\(pid)/fd"
    return try FileManager.default.contentsOfDirectory(atPath: folder).contains { name in
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(name)")) == file
    }
  }

  @Test func killedGatewayKeepsWhatItAcknowledged() async throws {
    try await GatewayProcess.withGateway { gateway in
      for number in 0..<10 { try await gateway.setName("w-\(number)", "n\(number)", "http://10.1.2.3") }
      let routes = try await gateway.routes()
      gateway.signal(SIGKILL)
      #expect(try await gateway.exit() == .signal(SIGKILL))
      try gateway.root.write("http:\n  routers:\n    half", to: "staging/half.yaml")
      try await gateway.start()
      #expect(try await gateway.routes() == routes)
      #expect(try gateway.files(in: "staging").count == 1)
    }
  }
}
