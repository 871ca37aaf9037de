import TestSupport
import Testing

@testable import RPC

/// How one server of a module follows another: never two at once, and no request that kills each of them in turn.
@Suite(.timeLimit(.minutes(5)))
struct SuccessionTests {
  private static let refusal = "this request was being run when the module died, twice: it is not run again"

  @Test func requestThatWasRunningAtTwoDeathsIsRefusedAndTheOthersAreRun() async throws {
    try await RedisServer.withServer { redis in
      try await RawCaller.withCaller(on: redis.unixURL) { caller in
        let gate = Gate()
        // Both are in hand when the first server is cut off: either may have killed it.
        let first = try probeServer(on: redis.unixURL, workers: 1) {
          RPCMethod("Wait") { (_: String) in await gate.pass() }
        }
        try await running(first) {
          try await caller.push(["harmful", "harmless"].map { request("Wait", [encoded($0)], replyTo: $0) })
          try await gate.holds(1)
          try await eventually { try await caller.length(of: "server.probe@1.0.in-flight") == 2 }
        }

        // The second is cut off while it runs the first of them alone.
        let alone = Gate()
        let second = try probeServer(on: redis.unixURL) { RPCMethod("Wait") { (_: String) in await alone.pass() } }
        try await running(second) { try await alone.holds(1) }
        #expect(await alone.arrivals == 1)

        let (third, log) = (Gate(), LogRecorder())
        await third.open()
        let server = try probeServer(on: redis.unixURL, log: log) {
          RPCMethod("Wait") { (_: String) -> String in
            await third.pass()
            return "done"
          }
        }
        try await running(server) {
          #expect(try await caller.reply(on: "harmful").outcome == .callError(Self.refusal, zero: [0xa0]))
          #expect(try await caller.reply(on: "harmless").outcome == .result(encoded("done")))
          try await eventually { try await caller.length(of: "server.probe@1.0.in-flight") == 0 }
          try await eventually { try await caller.length(of: "server.in-flight.suspects") == 0 }
        }
        #expect(await third.arrivals == 1)
        #expect(log.lines(containing: "not running a request again").count == 1)
      }
    }
  }

  @Test func requestsLeftBehindAreRunInOrderAndOneAtATime() async throws {
    try await RedisServer.withServer { redis in
      try await RawCaller.withCaller(on: redis.unixURL) { caller in
        let left = (0..<20).map { request("Note", [encoded($0)], replyTo: "reply\($0)") }
        _ = try await caller.push(left, to: "server.probe@1.0.in-flight")
        let order = Order()
        let server = try probeServer(on: redis.unixURL, workers: 8) {
          RPCMethod("Note") { (number: Int) in await order.note(number) }
        }
        try await running(server) {
          for number in 0..<20 {
            let outcome = try await caller.reply(on: "reply\(number)").outcome
            #expect(outcome == .result([]))
          }
        }
        #expect(await order.numbers == Array(0..<20))
        #expect(await order.mostAtOnce == 1)
      }
    }
  }

  @Test func slowRequestThatWasLeftBehindHoldsUpTheNextForASecondOnly() async throws {
    try await RedisServer.withServer { redis in
      try await RawCaller.withCaller(on: redis.unixURL) { caller in
        let left = ["slow", "quick"].map { request("Wait", [encoded($0)], replyTo: $0) }
        try await caller.push(left, to: "server.probe@1.0.in-flight")
        let gate = Gate()
        let server = try probeServer(on: redis.unixURL) {
          RPCMethod("Wait") { (name: String) in if name == "slow" { await gate.pass() } }
        }
        try await running(server) {
          #expect(try await caller.reply(on: "quick").outcome == .result([]))
          #expect(try await caller.length(of: "server.in-flight.suspects") == 1)
          await gate.open()
          #expect(try await caller.reply(on: "slow").outcome == .result([]))
          try await eventually { try await caller.length(of: "server.in-flight.suspects") == 0 }
        }
      }
    }
  }

  /// The next one begins a second after the one that runs alone, whatever those do that had their time.
  @Test func requestLeftBehindRunsAloneForItsWholeTime() async throws {
    try await RedisServer.withServer { redis in
      try await RawCaller.withCaller(on: redis.unixURL) { caller in
        let left = ["short", "long", "longer", "harmful", "innocent"]
        try await caller.push(
          left.map { request("Wait", [encoded($0)], replyTo: $0) }, to: "server.probe@1.0.in-flight")
        let (long, longer, harmful, starts) = (Gate(), Gate(), Gate(), Order())
        let second = try probeServer(on: redis.unixURL, workers: 8) {
          RPCMethod("Wait") { (name: String) in
            await starts.begins(name)
            switch name {
            // Its time would be up while the next one runs alone.
            case "short": try await Task.sleep(for: .milliseconds(600))
            case "long": await long.pass()
            case "longer":
              await CurrentCall.releaseWorker()
              await longer.pass()
            default: await harmful.pass()
            }
          }
        }
        try await running(second) {
          try await long.holds(1)
          // It lets go of its worker at once, so the next one begins beside it; and both are over then.
          try await longer.holds(1)
          try await harmful.holds(1)
          await long.open()
          await longer.open()
          for name in ["short", "long", "longer"] { _ = try await caller.reply(on: name) }
          #expect(await starts.time(from: "long", to: "longer") >= .milliseconds(990))
          // Long before its time is up, it is the only suspect.
          let suspects = try await caller.command("LRANGE", "server.in-flight.suspects", "0", "-1")
          if await starts.names.count == 4 {
            #expect(suspects == .array([.bytes(request("Wait", [encoded("harmful")], replyTo: "harmful"))]))
          }
          try await harmful.holds(2)
          #expect(await starts.time(from: "harmful", to: "innocent") >= .milliseconds(990))
        }
        #expect(await starts.names == left)
      }
    }
  }

  @Test func secondServerOfAModuleSaysSoAndTakesNothing() async throws {
    try await RedisServer.withServer { redis in
      try await RawCaller.withCaller(on: redis.unixURL) { caller in
        let gate = Gate()
        let first = try probeServer(on: redis.unixURL) { RPCMethod("Wait") { await gate.pass() } }
        try await running(first) {
          try await caller.push(request("Wait", replyTo: "reply"))
          try await gate.holds(1)
          let second = try probeServer(on: redis.unixURL) { RPCMethod("Wait") {} }
          let error = await #expect(throws: Ownership.ModuleTaken.self) { try await second.run() }
          #expect(
            error?.description.hasPrefix(
              "module server is already served at \(redis.unixURL) by another process: name=")
              == true)
          // What the first has in hand is still its own.
          #expect(try await caller.length(of: "reply") == 0)
          #expect(try await caller.length(of: "server.probe@1.0.in-flight") == 1)
          await gate.open()
          #expect(try await caller.reply(on: "reply").outcome == .result([]))
        }
      }
    }
  }

  @Test(arguments: [true, false])
  func serverFollowsAtOnceOneThatEndedOrWasForgotten(restartsRedis: Bool) async throws {
    try await RedisServer.withServer(appendOnly: true) { redis in
      for _ in 0..<3 {
        let server = try probeServer(on: redis.unixURL) { RPCMethod("Echo") { (text: String) in text } }
        try await running(server) {
          try await RawCaller.withCaller(on: redis.unixURL) { caller in
            let outcome = try await caller.call("Echo", encoded("x"))
            #expect(outcome == .result(encoded("x")))
          }
        }
        // The owner's connection has a number that is given out anew.
        if restartsRedis { try await redis.restart() }
      }
    }
  }

  @Test func ofManyServersStartedAtOnceOneServes() async throws {
    try await RedisServer.withServer { redis in
      let outcomes = try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0..<8 {
          group.addTask {
            let server = try probeServer(on: redis.unixURL) { RPCMethod("Echo") { (text: String) in text } }
            do {
              try await server.run()
            } catch is Ownership.ModuleTaken {
              return false
            } catch is CancellationError {}
            return true
          }
        }
        var refused = 0
        while refused < 7, let serves = try await group.next() {
          #expect(!serves)
          refused += 1
        }
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          let outcome = try await caller.call("Echo", encoded("x"))
          #expect(outcome == .result(encoded("x")))
        }
        group.cancelAll()
        return try await group.reduce(into: [Bool]()) { $0.append($1) }
      }
      #expect(outcomes == [true])
    }
  }
}

/// The order in which calls ran, and how many did at once.
private actor Order {
  private(set) var numbers: [Int] = []
  private(set) var mostAtOnce = 0
  private var now = 0
  private(set) var names: [String] = []
  private var starts: [String: ContinuousClock.Instant] = [:]

  func begins(_ name: String) {
    names.append(name)
    starts[name] = .now
  }

  func time(from earlier: String, to later: String) -> Duration {
    starts[earlier]!.duration(to: starts[later]!)
  }

  func note(_ number: Int) async {
    numbers.append(number)
    now += 1
    mostAtOnce = max(mostAtOnce, now)
    await Task.yield()
    now -= 1
  }
}
