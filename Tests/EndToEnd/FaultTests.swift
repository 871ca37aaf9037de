import Foundation
import TestSupport
import Testing

private let isRoot = getuid() == 0

/// What a caller gets and what the log says while something that the gateway needs is broken, and that it goes on by
/// itself afterwards. Redis has its own tests in RPCTests, Traefik and the resolver theirs beside this file.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct FaultTests {
  /// Runs a gateway whose root is a file system of its own, of 1 MiB.
  private func withSmallDisk(_ body: (GatewayProcess) async throws -> Void) async throws {
    var mounted: String?
    do {
      try await GatewayProcess.withGateway { root in
        let mount = Process()
        mount.executableURL = URL(filePath: "/bin/mount")
        mount.arguments = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", root.path]
        try mount.run()
        mount.waitUntilExit()
        try #require(mount.terminationStatus == 0)
        mounted = root.path
      } _: { gateway in
        do {
          try await body(gateway)
        } catch {
          _ = try await Command.succeed("/bin/umount", ["--lazy", gateway.root.path])
          throw error
        }
        _ = try await Command.succeed("/bin/umount", ["--lazy", gateway.root.path])
        mounted = nil
      }
    } catch {
      if let mounted { _ = try? await Command.run("/bin/umount", ["--lazy", mounted]) }
      throw error
    }
  }

  @Test(.enabled(if: isRoot, "mounting needs root"))
  func fullDiskIsACallErrorAndHarmsNoRoute() async throws {
    try await withSmallDisk { gateway in
      try await gateway.setName("old", "old", "http://10.1.2.3")
      let before = try gateway.files(in: "proxy")
      let ballast = gateway.root.file("ballast")
      // The last page goes too.
      _ = try await Command.run("/bin/dd", ["if=/dev/zero", "of=\(ballast)", "bs=4096"])

      for name in ["new", "old"] {
        let reply = try await gateway.call("SetNamedProxy", .string(name), "other", ["http://10.1.2.4"], false)
        let staged = "\(gateway.root.path)/staging/\(name).yaml"
        #expect(
          reply.callError == "cannot store the route of \(name): write \(staged): No space left on device"
            || reply.callError == "cannot store the route of \(name): open \(staged): No space left on device")
        #expect(reply.data == "")
      }
      #expect(try gateway.files(in: "proxy") == before)
      #expect(try gateway.files(in: "staging").count == 1)

      try FileManager.default.removeItem(atPath: ballast)
      #expect(try await gateway.setName("new", "other", "http://10.1.2.4") == "other.\(GatewayProcess.zone)")
      #expect(
        try await gateway.domains() == ["old": "old.\(GatewayProcess.zone)", "new": "other.\(GatewayProcess.zone)"])
    }
  }

  @Test(.enabled(if: isRoot, "mounting needs root"))
  func readOnlyRootIsACallErrorUntilItIsWritableAgain() async throws {
    try await withSmallDisk { gateway in
      try await gateway.setName("old", "old", "http://10.1.2.3")
      _ = try await Command.succeed("/bin/mount", ["-o", "remount,ro", gateway.root.path])
      let set = try await gateway.call("SetNamedProxy", "new", "new", ["http://10.1.2.4"], false)
      let staged = "\(gateway.root.path)/staging/new.yaml"
      #expect(set.callError == "cannot store the route of new: open \(staged): Read-only file system")
      let delete = try await gateway.call("DeleteNamedProxy", "old")
      let file = "\(gateway.root.path)/proxy/old.yaml"
      #expect(delete.callError == "cannot store the route of old: unlink \(file): Read-only file system")
      #expect(try await gateway.domains() == ["old": "old.\(GatewayProcess.zone)"])

      _ = try await Command.succeed("/bin/mount", ["-o", "remount,rw", gateway.root.path])
      try await gateway.setName("new", "new", "http://10.1.2.4")
      try await gateway.delete("old")
      #expect(try await gateway.domains() == ["new": "new.\(GatewayProcess.zone)"])
    }
  }

  @Test func rootThatIsGoneIsACallErrorUntilItIsBack() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("old", "old", "http://10.1.2.3")
      let away = gateway.root.path + ".away"
      try FileManager.default.moveItem(atPath: gateway.root.path, toPath: away)
      let reply = try await gateway.call("SetNamedProxy", "new", "new", ["http://10.1.2.4"], false)
      let staged = "\(gateway.root.path)/staging/new.yaml"
      try FileManager.default.moveItem(atPath: away, toPath: gateway.root.path)
      #expect(reply.callError == "cannot store the route of new: open \(staged): No such file or directory")

      try await gateway.setName("new", "new", "http://10.1.2.4")
      #expect(try gateway.routeFile("old") != nil && gateway.routeFile("new") != nil)
    }
  }

  @Test func noFileDescriptorsLeftIsACallError() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("old", "old", "http://10.1.2.3")
      let before = try await Command.succeed(
        "/usr/bin/prlimit", ["--pid", "\(gateway.pid)", "--nofile", "--output", "SOFT", "--noheadings"])
      let staged = "\(gateway.root.path)/staging/new.yaml"
      _ = try await eventually {
        // What is open for a moment only makes room for one more when it is closed: then that is not the limit.
        try await gateway.delete("new")
        // No room for one more than it has.
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(gateway.pid)/fd").compactMap { Int($0) }
        let lowestFree = (0...).first { !open.contains($0) }!
        _ = try await Command.succeed("/usr/bin/prlimit", ["--pid", "\(gateway.pid)", "--nofile=\(lowestFree):"])
        return try await gateway.call("SetNamedProxy", "new", "new", ["http://10.1.2.4"], false).callError
      } until: {
        $0 == "cannot store the route of new: open \(staged): Too many open files"
      }
      #expect(try await gateway.domains() == ["old": "old.\(GatewayProcess.zone)"])

      let limit = before.trimmingCharacters(in: .whitespacesAndNewlines)
      _ = try await Command.succeed("/usr/bin/prlimit", ["--pid", "\(gateway.pid)", "--nofile=\(limit):"])
      try await gateway.setName("new", "new", "http://10.1.2.4")
    }
  }

  @Test func brokerAtItsConnectionLimitIsWaitedOut() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("old", "old", "http://10.1.2.3")
      // On one connection, as there will be none for another command: room for this one and the gateway's first two.
      let commands = "CONFIG SET maxclients 3\\nCLIENT KILL TYPE normal SKIPME yes\\n"
      _ = try await Command.run(
        "/bin/sh", ["-c", "printf '\(commands)' | redis-cli -s '\(gateway.redis.socket)'"])
      try await eventually {
        try gateway.log.contains { $0["message"].string?.hasPrefix("broker away") == true }
      }
      try await eventually { (try? await gateway.redis.configure("maxclients", "1000")) != nil }
      try await eventually { try !gateway.logged("broker is back").isEmpty }
      try await gateway.setName("new", "new", "http://10.1.2.4")
      // Once for the outage, not once for each attempt.
      #expect(try gateway.log.filter { $0["message"].string?.hasPrefix("broker away") == true }.count == 1)
      #expect(try gateway.logged("broker is back").count == 1)
    }
  }

  @Test(arguments: ["+1d", "-1d"])
  func clockThatJumpsChangesNothing(jump: String) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let clock = try directory.write("+0", to: "clock")
      let environment = [
        "LD_PRELOAD": try Self.fakeClock, "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
      ]
      try await Dnsmasq.withServer([.silent("silent.example.org")]) { resolver in
        try await GatewayProcess.withGateway(
          GatewayProcess.node + ["--resolver", resolver.address], environment: environment
        ) { gateway in
          try await gateway.setName("w", "shop", "http://10.1.2.3")
          async let slow = gateway.call("SetFQDNProxy", "v", "silent.example.org", ["http://10.1.2.3"], false)
          try await eventually { try await gateway.redis.command("LLEN", "gateway.manager@0.0.1.in-flight") == "1" }
          let begin = ContinuousClock.now
          _ = try directory.write(jump, to: "clock")
          try await gateway.setName("w", "other", "http://10.1.2.3")
          // Its five seconds are neither over at once nor never.
          #expect(try await slow.callError?.hasSuffix("no answer within 5.0 seconds") == true)
          #expect(ContinuousClock.now - begin > .seconds(2))
          // The gateway did see the jump.
          let times = try gateway.log.compactMap { $0["time"].string?.prefix(10) }
          #expect(Set(times).count > 1)
        }
      }
    }
  }

  private static var fakeClock: String {
    get throws {
      try #require(
        ["x86_64", "aarch64"].map { "/usr/lib/\($0)-linux-gnu/faketime/libfaketime.so.1" }
          .first(where: FileManager.default.fileExists), "make setup installs libfaketime")
    }
  }

  @Test func floodedQueueIsServedInOrderAndInFlatMemory() async throws {
    try await GatewayProcess.withGateway { gateway in
      let request = try await gateway.caller.request(
        "DeleteNamedProxy", with: ["unknown"], object: "manager@0.0.1", id: "flood")
      let before = try Self.residentMemory(gateway.pid)
      // 100,000 requests at once, in a script, so that they are there before the first is answered.
      let script = """
        local request = string.gsub(ARGV[1], '..', function(hex) return string.char(tonumber(hex, 16)) end)
        for i = 1, 100000 do redis.call('RPUSH', KEYS[1], request) end
        """
      _ = try await gateway.redis.command("EVAL", script, "1", "gateway.manager@0.0.1", request)
      try await eventually { try await gateway.redis.command("LLEN", "flood") == "100000" }
      #expect(try Self.residentMemory(gateway.pid) - before < 32 << 20)
    }
  }

  /// Requests of a megabyte each that wait for a resolver which does not answer: many more than may be in memory.
  @Test func largeRequestsInHandAreBoundedAlsoWhenTheyAreLeftBehind() async throws {
    try await Dnsmasq.withServer([.silent("silent.example.org")]) { resolver in
      try await GatewayProcess.withGateway(GatewayProcess.node + ["--resolver", resolver.address]) { gateway in
        let proxy: JSON = [
          "FQDN": "silent.example.org", "TLSPassthrough": false, "Backends": ["http://10.1.2.3"],
          "Unknown": .string(String(repeating: "x", count: 1_000_000)),
        ]
        let large = try await gateway.caller.request(
          "SetFQDNProxy", with: ["w", proxy], object: "manager@0.0.1", id: "large")
        try await gateway.caller.push(large, to: "large-request")
        let before = try Self.peakMemory(gateway.pid)
        let script = """
          local request = redis.call('LINDEX', KEYS[1], 0)
          for i = 1, 250 do redis.call('RPUSH', KEYS[2], request) end
          """
        _ = try await gateway.redis.command("EVAL", script, "2", "large-request", "gateway.manager@0.0.1")
        func length(_ list: String) async throws -> Int {
          try #require(Int(try await gateway.redis.command("LLEN", list)))
        }
        // What was asked for before anybody knew how large it is; it waits in Redis.
        try await eventually { try await length("gateway.manager@0.0.1.in-flight") >= 128 }
        // The gateway is there for others, and does not grow when it is asked.
        for _ in 0..<20 { #expect(try await gateway.caller.status().protocolError == nil) }
        let peak = try Self.peakMemory(gateway.pid) - before
        #expect(peak < 80 << 20, "\(peak >> 20) MiB")

        try await gateway.kill()
        try await gateway.start()
        try await eventually { try await length("gateway.in-flight.suspects") >= 16 }
        let peakAfter = try Self.peakMemory(gateway.pid) - before
        #expect(peakAfter < 80 << 20, "\(peakAfter >> 20) MiB")
        #expect(try await length("gateway.manager@0.0.1.in-flight") >= 120)
        // It would finish what is in hand first.
        try await gateway.kill()
      }
    }
  }

  /// The most memory that a process has had so far, in bytes.
  private static func peakMemory(_ pid: Int32) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.filter(\.isNumber))) << 10
  }

  @Test func standardErrorThatNobodyReadsHoldsUpNoCallNorTheEnd() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let pipe = directory.file("pipe")
      #expect(mkfifo(pipe, 0o600) == 0)
      // Open, and not read.
      let reader = open(pipe, O_RDWR | O_CLOEXEC)
      defer { close(reader) }
      let wrapper = ["/bin/sh", "-c", "exec \"$0\" \"$@\" 2>'\(pipe)'"]
      try await GatewayProcess.withGateway(wrapper: wrapper) { gateway in
        // Each is a line of the log: together more than a pipe holds.
        for number in 0..<1_000 { try await gateway.setName("w", "n\(number % 2)", "http://10.1.2.3") }
        var waiting: Int32 = 0
        #expect(ioctl(reader, UInt(FIONREAD), &waiting) == 0)
        #expect(waiting > 60_000, "the pipe is full")
        gateway.signal(SIGTERM)
        #expect(try await gateway.exit() == .code(0))
        // What fitted is there, from its beginning.
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = read(reader, &buffer, buffer.count)
        let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        #expect(text.contains("\"message\":\"serving\""))
      }
    }
  }

  private static func residentMemory(_ pid: Int32) throws -> Int {
    let fields = try String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8).split(separator: " ")
    return try #require(fields.count > 1 ? Int(fields[1]) : nil) * Int(sysconf(Int32(_SC_PAGESIZE)))
  }
}
