import Synchronization
import TestSupport
import Testing

@testable import RPC

/// A server on a real Redis.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ServerTests {
  // MARK: Callers that share no code with this library

  struct Size: Codable {
    var width = 0
    var name = ""
    var tags: [String] = []
    var inner: [String: Double] = [:]
  }

  enum Color: String, Codable { case red }

  static let refusal = CallError("not today")

  @Test func everyShapeOfResultIsReadByAnotherLanguage() async throws {
    try await RedisServer.withServer { redis in
      let server = try probeServer(on: redis.unixURL) {
        RPCMethod("None") {}
        RPCMethod("Text") { "täxt" }
        RPCMethod("Number") { -5 }
        RPCMethod("Struct") { Size(width: 3, name: "x", tags: ["a"], inner: ["b": 0.5]) }
        RPCMethod("Two") { (a: Int, b: String) in (b, a) }
        RPCMethod("Three") { (true, 2, [3]) }
        RPCMethod("Binary") { (bytes: Binary) in Binary(bytes.bytes.reversed()) }
        RPCMethod("Time") { (time: Timestamp) in Timestamp(seconds: time.seconds + 1, nanoseconds: time.nanoseconds) }
        RPCMethod("Nil") { String?.none }
      }
      try await running(server) {
        try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
          func call(_ method: String, _ arguments: JSON...) async throws -> PythonCaller.Reply {
            let reply = try await caller.call(method, with: arguments, object: "probe@1.0", module: "server")
            #expect(reply.callError == nil && reply.protocolError == nil && reply.hasRequestID)
            return reply
          }
          #expect(try await call("None").dataHex == "")
          #expect(try await call("Text").data == "täxt")
          #expect(try await call("Number").dataHex == "d3fffffffffffffffb")
          #expect(
            try await call("Struct").data == ["width": 3, "name": "x", "tags": ["a"], "inner": ["b": 0.5]])
          #expect(try await call("Two", 1, "x").data == ["x", 1])
          #expect(try await call("Three").data == [true, 2, [3]])
          #expect(try await call("Binary", ["$bin": "c0ff"]).data == ["$bin": "ffc0"])
          #expect(try await call("Time", ["$time": [5, 7]]).data == ["$time": [6, 7]])
          #expect(try await call("Nil").dataHex == "c0")
          let extraReplies = try await caller.extraReplies()
          #expect(extraReplies == 0)
        }
      }
    }
  }

  @Test func callErrorComesWithADecodableZeroValueOfEveryResult() async throws {
    try await RedisServer.withServer { redis in
      let server = try probeServer(on: redis.unixURL) {
        RPCMethod("None") { throw Self.refusal }
        RPCMethod("Text") { () throws -> String in throw Self.refusal }
        RPCMethod("Number") { () throws -> Int in throw Self.refusal }
        RPCMethod("Byte") { () throws -> UInt8 in throw Self.refusal }
        RPCMethod("Double") { () throws -> Double in throw Self.refusal }
        RPCMethod("Bool") { () throws -> Bool in throw Self.refusal }
        RPCMethod("Array") { () throws -> [Size] in throw Self.refusal }
        RPCMethod("Dictionary") { () throws -> [String: Int] in throw Self.refusal }
      }
      var other = server
      other.register(ObjectID("other")) {
        RPCMethod("Struct") { () throws -> Size in throw Self.refusal }
        RPCMethod("Optional") { () throws -> Size? in throw Self.refusal }
        RPCMethod("Enum") { () throws -> Color in throw Self.refusal }
        RPCMethod("Binary") { () throws -> Binary in throw Self.refusal }
        RPCMethod("Time") { () throws -> Timestamp in throw Self.refusal }
        RPCMethod("Several") { () throws -> (String, Int) in throw Self.refusal }
        RPCMethod("Status") { () throws -> ModuleStatus in throw Self.refusal }
      }
      let zeros: [(object: String, method: String, hex: String)] = [
        ("probe@1.0", "None", ""), ("probe@1.0", "Text", "a0"), ("probe@1.0", "Number", "d30000000000000000"),
        ("probe@1.0", "Byte", "cc00"), ("probe@1.0", "Double", "cb0000000000000000"), ("probe@1.0", "Bool", "c2"),
        ("probe@1.0", "Array", "90"), ("probe@1.0", "Dictionary", "80"),
        ("other", "Struct", encoded(Size()).hex), ("other", "Optional", "c0"), ("other", "Enum", "c0"),
        ("other", "Binary", "c400"), ("other", "Time", "d6ff00000000"), ("other", "Several", "92a0d30000000000000000"),
        ("other", "Status", encoded(ModuleStatus(objects: [], workers: [])).hex),
      ]
      try await running(other) {
        try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
          for (object, method, zero) in zeros {
            let reply = try await caller.call(method, object: object, module: "server")
            #expect(reply.callError == "not today", "\(method)")
            #expect(reply.dataHex == zero, "\(method)")
            #expect(reply.protocolError == nil && reply.hasRequestID)
          }
          #expect(try await caller.extraReplies() == 0)
        }
      }
    }
  }

  @Test func callThatReachesNoMethodIsAnsweredWithAProtocolError() async throws {
    try await RedisServer.withServer { redis in
      let server = try probeServer(on: redis.unixURL) {
        RPCMethod("Greet") { (name: String) in "hello \(name)" }
        RPCMethod("Greet") { (name: String, times: Int) in "hello \(name) × \(times)" }
        RPCMethod("Sum") { (numbers: [Int]) in numbers.reduce(0, +) }
        RPCMethod("Small") { (number: UInt8) in number }
        RPCMethod("Panic") { throw ProtocolError("panic: at the disco") }
      }
      try await running(server) {
        try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
          func call(_ method: String, _ arguments: JSON..., object: String = "probe@1.0") async throws
            -> PythonCaller.Reply
          {
            try await caller.call(method, with: arguments, object: object, module: "server")
          }
          func error(_ method: String, _ arguments: JSON...) async throws -> String? {
            let reply = try await caller.call(method, with: arguments, object: "probe@1.0", module: "server")
            #expect(reply.callError == nil && reply.dataHex == "" && reply.hasRequestID)
            return reply.protocolError
          }
          #expect(try await call("Greet", "you").data == "hello you")
          #expect(try await call("Greet", "you", 2).data == "hello you × 2")
          #expect(try await error("Greet") == "invalid number of arguments expecting 1 got 0")
          #expect(try await error("Greet", "a", 1, 2) == "invalid number of arguments expecting 2 got 3")
          #expect(try await error("greet", "you") == "not a function")
          #expect(try await error("Greet", 5) == "invalid argument type [0] expecting string got integer")
          #expect(try await error("Greet", "a", "b") == "invalid argument type [1] expecting integer got string")
          #expect(
            try await error("Greet", ["$raw": ""]) == "invalid argument type [0] the MessagePack value is cut short")
          #expect(try await error("Sum", [1, "2"]) == "invalid argument type [0] expecting integer got string")
          #expect(
            try await error("Small", 256)
              == "invalid argument type [0] expecting UInt8 got 256, which is out of its range")
          #expect(try await error("Panic") == "panic: at the disco")
          // A request on this object's queue for another.
          let payload = try await caller.request("Greet", with: ["you"], object: "nobody@1.0", id: "stray")
          try await redis.command("DEL", "stray")
          try await RawCaller.withCaller(on: redis.unixURL) { raw in
            try await raw.push(hex(payload))
            #expect(try await raw.reply(on: "stray").outcome == .protocolError("unknown object"))
          }
          #expect(try await caller.extraReplies() == 0)
        }
      }
    }
  }

  @Test func replyExpiresAfterFiveMinutes() async throws {
    try await RedisServer.withServer { redis in
      try await running(probeServer(on: redis.unixURL) { RPCMethod("None") {} }) {
        try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
          let reply = try await caller.call("None", object: "probe@1.0", module: "server", inspect: true)
          #expect((298...300).contains(try #require(reply.timeToLive)))
        }
      }
    }
  }

  @Test func statusIsAnsweredWhileAllWorkersAreBusy() async throws {
    try await RedisServer.withServer { redis in
      let gate = Gate()
      let server = try probeServer(on: redis.unixURL, workers: 2) { RPCMethod("Wait") { await gate.pass() } }
      try await running(server) {
        try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
          func states(_ status: JSON) -> [String?] { status["Workers"].array?.map { $0["State"].string } ?? [] }
          let idle = try await caller.status(of: "server").data
          #expect(idle["Objects"] == [["Name": "probe", "Version": "1.0"]])
          #expect(states(idle) == ["free", "free"])

          let before = Timestamp.now
          let calls = Task {
            try await withThrowingTaskGroup { group in
              for _ in 0..<5 {
                group.addTask {
                  try await caller.call("Wait", object: "probe@1.0", module: "server")
                }
              }
              try await group.waitForAll()
            }
          }
          try await gate.holds(2)
          let reply = try await caller.status(of: "server")
          #expect(reply.hasRequestID && reply.callError == nil && reply.protocolError == nil)
          let workers = reply.data["Workers"].array ?? []
          #expect(workers.map { $0["State"] } == ["busy", "busy"])
          #expect(workers.map { $0["Action"] } == ["[probe@1.0].Wait()", "[probe@1.0].Wait()"])
          for worker in workers {
            let time = worker["StartTime"]["$time"]
            let start = Timestamp(
              seconds: try #require(time[0].integer), nanoseconds: UInt32(try #require(time[1].integer)))
            #expect(before <= start && start <= Timestamp.now)
          }
          await gate.open()
          try await calls.value
          try await eventually {
            states(try await caller.status(of: "server").data)
          } until: {
            $0 == ["free", "free"]
          }
        }
      }
    }
  }

  @Test func streamIsPublishedForWhoeverListens() async throws {
    try await RedisServer.withServer { redis in
      let (events, source) = AsyncStream.makeStream(of: Size.self)
      let server = try probeServer(on: redis.unixURL) {
        RPCStream("Sizes") { events }
        RPCMethod("Publish") { (width: Int) in _ = source.yield(Size(width: width)) }
      }
      try await running(server) {
        try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
          let events = try await caller.events(3, of: "Sizes", object: "probe@1.0", module: "server") {
            for width: Int64 in 1...3 {
              _ = try await caller.call("Publish", .integer(width), object: "probe@1.0", module: "server")
            }
          }
          #expect(events.map { $0["width"] } == [1, 2, 3])
          #expect(events.first?["tags"] == [])
        }
      }
    }
  }

  /// A stream of the numbers from 1 to `count`, the first of which waits at the gate, and how many were taken of it.
  private func ticks(_ count: Int, _ gate: Gate, _ taken: Counter) -> RPCStream {
    RPCStream("Ticks") {
      AsyncStream<Int> {
        let tick = taken.next()
        if tick == 1 || tick > count { await gate.pass() }
        return tick > count ? nil : tick
      }
    }
  }

  private final class Counter: Sendable {
    private let value = Mutex(0)
    var count: Int { value.withLock { $0 } }

    func next() -> Int {
      value.withLock { value in
        value += 1
        return value
      }
    }
  }

  @Test func eventsWaitForABrokerThatHangs() async throws {
    try await RedisServer.withServer { redis in
      let (gate, log, taken, count) = (Gate(), LogRecorder(), Counter(), 5000)
      let server = try probeServer(on: redis.unixURL, log: log) { ticks(count, gate, taken) }
      try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
        try await running(server) {
          try await eventually { try await caller.status(of: "server", within: .seconds(1)).protocolError == nil }
          let events = try await caller.events(count, of: "Ticks", object: "probe@1.0", module: "server") {
            redis.pause()
            await gate.open()
            try await eventually { taken.count >= Dispatcher.eventLimit }
            #expect(taken.count <= Dispatcher.eventLimit + 1)
            redis.resume()
          }
          #expect(events == (1...Int64(count)).map { .integer($0) })
          #expect(log.lines(containing: "dropped").isEmpty)
        }
      }
    }
  }

  @Test func eventsWhileTheBrokerIsAwayAreDroppedAndCounted() async throws {
    try await RedisServer.withServer { redis in
      let (gate, log, taken, count) = (Gate(), LogRecorder(), Counter(), 500)
      let server = try probeServer(on: redis.unixURL, log: log) {
        ticks(count, gate, taken)
        RPCStream("Later") {
          AsyncStream<Int> {
            await gate.pass()
            try? await Task.sleep(for: .milliseconds(50))
            return 0
          }
        }
      }
      try await running(server) {
        try await eventually { try await redis.command("LLEN", "server.status") == "0" }
        try await redis.kill()
        try await eventually { !log.lines(containing: "broker away").isEmpty }
        await gate.open()
        try await eventually { taken.count > count }
        try await redis.start()
        let line = try await eventually {
          log.lines(containing: "events dropped while the broker was away events=")
        } until: {
          !$0.isEmpty
        }[0]
        #expect((line.split(separator: "=").last.flatMap { Int($0) } ?? 0) >= count, "\(line)")
      }
    }
  }

  // MARK: Workers

  @Test func noMoreCallsRunAtOnceThanThereAreWorkers() async throws {
    try await RedisServer.withServer { redis in
      let gate = Gate()
      try await running(probeServer(on: redis.unixURL, workers: 3) { RPCMethod("Wait") { await gate.pass() } }) {
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          try await caller.push((0..<10).map { request("Wait", replyTo: "reply\($0)") })
          var answered = 0
          while answered < 10 {
            let batch = min(3, 10 - answered)
            try await gate.holds(batch)
            await gate.letAllPass()
            for index in answered..<answered + batch { _ = try await caller.reply(on: "reply\(index)") }
            answered += batch
          }
          #expect(await gate.mostAtOnce == 3)
          #expect(await gate.arrivals == 10)
        }
      }
    }
  }

  @Test func callThatWaitsHoldsUpNothingThatWasTakenWithIt() async throws {
    try await RedisServer.withServer { redis in
      let gate = Gate()
      let server = try probeServer(on: redis.unixURL, workers: 2) {
        RPCMethod("Wait") { await gate.pass() }
        RPCMethod("Fast") { 1 }
      }
      try await running(server) {
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          // In front of it and behind it.
          try await caller.push([
            request("Fast", replyTo: "fast0"), request("Nothing", replyTo: "nothing0"),
            request("Wait", replyTo: "slow"), request("Nothing", replyTo: "nothing1"),
            request("Fast", replyTo: "fast1"),
          ])
          for index in 0..<2 {
            #expect(try await caller.reply(on: "fast\(index)").outcome == .result(encoded(1)))
            #expect(try await caller.reply(on: "nothing\(index)").outcome == .protocolError("not a function"))
          }
          try await gate.holds(1)
          #expect(try await caller.length(of: "slow") == 0)
          await gate.open()
          #expect(try await caller.reply(on: "slow").outcome == .result([]))
          try await expectNothingInFlight(caller)
        }
      }
    }
  }

  @Test func callThatReleasedItsWorkerHoldsUpNoOther() async throws {
    try await RedisServer.withServer { redis in
      let gate = Gate()
      let server = try probeServer(on: redis.unixURL, workers: 1) {
        RPCMethod("Slow") {
          await CurrentCall.releaseWorker()
          await gate.pass()
        }
        RPCMethod("Fast") { 1 }
      }
      try await running(server) {
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          // More than the window of one queue.
          try await caller.push((0..<200).map { request("Slow", replyTo: "slow\($0)") })
          try await gate.holds(200)
          #expect(try await caller.call("Fast") == .result(encoded(1)))
          #expect(try await caller.length(of: "slow0") == 0)
          await gate.open()
          for index in 0..<200 { #expect(try await caller.reply(on: "slow\(index)").outcome == .result([])) }
          try await expectNothingInFlight(caller)
        }
      }
    }
  }

  @Test func callsOfOneQueueBeginInTheOrderInWhichTheyWerePushed() async throws {
    try await RedisServer.withServer { redis in
      let seen = Mutex<[Int]>([])
      let server = try probeServer(on: redis.unixURL, workers: 3) {
        RPCMethod("See") { (number: Int) in
          seen.withLock { $0.append(number) }
          await Task.yield()
        }
      }
      try await running(server) {
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          try await caller.push((0..<500).map { request("See", [encoded($0)], replyTo: "reply\($0)") })
          for index in 0..<500 { _ = try await caller.reply(on: "reply\(index)") }
          #expect(seen.withLock { $0 } == Array(0..<500))
        }
      }
    }
  }

  @Test func sixtyFourCallersGetExactlyOneReplyToEachOfTheirCalls() async throws {
    try await RedisServer.withServer { redis in
      let count = Mutex(0)
      let server = try probeServer(on: redis.unixURL, workers: 16) {
        RPCMethod("Next") { (caller: Int, call: Int) in
          count.withLock { $0 += 1 }
          if call.isMultiple(of: 7) { await Task.yield() }
          return caller * 1000 + call
        }
      }
      try await running(server) {
        try await withThrowingTaskGroup { group in
          for number in 0..<64 {
            group.addTask {
              try await RawCaller.withCaller(on: redis.unixURL) { caller in
                let list = "caller\(number)"
                for call in 0..<50 {
                  try await caller.push(request("Next", [encoded(number), encoded(call)], replyTo: list))
                  #expect(try await caller.reply(on: list).outcome == .result(encoded(number * 1000 + call)))
                }
                #expect(try await caller.length(of: list) == 0)
              }
            }
          }
          try await group.waitForAll()
        }
        #expect(count.withLock { $0 } == 64 * 50)
        try await RawCaller.withCaller(on: redis.unixURL) { try await expectNothingInFlight($0) }
      }
    }
  }

  // MARK: What nobody should push

  @Test func garbageCostsTheCallsAroundItNothing() async throws {
    try await RedisServer.withServer { redis in
      let log = LogRecorder()
      try await running(probeServer(on: redis.unixURL, log: log) { RPCMethod("Echo") { (number: Int) in number } }) {
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          var random = SeededGenerator(seed: 5)
          var payloads: [[UInt8]] = []
          for number in 0..<100 {
            payloads.append(
              (0..<Int.random(in: 0..<300, using: &random)).map { _ in .random(in: 0...255, using: &random) })
            payloads.append(request("Echo", [encoded(number)], replyTo: "good\(number)"))
            payloads.append(request("Echo", [encoded(number)], replyTo: ""))
            payloads.append(Array(request("Echo", [encoded(number)], replyTo: "short\(number)").dropLast(1)))
          }
          try await caller.push(payloads)
          for number in 0..<100 {
            #expect(try await caller.reply(on: "good\(number)").outcome == .result(encoded(number)))
            let short = try await caller.reply(on: "short\(number)")
            #expect(short.id == "id-short\(number)")
            #expect(short.outcome == .protocolError("request does not decode: the MessagePack value is cut short"))
          }
          try await expectNothingInFlight(caller)
          #expect(log.lines(containing: "dropped a payload that is no request").count == 1)
          #expect(log.lines.allSatisfy { $0.utf8.count < 400 })
        }
      }
    }
  }

  @Test func replyAddressThatIsNoListCostsItsCallerTheReplyAndNobodyElse() async throws {
    try await RedisServer.withServer { redis in
      let log = LogRecorder()
      try await running(probeServer(on: redis.unixURL, log: log) { RPCMethod("Echo") { (number: Int) in number } }) {
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          try await caller.command("SET", "precious", "value", "EX", "3600")
          try await caller.push(
            (0..<40).map {
              request("Echo", [encoded($0)], replyTo: $0.isMultiple(of: 4) ? "precious" : "reply\($0)")
            })
          for number in 0..<40 where !number.isMultiple(of: 4) {
            #expect(try await caller.reply(on: "reply\(number)").outcome == .result(encoded(number)))
          }
          #expect(try await caller.command("GET", "precious") == .bytes(Array("value".utf8)))
          try await expectNothingInFlight(caller)
          try await eventually { !log.lines(containing: "reply address is no list").isEmpty }
          // Nor does it expire any sooner than it did.
          guard case .integer(3_000...) = try await caller.command("TTL", "precious") else {
            Issue.record("it has another expiry")
            return
          }
          #expect(log.lines(containing: "broker away").isEmpty)
        }
      }
    }
  }

  /// Requests leave the list by their places on it, which somebody else may change.
  @Test func listThatIsEmptiedByHandIsRightAgainOnceNothingIsInFlight() async throws {
    try await RedisServer.withServer { redis in
      let gate = Gate()
      let server = try probeServer(on: redis.unixURL, workers: 8) {
        RPCMethod("None") {}
        RPCMethod("Wait") { await gate.pass() }
      }
      try await running(server) {
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          try await caller.push((0..<3).map { request("Wait", replyTo: "before\($0)") })
          try await gate.holds(3)
          try await caller.command("FLUSHALL")
          try await caller.push(request("Wait", replyTo: "after"))
          try await gate.holds(4)
          #expect(try await caller.call("None") == .result([]))
          #expect(try await caller.length(of: "server.probe@1.0.in-flight") == 1)
          await gate.letAllPass()
          for address in ["before0", "before1", "before2", "after"] {
            #expect(try await caller.reply(on: address).outcome == .result([]))
          }
          try await expectNothingInFlight(caller)

          try await caller.push(request("Wait", replyTo: "later"))
          try await gate.holds(1)
          #expect(try await caller.length(of: "server.probe@1.0.in-flight") == 1)
          await gate.open()
          _ = try await caller.reply(on: "later")
          try await expectNothingInFlight(caller)
        }
      }
    }
  }

  @Test(arguments: ["server.probe@1.0", "other.module@2", "server.in-flight.owner", "server.probe@1.0.in-flight"])
  func queueIsNeverRepliedTo(address: String) async throws {
    try await RedisServer.withServer { redis in
      let gate = Gate()
      let server = try probeServer(on: redis.unixURL) {
        RPCMethod("None") {}
        RPCMethod("Wait") { await gate.pass() }
      }
      try await running(server) {
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          try await caller.push(request("Wait", replyTo: "waiting"))
          try await gate.holds(1)
          try await caller.push(request("None", replyTo: address))
          #expect(try await caller.call("None") == .result([]))
          #expect(try await caller.length(of: "other.module@2") == 0)
          #expect(try await caller.command("TTL", "server.probe@1.0.in-flight") == .integer(-1))
          #expect(try await caller.command("TTL", "server.in-flight.owner") == .integer(-1))
          await gate.open()
          _ = try await caller.reply(on: "waiting")
          try await expectNothingInFlight(caller)
        }
      }
    }
  }

  @Test func requestThatIsTooLargeIsAnsweredAndTheQueueGoesOn() async throws {
    try await RedisServer.withServer { redis in
      let log = LogRecorder()
      try await running(
        probeServer(on: redis.unixURL, log: log) { RPCMethod("Count") { (text: String) in text.utf8.count } }
      ) {
        try await RawCaller.withCaller(on: redis.unixURL) { caller in
          func text(_ count: Int) -> [UInt8] { encoded(String(repeating: "x", count: count)) }
          #expect(try await caller.call("Count", text(1_000_000)) == .result(encoded(1_000_000)))
          let size = request("Count", [text(3_000_000)], replyTo: UniqueID.random()).count
          #expect(
            try await caller.call("Count", text(3_000_000))
              == .protocolError("request of \(size) bytes: at most 1048576 are taken"))
          let long = String(repeating: "r", count: 200)
          try await caller.push(
            request("Count", [encoded(Binary(repeatElement(0xa7, count: 9_000_000)))], replyTo: long))
          #expect(try await caller.reply(on: long).id == "id-\(long)")
          try await caller.push(Array(repeating: 0xc1, count: 2_000_000))
          #expect(try await caller.call("Count", text(5)) == .result(encoded(5)))
          try await expectNothingInFlight(caller)
          #expect(!log.lines(containing: "cut down requests that are too large").isEmpty)
        }
      }
    }
  }

  /// Waits until nothing is in flight any more.
  private func expectNothingInFlight(_ caller: RawCaller) async throws {
    try await eventually {
      try await caller.length(of: "server.probe@1.0.in-flight")
    } until: {
      $0 == 0
    }
  }
}
