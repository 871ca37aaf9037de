import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// The stream `Changes`, as `gatewayctl watch` prints it and as a caller of another language reads it.
@Suite(.timeLimit(.minutes(5)))
struct ChangesTests {
  private static let broken = "http: ["

  /// A running `gatewayctl watch`.
  private struct Watch {
    let process: ChildProcess
    let output: String

    /// What it printed so far, without the times.
    var lines: [String] {
      get throws {
        ChildProcess.wholeLines(of: try String(contentsOfFile: output, encoding: .utf8)).map { line in
          String(line.trimmingPrefix(#/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z  /#))
        }
      }
    }

    func expect(_ lines: [String], sourceLocation: SourceLocation = #_sourceLocation) async throws {
      let seen = try await eventually {
        try self.lines
      } until: {
        $0.count >= lines.count
      }
      #expect(seen == lines, sourceLocation: sourceLocation)
    }
  }

  private func withWatch(
    of gateway: GatewayProcess, _ arguments: [String] = [], _ body: (Watch) async throws -> Void
  ) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let output = try directory.write("", to: "output")
      let descriptor = open(output, O_WRONLY | O_APPEND | O_CLOEXEC)
      defer { close(descriptor) }
      try await ChildProcess.withProcess(
        Repository.product("gatewayctl"), ["watch", "--broker", gateway.redis.unixURL] + arguments,
        standardOutput: descriptor, log: directory.file("error")
      ) { process in
        try await process.ready { try await subscribers(gateway.redis) == 1 }
        try await body(Watch(process: process, output: output))
      }
    }
  }

  private func subscribers(_ redis: RedisServer) async throws -> Int {
    let reply = try await redis.command("PUBSUB", "NUMSUB", "gateway.gateway@0.0.1.Changes")
    return reply.split(separator: "\n").last.flatMap { Int($0) } ?? 0
  }

  @Test func everyChangeIsALineAndNothingElseIs() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await withWatch(of: gateway) { watch in
        try await gateway.setName("w", "one", "http://127.0.0.1:9")
        // Nothing changes.
        try await gateway.setName("w", "one", "http://127.0.0.1:9")
        try await gateway.setName("w", "one", "http://127.0.0.1:10")
        try await gateway.setName("w", "two", "http://127.0.0.1:10")
        try await gateway.delete("w")
        try await gateway.delete("w")
        #expect(try await gateway.call("SetFQDNProxy", "v", "-", ["http://127.0.0.1:9"], false).callError != nil)
        try await gateway.setFQDN("v", "v.test", "http://127.0.0.1:9")
        try await watch.expect([
          "set          w  one.\(zone)", "replaced     w  one.\(zone)", "replaced     w  two.\(zone)",
          "deleted      w  two.\(zone)", "set          v  v.test",
        ])
      }
    }
  }

  @Test func whatIsDoneByHandIsToldToo() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setFQDN("v", "v.test", "http://127.0.0.1:9")
      let route = try #require(try gateway.routeFile("v")).content
      try await withWatch(of: gateway) { watch in
        let other = route.replacing("v.test", with: "w.test").replacing(" v-", with: " w-")
          .replacing(" v:", with: " w:").replacing("service: v", with: "service: w")
        try gateway.root.write(other, to: "proxy/w.yaml")
        try await watch.expect(["set          w  w.test"])
        // The same content under another time is no change; nor is it one to set what is there.
        try gateway.root.write(route, to: "proxy/v.yaml")
        try await gateway.setFQDN("v", "v.test", "http://127.0.0.1:9")
        try FileManager.default.removeItem(atPath: gateway.root.file("proxy/w.yaml"))
        try await watch.expect(["set          w  w.test", "deleted      w  w.test"])
        try gateway.root.write(Self.broken, to: "proxy/x.yaml")
        try await eventually { try watch.lines.count == 3 }
        let line = try #require(try watch.lines.last)
        #expect(line.hasPrefix("quarantined  x  -  x.yaml: line "), "\(line)")
      }
    }
  }

  @Test func columnsAreAlignedToTheLongestWorkloadSoFar() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await withWatch(of: gateway) { watch in
        for (workload, name) in [("w", "one"), ("37-1976-web", "two"), ("v", "three")] {
          try await gateway.setName(workload, name, "http://127.0.0.1:9")
        }
        try await watch.expect([
          "set          w  one.\(zone)", "set          37-1976-web  two.\(zone)",
          "set          v            three.\(zone)",
        ])
      }
    }
  }

  @Test func jsonIsALineForEach() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await withWatch(of: gateway, ["--json"]) { watch in
        try await gateway.setName("w", "one", "http://127.0.0.1:9")
        try await gateway.delete("w")
        let lines = try await eventually {
          try watch.lines.map { try JSON(parsing: $0) }
        } until: {
          $0.count == 2
        }
        #expect(lines.map { $0["Action"].string } == ["set", "deleted"])
        #expect(lines[0]["Workload"] == "w" && lines[0]["Domain"] == .string("one.\(zone)") && lines[0]["Reason"] == "")
        // The form that all times have in JSON.
        let form = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/
        #expect(lines.allSatisfy { $0["Time"].string?.wholeMatch(of: form) != nil })
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        let time = try Date(lines[0]["Time"].string ?? "", strategy: style)
        #expect(abs(time.timeIntervalSinceNow) < 60)
        #expect(lines[0].object?.count == 5)
      }
    }
  }

  @Test("It ends with status 0 when it is interrupted", arguments: [SIGINT, SIGTERM])
  func interruption(signal: Int32) async throws {
    try await GatewayProcess.withGateway { gateway in
      try await withWatch(of: gateway) { watch in
        watch.process.signal(signal)
        let status = try await watch.process.exit()
        #expect(status == .code(0))
        #expect(watch.process.output == "")
      }
    }
  }

  @Test func lossOfTheBrokerIsSaidAndItsReturn() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await withWatch(of: gateway) { watch in
        await gateway.redis.stop()
        _ = try await watch.process.line {
          $0.hasPrefix("gatewayctl: broker away, trying again until it is back; reason: ")
        }
        // The store does not wait for anybody: what others do is noticed meanwhile.
        try gateway.root.write(Self.broken, to: "proxy/x.yaml")
        try await eventually { try !gateway.logged("file moved to quarantine").isEmpty }
        try await gateway.redis.start()
        _ = try await watch.process.line { $0.hasPrefix("gatewayctl: broker is back; after-seconds: ") }
        try await eventually { try await subscribers(gateway.redis) == 1 }
        try await gateway.setName("w", "one", "http://127.0.0.1:9")
        try await watch.expect(["set          w  one.\(zone)"])
      }
    }
  }

  @Test(
    "A caller in Python reads the documented map, under either name of the object", arguments: ["gateway", "manager"])
  func wire(object: String) async throws {
    try await GatewayProcess.withGateway { gateway in
      try await TemporaryDirectory.withDirectory { directory in
        let script = """
          import msgpack, redis, sys
          listener = redis.Redis(unix_socket_path=sys.argv[1]).pubsub(ignore_subscribe_messages=True)
          listener.subscribe(f"gateway.{sys.argv[2]}@0.0.1.Changes")
          listener.get_message(timeout=5)
          print("listening", flush=True)
          event = msgpack.unpackb(next(listener.listen())["data"], timestamp=3)
          print(list(event), event["Workload"], event["Domain"], event["Action"], event["Time"].year > 2000, flush=True)
          """
        try await ChildProcess.withProcess(
          Repository.program("python3"), ["-c", script, gateway.redis.socket, object], log: directory.file("log")
        ) { python in
          _ = try await python.line { $0 == "listening" }
          try await gateway.setName("w", "one", "http://127.0.0.1:9")
          let line = try await python.line { $0.hasPrefix("[") }
          #expect(line == "['Workload', 'Domain', 'Action', 'Reason', 'Time'] w one.\(zone) set True")
        }
      }
    }
  }
}
