import Foundation
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

@testable import RPC

/// A server whose Redis, or which itself, goes away. Whatever happens, each call is answered exactly once.
@Suite(.timeLimit(.minutes(5)))
struct ServerOutageTests {
  private static let away = "broker away"
  private static let back = "broker is back"

  // MARK: Redis goes away

  @Test(arguments: [true, false])
  func callsInHandAreAnsweredOnceRedisIsBackWithOrWithoutItsData(keepsData: Bool) async throws {
    try await RedisServer.withServer(appendOnly: keepsData) { redis in
      let (gate, log) = (Gate(), LogRecorder())
      let runs = Mutex<[Int]>([])
      let server = try probeServer(on: redis.unixURL, workers: 4, log: log) {
        RPCMethod("Wait") { (number: Int) in
          runs.withLock { $0.append(number) }
          await gate.pass()
          return number
        }
      }
      try await running(server) {
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          // Four run, the others wait for a worker.
          try await caller.push((0..<12).map { request("Wait", [encoded($0)], replyTo: "reply\($0)") })
          try await eventually { try await caller.length(of: "server.probe@1.0.in-flight") == 12 }
        }
        try await gate.holds(4)
        try await redis.kill()
        try await eventually { !log.lines(containing: Self.away).isEmpty }
        await gate.open()
        try await redis.start()
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          for number in 0..<12 {
            #expect(try await caller.reply(on: "reply\(number)").outcome == .result(encoded(number)))
          }
          #expect(try await caller.call("Wait", encoded(99)) == .result(encoded(99)))
          try await eventually { try await caller.length(of: "server.probe@1.0.in-flight") == 0 }
          for number in 0..<12 { #expect(try await caller.length(of: "reply\(number)") == 0) }
        }
        #expect(runs.withLock { $0.sorted() } == Array(0..<12) + [99])
        #expect(log.lines(containing: Self.away).count == 1)
        #expect(log.lines(containing: Self.back).count == 1)
      }
    }
  }

  /// What is sent again when the connection broke before it was confirmed.
  @Test func replyThatMayHaveBeenPushedIsPushedOnceAndExpires() async throws {
    try await RedisServer.withServer { redis in
      try await RawCaller.withCaller(on: redis.unixURL) { caller in
        func settle(_ request: String, _ address: String) async throws -> RedisReply {
          try await caller.command(
            "EVAL", .text(Settling.script), "2", "other", "list", "2", .text(request), .text(address), "reply")
        }
        try await caller.command("RPUSH", "list", "first", "second")
        #expect(try await settle("second", "a") == .integer(0))
        // The transaction was carried out, and what followed it was not.
        try await caller.command("PERSIST", "a")
        #expect(try await settle("second", "a") == .integer(0))
        #expect(try await caller.command("LRANGE", "a", "0", "-1") == .array([.bytes(Array("reply".utf8))]))
        guard case .integer(100...300) = try await caller.command("TTL", "a") else {
          Issue.record("the reply does not expire")
          return
        }
        // What is no list is nobody's reply.
        try await caller.command("SET", "precious", "value")
        #expect(try await settle("second", "precious") == .integer(0))
        #expect(try await settle("first", "precious") == .integer(1))
        #expect(try await caller.command("TTL", "precious") == .integer(-1))
        #expect(try await caller.length(of: "list") == 0)
      }
    }
  }

  @Test func pausedRedisDelaysRepliesAndNothingElse() async throws {
    try await withCallsInHand { redis, caller, gate, log in
      redis.pause()
      await gate.open()
      // The pause itself is what is tested.
      try await Task.sleep(for: .seconds(2))
      redis.resume()
      for number in 0..<4 { _ = try await caller.reply(on: "reply\(number)") }
      #expect(try await caller.call("Wait") == .result([]))
      #expect(log.lines.isEmpty)
    }
  }

  enum Refusal: Sendable, CaseIterable {
    case outOfMemory
    case readOnly
    case cannotSave

    /// What Redis may say, depending on which command notices first.
    var texts: [String] {
      switch self {
      case .outOfMemory: ["OOM"]
      case .readOnly: ["READONLY", "UNBLOCKED", "it hung up"]
      case .cannotSave: ["MISCONF"]
      }
    }

    func begin(_ redis: RedisServer) async throws {
      switch self {
      case .outOfMemory: try await redis.configure("maxmemory", "1")
      case .readOnly: try await redis.command("REPLICAOF", "127.0.0.1", "1")
      case .cannotSave:
        // Where the file is to go, there is a directory.
        let file = URL(filePath: redis.socket).deletingLastPathComponent().appending(path: "dump.rdb")
        try FileManager.default.createDirectory(at: file, withIntermediateDirectories: true)
        try await redis.configure("save", "3600 1")
        try await redis.command("BGSAVE")
        try await eventually {
          try await redis.command("INFO", "persistence").contains("rdb_last_bgsave_status:err")
        }
      }
    }

    func end(_ redis: RedisServer) async throws {
      switch self {
      case .outOfMemory: try await redis.configure("maxmemory", "0")
      case .readOnly: try await redis.command("REPLICAOF", "NO", "ONE")
      case .cannotSave: try await redis.configure("stop-writes-on-bgsave-error", "no")
      }
    }
  }

  @Test(arguments: Refusal.allCases)
  func redisThatRefusesWritesIsWaitedForAndLoggedOnce(refusal: Refusal) async throws {
    try await withCallsInHand { redis, caller, gate, log in
      try await refusal.begin(redis)
      await gate.open()
      try await eventually { !log.lines(containing: Self.away).isEmpty }
      try await attempts(5, caller)
      try await refusal.end(redis)
      for number in 0..<4 { #expect(try await caller.reply(on: "reply\(number)").outcome == .result([])) }
      #expect(try await caller.call("Wait") == .result([]))
      for number in 0..<4 { #expect(try await caller.length(of: "reply\(number)") == 0) }
      let away = log.lines(containing: Self.away)
      #expect(away.count == 1 && refusal.texts.contains { away[0].contains($0) }, "\(log.lines)")
      #expect(log.lines(containing: Self.back).count == 1)
    }
  }

  /// Runs `body` with a server that has four calls in hand, which the gate holds up and whose replies go to `reply0` to
  /// `reply3`.
  private func withCallsInHand(
    _ body: (RedisServer, RawCaller, Gate, LogRecorder) async throws -> Void
  ) async throws {
    try await RedisServer.withServer { redis in
      let (gate, log) = (Gate(), LogRecorder())
      let server = try probeServer(on: redis.unixURL, log: log) { RPCMethod("Wait") { await gate.pass() } }
      try await running(server) {
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          try await caller.push((0..<4).map { request("Wait", replyTo: "reply\($0)") })
          try await gate.holds(4)
          try await body(redis, caller, gate, log)
        }
      }
    }
  }

  @Test(arguments: Refusal.allCases)
  func serverStartsOnARedisThatRefusesWritesAndServesOnceItTakesThem(refusal: Refusal) async throws {
    try await RedisServer.withServer { redis in
      try await RawCaller.withCaller(on: redis.unixURL) { caller in
        try await refusal.begin(redis)
        let log = LogRecorder()
        try await running(probeServer(on: redis.unixURL, log: log) { RPCMethod("None") {} }) {
          try await eventually { !log.lines(containing: Self.away).isEmpty }
          try await attempts(3, caller)
          try await refusal.end(redis)
          #expect(try await caller.call("None") == .result([]))
          #expect(log.lines(containing: Self.away).count == 1)
        }
      }
    }
  }

  @Test func redisThatIsNotThereAtTheStartIsWaitedFor() async throws {
    try await RedisServer.withServer { redis in
      await redis.stop()
      let log = LogRecorder()
      try await running(probeServer(on: redis.tcpURL, log: log) { RPCMethod("None") {} }) {
        try await eventually { !log.lines(containing: Self.away).isEmpty }
        try await redis.start()
        try await expectServed(redis)
        #expect(
          log.lines(containing: Self.away) == [
            "warning: broker away, trying again until it is back "
              + "reason=broker \(redis.tcpURL) cannot be reached: Connection refused"
          ])
        #expect(log.lines(containing: Self.back).count == 1)
      }
    }
  }

  @Test func redisAtItsConnectionLimitIsWaitedForAndLeftNoConnectionsBehind() async throws {
    try await RedisServer.withServer { redis in
      try await RawCaller.withCaller(on: redis.unixURL) { caller in
        // The server needs a connection for each of its two queues and one more.
        try await caller.command("CONFIG", "SET", "maxclients", "3")
        let log = LogRecorder()
        try await running(probeServer(on: redis.unixURL, log: log) { RPCMethod("None") {} }) {
          try await eventually { try await info("rejected_connections", "stats", caller) >= 5 }
          try await caller.command("CONFIG", "SET", "maxclients", "100")
          #expect(try await caller.call("None") == .result([]))
          #expect(try await info("connected_clients", "clients", caller) == 4)
          #expect(log.lines(containing: Self.away).count == 1)
        }
        try await eventually { try await info("connected_clients", "clients", caller) == 1 }
      }
    }
  }

  @Test func queueThatIsNoListIsLoggedOnceAndWaitedFor() async throws {
    try await RedisServer.withServer { redis in
      try await redis.command("SET", probeQueue, "text")
      let log = LogRecorder()
      try await running(probeServer(on: redis.unixURL, log: log) { RPCMethod("None") {} }) {
        try await eventually { !log.lines(containing: Self.away).isEmpty }
        try await RawCaller.withCaller(on: redis.unixURL) { try await attempts(5, $0) }
        try await redis.command("DEL", probeQueue)
        try await expectServed(redis)
        #expect(log.lines(containing: "WRONGTYPE").count == 1)
        #expect(log.lines(containing: Self.back).count == 1)
      }
    }
  }

  @Test func connectionsThatAreCutAreMadeAnew() async throws {
    try await RedisServer.withServer { redis in
      let log = LogRecorder()
      try await running(probeServer(on: redis.unixURL, log: log) { RPCMethod("None") {} }) {
        for outages in 1...3 {
          try await expectServed(redis)
          try await redis.command("CLIENT", "KILL", "TYPE", "normal")
          try await eventually { log.lines(containing: Self.back).count == outages }
        }
        try await redis.command("SCRIPT", "FLUSH")
        try await expectServed(redis)
      }
    }
  }

  // MARK: Access

  @Test func passwordUserAndDatabaseAreUsed() async throws {
    try await RedisServer.withServer(password: "secret") { redis in
      try await running(probeServer(on: redis.tcpURL) { RPCMethod("None") {} }) {
        try await PythonCaller.withCaller(broker: redis.tcpURL) { caller in
          let reply = try await caller.call("None", object: "probe@1.0", module: "server")
          #expect(reply.dataHex == "")
        }
      }
      try await redis.command("ACL", "SETUSER", "gate", "on", ">pass@word", "~*", "&*", "+@all")
      let url = "redis://gate:pass%40word@127.0.0.1:\(redis.port)/5"
      try await running(probeServer(on: url) { RPCMethod("None") {} }) {
        let outcome = try await RawCaller.withCaller(on: url) { try await $0.call("None") }
        #expect(outcome == .result([]))
        #expect(try await redis.command("-n", "5", "EXISTS", "server.in-flight.epoch") == "1")
      }
    }
  }

  @Test(arguments: [
    ("tcp://wrong@", "", "WRONGPASS invalid username-password pair or user is disabled."),
    ("tcp://", "", "NOAUTH Authentication required."),
    ("redis://nobody:secret@", "", "WRONGPASS invalid username-password pair or user is disabled."),
    ("redis://:secret@", "/99", "ERR DB index is out of range"),
  ])
  func deniedAccessEndsTheServerWithAClearError(start: String, end: String, why: String) async throws {
    try await RedisServer.withServer(password: "secret") { redis in
      let log = LogRecorder()
      let server = try probeServer(on: "\(start)127.0.0.1:\(redis.port)\(end)", log: log) { RPCMethod("None") {} }
      let shown = "\(start.prefix { $0 != ":" })://127.0.0.1:\(redis.port)\(end)"
      await #expect { try await server.run() } throws: {
        "\($0)" == "broker \(shown) denies access: \(why)" && $0 is BrokerError
      }
      #expect(log.lines.isEmpty)
    }
  }

  @Test func passwordThatNobodyAskedForIsAClearErrorToo() async throws {
    try await RedisServer.withServer { redis in
      let server = try probeServer(on: "tcp://secret@127.0.0.1:\(redis.port)") { RPCMethod("None") {} }
      await #expect { try await server.run() } throws: {
        "\($0)".hasPrefix("broker tcp://127.0.0.1:\(redis.port) denies access: ERR AUTH")
      }
    }
  }

  @Test func passwordThatChangesLaterIsWaitedFor() async throws {
    try await RedisServer.withServer(password: "secret") { redis in
      let log = LogRecorder()
      try await running(probeServer(on: redis.tcpURL, log: log) { RPCMethod("None") {} }) {
        try await RawCaller.withCaller(on: redis.tcpURL) { caller in
          #expect(try await caller.call("None") == .result([]))
          // The fixture's own password stays one of two.
          try await caller.command("ACL", "SETUSER", "default", "<secret", ">other")
          try await caller.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
          try await eventually { !log.lines(containing: "WRONGPASS").isEmpty }
          // Each reason is told once, however often it is found.
          try await attempts(3, caller)
          try await caller.command("ACL", "SETUSER", "default", "-ping")
          try await caller.command("ACL", "SETUSER", "default", ">secret")
          try await eventually { !log.lines(containing: "NOPERM").isEmpty }
          try await attempts(3, caller)
          try await caller.command("ACL", "SETUSER", "default", "+ping")
          #expect(try await caller.call("None") == .result([]))
          let still =
            "warning: broker still away, now for another reason reason=broker \(try BrokerURL(redis.tcpURL)) denies"
          #expect(log.lines(containing: Self.away).count == 1)
          #expect(log.lines(containing: still).count == 2, "\(log.lines)")
          #expect(log.lines(containing: Self.back).count == 1)
          // And anew in the next outage.
          try await caller.command("ACL", "SETUSER", "default", "<secret")
          try await caller.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
          try await eventually { log.lines(containing: "WRONGPASS").count == 2 }
          try await caller.command("ACL", "SETUSER", "default", ">secret")
          #expect(try await caller.call("None") == .result([]))
        }
      }
    }
  }

  // MARK: The server goes away

  @Test func callsOfAServerThatWasCutOffAreRunByTheNext() async throws {
    try await RedisServer.withServer { redis in
      try await RawCaller.withCaller(on: redis.unixURL) { caller in
        let gate = Gate()
        let first = try probeServer(on: redis.unixURL, workers: 2) { RPCMethod("Wait") { await gate.pass() } }
        try await running(first) {
          try await caller.push((0..<10).map { request("Wait", replyTo: "reply\($0)") })
          try await gate.holds(2)
          try await eventually { try await caller.length(of: "server.probe@1.0.in-flight") == 10 }
        }
        await gate.open()
        #expect(try await caller.length(of: "server.probe@1.0.in-flight") == 10)

        let log = LogRecorder()
        let second = try probeServer(on: redis.unixURL, workers: 2, log: log) { RPCMethod("Wait") {} }
        try await running(second) {
          for number in 0..<10 {
            #expect(try await caller.reply(on: "reply\(number)").outcome == .result([]))
          }
          try await eventually { try await caller.length(of: "server.probe@1.0.in-flight") == 0 }
          for number in 0..<10 { #expect(try await caller.length(of: "reply\(number)") == 0) }
          #expect(log.lines == ["notice: running requests left in flight requests=10"])
        }
      }
    }
  }

  @Test func gracefulShutdownFinishesWhatIsInHandAndTakesNothingNew() async throws {
    try await RedisServer.withServer { redis in
      let gate = Gate()
      let server = try probeServer(on: redis.unixURL, workers: 2) { RPCMethod("Wait") { await gate.pass() } }
      try await RawCaller.withCaller(on: redis.unixURL) { caller in
        try await shutDown(server) {
          // Two run and one waits for a worker.
          try await caller.push((0..<3).map { request("Wait", replyTo: "reply\($0)") })
          try await gate.holds(2)
          try await eventually { try await caller.length(of: "server.probe@1.0.in-flight") == 3 }
        } afterwards: {
          // Taken no more once the queues' connections are closed.
          try await eventually { try await info("connected_clients", "clients", caller) == 2 }
          try await caller.push(request("Wait", replyTo: "late"))
          await gate.open()
        }
        for number in 0..<3 { #expect(try await caller.reply(on: "reply\(number)").outcome == .result([])) }
        #expect(try await caller.length(of: "server.probe@1.0.in-flight") == 0)
        #expect(try await caller.length(of: probeQueue) == 1)
        #expect(try await caller.length(of: "late") == 0)
      }
    }
  }

  @Test func idleServerShutsDownAtOnceWhateverRedisDoes() async throws {
    try await RedisServer.withServer { redis in
      for redisIs in ["there", "paused", "away"] {
        let log = LogRecorder()
        let server = try probeServer(on: redis.unixURL, log: log) { RPCMethod("None") {} }
        let duration = try await shutDown(server) {
          try await expectServed(redis)
          // It has told the server, too, that the call is over, once it answers somebody who asks later.
          _ = try await RawCaller.withCaller(on: redis.unixURL) { try await $0.command("PING") }
          switch redisIs {
          case "paused": redis.pause()
          case "away":
            try await redis.kill()
            try await eventually { !log.lines(containing: Self.away).isEmpty }
          default: break
          }
        } afterwards: {
        }
        // There is no call to wait for.
        #expect(duration < Dispatcher.drainTimeout, "\(redisIs)")
        redis.resume()
      }
    }
  }

  @Test func serverToldToStopWhileItConnectsDoesSo() async throws {
    try await RedisServer.withServer { redis in
      redis.pause()
      let server = try probeServer(on: redis.unixURL) { RPCMethod("None") {} }
      let duration = try await shutDown(server) {
      } afterwards: {
      }
      redis.resume()
      #expect(duration < Dispatcher.drainTimeout)
    }
  }

  enum Hindrance: Sendable, CaseIterable {
    case redisIsKilled, redisHangs, callsNeverEnd, callsNeverEndAndRedisHangs, recoveryNeverEnds
  }

  @Test(arguments: Hindrance.allCases)
  func shutdownWithCallsInHandEndsWithinTenSecondsWhateverHindersIt(hindrance: Hindrance) async throws {
    try await RedisServer.withServer { redis in
      let (gate, log) = (Gate(), LogRecorder())
      let server = try probeServer(on: redis.unixURL, log: log) { RPCMethod("Wait") { await gate.pass() } }
      let list = hindrance == .recoveryNeverEnds ? "\(probeQueue).in-flight" : probeQueue
      try await RawCaller.withCaller(on: redis.unixURL) { caller in
        try await caller.push((0..<20).map { request("Wait", replyTo: "reply\($0)") }, to: list)
      }
      let duration = try await shutDown(server) {
        try await gate.holds(hindrance == .recoveryNeverEnds ? 1 : 4)
        switch hindrance {
        case .redisIsKilled:
          try await redis.kill()
          await gate.open()
        case .redisHangs:
          redis.pause()
          await gate.open()
        case .callsNeverEndAndRedisHangs: redis.pause()
        case .callsNeverEnd, .recoveryNeverEnds: break
        }
      } afterwards: {
      }
      redis.resume()
      // Ten on a machine that has time for it.
      #expect(duration < Dispatcher.drainTimeout + .seconds(12))
      #expect(log.lines(containing: "stopping with unanswered calls").count == 1)
      // Nothing is lost: the next start runs them.
      if hindrance != .redisIsKilled {
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          let left = try await caller.length(of: "\(probeQueue).in-flight") + caller.length(of: probeQueue)
          #expect(hindrance == .redisHangs || left == 20)
        }
      }
      await gate.open()
    }
  }

  /// Runs a server, shuts it down gracefully after `before`, and tells how long that took from then on.
  @discardableResult
  private func shutDown(
    _ server: RPCServer, before: () async throws -> Void, afterwards: () async throws -> Void
  ) async throws -> Duration {
    let group = ServiceGroup(configuration: .init(services: [.init(service: server)], logger: LogRecorder().logger))
    let run = Task { try await group.run() }
    do {
      try await before()
      let start = ContinuousClock.now
      await group.triggerGracefulShutdown()
      try await afterwards()
      try await run.value
      return start.duration(to: .now)
    } catch {
      run.cancel()
      throw error
    }
  }

  // MARK: Observations

  private func expectServed(_ redis: RedisServer) async throws {
    let outcome = try await RawCaller.withCaller(on: redis.tcpURL) { try await $0.call("None") }
    #expect(outcome == .result([]))
  }

  /// Waits until this many more connections were made.
  private func attempts(_ count: Int, _ caller: RawCaller) async throws {
    let before = try await info("total_connections_received", "stats", caller)
    try await eventually {
      try await info("total_connections_received", "stats", caller) >= before + count
    }
  }

  private func info(_ field: String, _ section: String, _ caller: RawCaller) async throws -> Int {
    let text = String(decoding: try await caller.command("INFO", .text(section)).bytes ?? [], as: UTF8.self)
    let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix(field + ":") }
    return try #require(line.flatMap { Int($0.dropFirst(field.count + 1)) })
  }
}
