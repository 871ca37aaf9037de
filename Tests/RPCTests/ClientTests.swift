import Synchronization
import TestSupport
import Testing

@testable import RPC

/// A client on a real Redis, with this library's server, a module that another language plays, or nobody at the other
/// end.
@Suite(.timeLimit(.minutes(5)))
struct ClientTests {
  struct Point: Codable, Hashable {
    var x = 0
    var label: String?
  }

  // MARK: Results

  @Test func resultsOfEveryShapeAreTyped() async throws {
    try await withClient { client, redis in
      let server = try probeServer(on: redis.tcpURL) {
        RPCMethod("None") {}
        RPCMethod("Add") { (a: Double, b: Double) in a + b }
        RPCMethod("AddSub") { (a: Double, b: Double) in (a + b, a - b) }
        RPCMethod("Three") { (1, "x", [true]) }
        RPCMethod("Move") { (point: Point, by: Int) in Point(x: point.x + by, label: point.label) }
        RPCMethod("Join") { (texts: [String]) in texts.joined() }
      }
      try await running(server) {
        let object = client.object(probe, of: "server")
        try await object.call("None")
        let sum: Double = try await object.call("Add", 1.0, 2.0)
        #expect(sum == 3)
        let (added, subtracted): (Double, Double) = try await object.call("AddSub", 3.0, 1.0)
        #expect((added, subtracted) == (4, 2))
        let (number, text, flags): (Int, String, [Bool]) = try await object.call("Three")
        #expect(number == 1 && text == "x" && flags == [true])
        #expect(try await object.call("Move", Point(x: 1, label: "p"), 2, as: Point.self) == Point(x: 3, label: "p"))
        #expect(try await object.call("Join", ["a", "b"], as: String.self) == "ab")
        // A result that nobody wants is dropped.
        try await object.call("Add", 1.0, 2.0)
      }
    }
  }

  @Test func answersOfAnotherLanguageAreRead() async throws {
    try await withClient { client, redis in
      try await PythonCaller.withCaller(broker: redis.unixURL) { other in
        let served = try await other.serve(
          "probe@1.0", of: "server",
          methods: [
            "Number": ["result": 5], "Nothing": [:], "Fails": ["error": "out of order", "result": ""],
            "FailsBare": ["error": "out of order"], "Crashes": ["protocol_error": "panic: boom"],
            "Text": ["result": "text"],
          ])
        let object = client.object(probe, of: "server")
        #expect(try await object.call("Number", "x", 1, [0.5], as: Int.self) == 5)
        try await object.call("Nothing")
        await expectFailure("out of order", .callError) { try await object.call("Fails") }
        await expectFailure("out of order", .callError) { try await object.call("FailsBare") }
        await expectFailure("Crashes: panic: boom", .protocolError) { try await object.call("Crashes") }
        await expectFailure("Absent: not a function", .protocolError) {
          try await object.call("Absent")
        }
        await expectFailure(
          "Text: the result does not decode: expecting integer got string", .undecodable
        ) { try await object.call("Text", as: Int.self) }
        await expectFailure(
          "Nothing: the result does not decode: the MessagePack value is cut short", .undecodable
        ) { try await object.call("Nothing", as: Int.self) }
        let requests = try await served.requests()
        #expect(requests.first == .init(method: "Number", arguments: ["x", 1, [0.5]]))
      }
    }
  }

  @Test func statusTellsObjectsAndWorkers() async throws {
    try await withClient { client, redis in
      let gate = Gate()
      try await running(probeServer(on: redis.unixURL, workers: 2) { RPCMethod("Wait") { await gate.pass() } }) {
        let call = Task { try await client.object(probe, of: "server").call("Wait") }
        try await gate.holds(1)
        let status = try await client.status(of: "server")
        #expect(status.objects == [probe])
        #expect(Set(status.workers.map(\.state)) == [.free, .busy])
        #expect(status.workers.map(\.action).sorted() == ["", "[probe@1.0].Wait()"])
        await gate.open()
        try await call.value
      }
    }
  }

  // MARK: No answer

  @Test func callThatNobodyTakesIsWithdrawnAtItsDeadline() async throws {
    try await withClient { client, redis in
      let object = client.object(probe, of: "server", timeout: .seconds(2))
      await expectFailure(
        "no answer within 2.0 seconds from queue server.probe@1.0 at \(redis.unixURL); the request was withdrawn",
        .noAnswer, mayRun: false
      ) { try await object.call("None") }
      let left = try await redis.command("LLEN", probeQueue)
      #expect(left == "0")
    }
  }

  @Test func lateReplyIsDroppedAndDisturbsNoLaterCall() async throws {
    try await withClient { client, redis in
      let gate = Gate()
      let server = try probeServer(on: redis.unixURL) {
        RPCMethod("Wait") { (number: Int) in
          await gate.pass()
          return number
        }
        RPCMethod("Echo") { (number: Int) in number }
      }
      try await running(server) {
        let object = client.object(probe, of: "server")
        #expect(try await object.call("Echo", 1, as: Int.self) == 1)
        let hasty = client.object(probe, of: "server", timeout: .seconds(2))
        await expectFailure(
          "no answer within 2.0 seconds from queue server.probe@1.0 at \(redis.unixURL)",
          .noAnswer
        ) { try await hasty.call("Wait", 1, as: Int.self) }
        try await gate.holds(1)
        await gate.open()
        for number in 2..<20 { #expect(try await object.call("Echo", number, as: Int.self) == number) }
        #expect(try await object.call("Wait", 20, as: Int.self) == 20)
      }
    }
  }

  @Test func cancelledCallEndsAtOnceAndIsWithdrawn() async throws {
    try await withClient { client, redis in
      let call = Task { try await client.object(probe, of: "server").call("None") }
      try await eventually { try await redis.command("LLEN", probeQueue) == "1" }
      call.cancel()
      await #expect(throws: CancellationError.self) { try await call.value }
      try await eventually { try await redis.command("LLEN", probeQueue) == "0" }

      let cancelledBefore = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        try await client.object(probe, of: "server").call("None")
      }
      await #expect(throws: CancellationError.self) { try await cancelledBefore.value }
      #expect(try await redis.command("LLEN", probeQueue) == "0")
    }
  }

  @Test(arguments: [Duration.zero, .seconds(-1), .seconds(Int64.max)])
  func anyDurationIsADeadline(timeout: Duration) async throws {
    try await withClient { client, redis in
      try await running(probeServer(on: redis.unixURL) { RPCMethod("None") {} }) {
        do {
          try await client.object(probe, of: "server", timeout: timeout).call("None")
          #expect(timeout > .zero)
        } catch let failure as CallFailure {
          guard [.noAnswer, .notSent].contains(failure.code) else { throw failure }
          #expect(timeout <= .zero)
        }
        try await client.object(probe, of: "server").call("None")
      }
    }
  }

  // MARK: Many calls

  @Test func thousandsOfCallsAtOnceEachGetTheirOwnAnswer() async throws {
    try await withClient { client, redis in
      let server = try probeServer(on: redis.unixURL, workers: 16) {
        RPCMethod("Echo") { (number: Int) in
          if number.isMultiple(of: 5) { await Task.yield() }
          return number
        }
      }
      try await running(server) {
        let object = client.object(probe, of: "server", timeout: .patience)
        let wrong = try await withThrowingTaskGroup { group in
          for number in 0..<3_000 {
            group.addTask { try await object.call("Echo", number, as: Int.self) == number }
          }
          return try await group.reduce(0) { $1 ? $0 : $0 + 1 }
        }
        #expect(wrong == 0)
        // Two connections of the client, three of the server, and the one that asks.
        let clients = try await redis.command("INFO", "clients")
        #expect(clients.contains("connected_clients:6"), "\(clients)")
      }
    }
  }

  // MARK: Outages

  @Test func callMadeBeforeTheBrokerIsThereWaitsForIt() async throws {
    try await RedisServer.withServer { redis in
      await redis.stop()
      let log = LogRecorder()
      let client = RPCClient(broker: try BrokerURL(redis.unixURL), logger: log.logger)
      let object = client.object(probe, of: "server")
      let early = Task { try await object.call("Echo", 1, as: Int.self) }
      try await running(client) {
        try await eventually { !log.lines(containing: "broker away").isEmpty }
        let hasty = client.object(probe, of: "server", timeout: .milliseconds(100))
        let cause = BrokerError(try BrokerURL(redis.unixURL), .unreachable("No such file or directory"))
        await expectFailure("\(cause); nothing was sent", .notSent, cause: cause, mayRun: false) {
          try await hasty.call("None")
        }
        try await redis.start()
        try await running(probeServer(on: redis.unixURL) { RPCMethod("Echo") { (number: Int) in number } }) {
          let answer = try await early.value
          #expect(answer == 1)
          #expect(try await object.call("Echo", 2, as: Int.self) == 2)
        }
        #expect(log.lines(containing: "broker away").count == 1)
        #expect(log.lines(containing: "broker is back").count == 1)
      }
    }
  }

  @Test(arguments: ["nobody", "hanging"])
  func callThatFindsNoBrokerFailsAtTheLimitForConnecting(broker: String) async throws {
    try await RedisServer.withServer { redis in
      let url = try BrokerURL(redis.unixURL)
      let limit = Duration.milliseconds(300)
      let unreachable: String
      if broker == "nobody" {
        await redis.stop()
        unreachable = "No such file or directory"
      } else {
        redis.pause()
        unreachable = "no connection within 0.3 seconds"
      }
      defer { redis.resume() }
      let cause = BrokerError(url, .unreachable(unreachable))
      let client = RPCClient(broker: url, connectTimeout: limit, logger: LogRecorder().logger)
      try await running(client) {
        // Long before its own deadline, which the suite would not wait for.
        let object = client.object(probe, of: "server", timeout: .seconds(3_600))
        await expectFailure("\(cause); nothing was sent", .notSent, cause: cause, mayRun: false) {
          try await object.call("None")
        }
        await #expect(throws: cause) {
          for try await _ in client.events("Ticks", of: probe, module: "server", as: Int.self) {}
        }
      }
    }
  }

  @Test func limitForConnectingIsNoLimitForTheAnswer() async throws {
    try await RedisServer.withServer { redis in
      let gate = Gate()
      let limit = Duration.milliseconds(300)
      let client = RPCClient(broker: try BrokerURL(redis.unixURL), connectTimeout: limit, logger: LogRecorder().logger)
      let server = try probeServer(on: redis.unixURL) {
        RPCMethod("Wait") { await gate.pass() }
        RPCMethod("Ready") {}
      }
      try await running(server) {
        try await running(client) {
          let object = client.object(probe, of: "server")
          // On a busy machine it takes more than one try to connect.
          try await eventually {
            do {
              try await object.call("Ready")
              return true
            } catch let failure as CallFailure {
              guard failure.code == .notSent else { throw failure }
              return false
            }
          }
          let call = Task { try await object.call("Wait") }
          try await gate.holds(1)
          try await Task.sleep(for: limit * 2)
          await gate.open()
          try await call.value
        }
      }
    }
  }

  @Test func callInHandIsAnsweredAfterRedisCameBack() async throws {
    try await RedisServer.withServer(appendOnly: true) { redis in
      let (gate, log) = (Gate(), LogRecorder())
      let server = try probeServer(on: redis.unixURL) {
        RPCMethod("Wait") { (number: Int) in
          await gate.pass()
          return number
        }
      }
      let client = RPCClient(broker: try BrokerURL(redis.unixURL), logger: log.logger)
      try await running(server) {
        try await running(client) {
          let object = client.object(probe, of: "server")
          let calls = (0..<3).map { number in Task { try await object.call("Wait", number, as: Int.self) } }
          try await gate.holds(3)
          try await redis.kill()
          try await eventually { !log.lines(containing: "broker away").isEmpty }
          await gate.open()
          try await redis.start()
          for (number, call) in calls.enumerated() { #expect(try await call.value == number) }
          #expect(try await object.call("Wait", 9, as: Int.self) == 9)
        }
      }
    }
  }

  @Test func refusedRequestFailsAtOnce() async throws {
    try await withClient { client, redis in
      try await redis.command("SET", probeQueue, "text")
      let error = BrokerError(
        try BrokerURL(redis.unixURL),
        .refused("WRONGTYPE Operation against a key holding the wrong kind of value"))
      await expectFailure(
        "broker \(redis.unixURL) refuses: WRONGTYPE Operation against a key holding the wrong kind of value",
        .broker, cause: error, mayRun: false
      ) { try await client.object(probe, of: "server").call("None") }
    }
  }

  @Test func deniedAccessEndsTheClientAndFailsItsCalls() async throws {
    try await RedisServer.withServer(password: "secret") { redis in
      let url = try BrokerURL("tcp://wrong@127.0.0.1:\(redis.port)")
      let client = RPCClient(broker: url, logger: LogRecorder().logger)
      let error = BrokerError(url, .denied("WRONGPASS invalid username-password pair or user is disabled."))
      let call = Task { try await client.object(probe, of: "server").call("None") }
      await #expect(throws: error) { try await client.run() }
      await expectFailure("\(error)", .broker, cause: error, mayRun: false) { try await call.value }
      await expectFailure("\(error)", .broker, cause: error, mayRun: false) {
        try await client.object(probe, of: "server").call("None")
      }
    }
  }

  // MARK: The end

  @Test func stoppedClientEndsItsCallsAndLeavesNothingBehind() async throws {
    try await RedisServer.withServer { redis in
      let client = RPCClient(broker: try BrokerURL(redis.unixURL), logger: LogRecorder().logger)
      var calls: [Task<Void, any Error>] = []
      try await running(client) {
        calls = (0..<3).map { _ in Task { try await client.object(probe, of: "server").call("None") } }
        try await eventually { try await redis.command("LLEN", probeQueue) == "3" }
      }
      for call in calls {
        await expectFailure("None: the client was stopped", .stopped) { try await call.value }
      }
      #expect(try await redis.command("KEYS", "*") == "")
    }
  }

  @Test func clientStopsAlsoWhileTheBrokerHangs() async throws {
    try await RedisServer.withServer { redis in
      try await running(probeServer(on: redis.unixURL) { RPCMethod("None") {} }) {
        let client = RPCClient(broker: try BrokerURL(redis.unixURL), logger: LogRecorder().logger)
        try await running(client) {
          try await client.object(probe, of: "server").call("None")
          redis.pause()
        }
        // It has ended, and Redis has not said anything.
        redis.resume()
      }
    }
  }

  // MARK: Events

  @Test func eventsArriveTypedAndInOrderAlsoAfterAnOutage() async throws {
    try await RedisServer.withServer { redis in
      let log = LogRecorder()
      let client = RPCClient(broker: try BrokerURL(redis.tcpURL), logger: log.logger)
      let channel = "server.probe@1.0.Points"
      var events = client.events("Points", of: probe, module: "server", as: Point.self).makeAsyncIterator()
      for round in 0..<2 {
        try await eventually { try await redis.command("PUBSUB", "NUMSUB", channel) == "\(channel)\n1" }
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          for x in 0..<3 {
            try await caller.command("PUBLISH", .text(channel), .bytes(encoded(Point(x: 10 * round + x))))
          }
          try await caller.command("PUBLISH", .text(channel), "\u{1}")
          try await caller.command("PUBLISH", .text(channel), .bytes(encoded(Point(x: 10 * round + 3))))
        }
        for x in 0..<4 { #expect(try await events.next()?.x == 10 * round + x) }
        if round == 0 {
          try await redis.kill()
          try await eventually { !log.lines(containing: "broker away").isEmpty }
          try await redis.start()
        }
      }
      #expect(log.lines(containing: "dropped an event that does not decode").count == 2)
    }
  }

  @Test func streamOfAServerReachesEveryListenerUntilItStops() async throws {
    try await withClient { client, redis in
      let (ticks, source) = AsyncStream.makeStream(of: Int.self)
      try await running(probeServer(on: redis.unixURL) { RPCStream("Ticks") { ticks } }) {
        let listeners = (0..<3).map { _ in
          Task {
            var seen: [Int] = []
            for try await tick in client.events("Ticks", of: probe, module: "server", as: Int.self) {
              seen.append(tick)
              if seen.count == 5 { break }
            }
            return seen
          }
        }
        let channel = "server.probe@1.0.Ticks"
        try await eventually { try await redis.command("PUBSUB", "NUMSUB", channel) == "\(channel)\n3" }
        // Events are lost while a server connects.
        _ = try await client.status(of: "server")
        for tick in 1...5 { source.yield(tick) }
        for listener in listeners { #expect(try await listener.value == [1, 2, 3, 4, 5]) }
        try await eventually { try await redis.command("PUBSUB", "NUMSUB", channel) == "\(channel)\n0" }
      }
    }
  }

  @Test func deniedAccessEndsAStream() async throws {
    try await RedisServer.withServer(password: "secret") { redis in
      let url = try BrokerURL("tcp://127.0.0.1:\(redis.port)")
      let client = RPCClient(broker: url, logger: LogRecorder().logger)
      await #expect(throws: BrokerError(url, .denied("NOAUTH Authentication required."))) {
        for try await _ in client.events("Ticks", of: probe, module: "server", as: Int.self) {}
      }
    }
  }

  // MARK: Steps

  private func withClient(_ body: (RPCClient, RedisServer) async throws -> Void) async throws {
    try await RedisServer.withServer { redis in
      let client = RPCClient(broker: try BrokerURL(redis.unixURL), logger: LogRecorder().logger)
      try await running(client) { try await body(client, redis) }
    }
  }

  private func expectFailure(
    _ text: String, _ code: CallFailure.Code, cause: BrokerError? = nil, mayRun: Bool = true,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> some Any
  ) async {
    do {
      _ = try await body()
      Issue.record("it did not fail", sourceLocation: sourceLocation)
    } catch {
      #expect("\(error)" == text, sourceLocation: sourceLocation)
      let failure = error as? CallFailure
      #expect(failure?.code == code, sourceLocation: sourceLocation)
      #expect(failure?.cause == cause, sourceLocation: sourceLocation)
      #expect(failure?.mayRun == mayRun, sourceLocation: sourceLocation)
    }
  }
}
