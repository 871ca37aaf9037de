import Foundation
import Logging
import RPC
import TestSupport
import Testing

/// The example service, as it is built.
@Suite(.timeLimit(.minutes(5)))
struct CalculatorTests {
  private static let calculator = "calculator@1.0"
  private static let utils = "utils@1.0"

  // MARK: Its methods

  @Test func everyMethodAnswersACallerInAnotherLanguage() async throws {
    try await withCalculator { redis, _ in
      try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
        func call(_ object: String, _ method: String, _ arguments: JSON...) async throws -> PythonCaller.Reply {
          let reply = try await caller.call(method, with: arguments, object: object, module: "server")
          #expect(reply.hasRequestID)
          return reply
        }
        func double(_ value: Double) -> JSON { ["$float": .number(value)] }

        let sum = try await call(Self.calculator, "Add", double(1), double(2))
        #expect(sum.data == 3 && sum.callError == nil && sum.protocolError == nil)
        #expect(try await call(Self.calculator, "AddSub", double(3), double(1)).data == [4, 2])
        #expect(try await call(Self.calculator, "Divide", double(3), double(2)).data == 1.5)
        let undivided = try await call(Self.calculator, "Divide", double(3), double(0))
        #expect(undivided.callError == "cannot divide by zero" && undivided.data == 0)
        #expect(try await call(Self.calculator, "Pow", double(2), double(10)).data == 1024)
        #expect(try await call(Self.calculator, "Avg", [double(1), double(2), double(6)]).data == 3)
        let unaveraged = try await call(Self.calculator, "Avg", [])
        #expect(unaveraged.callError == "the average of no values is not defined" && unaveraged.data == 0)
        // Go writes whole numbers as integers where its type is one.
        #expect(try await call(Self.calculator, "Add", 1, 2).data == 3)

        #expect(try await call(Self.utils, "Capitalize", "hello wörld").data == "HELLO WÖRLD")
        #expect(try await call(Self.utils, "Tuple").data == [10, "hello world", 0.5])
        let panic = try await call(Self.utils, "Panic")
        #expect(panic.protocolError == "panic: this method always does" && panic.callError == nil)
        #expect(try await call(Self.utils, "Sleep", 1_000_000).dataHex == "")

        let events = try await caller.events(2, of: "TikTok", object: Self.utils, module: "server")
        let seconds = events.compactMap { $0["$time"][0].integer }
        #expect(seconds.count == 2 && seconds[1] > seconds[0])
        #expect(abs(seconds[0] - Int64(Date().timeIntervalSince1970)) <= 60)

        let status = try await caller.status(of: "server").data
        #expect(
          status["Objects"] == [
            ["Name": "calculator", "Version": "1.0"], ["Name": "utils", "Version": "1.0"],
          ])
        #expect(try await caller.extraReplies() == 0)
      }
    }
  }

  @Test func everyMethodAnswersTheSwiftClient() async throws {
    try await withCalculator { redis, _ in
      try await withClient(redis) { client in
        let calculator = client.object(ObjectID("calculator", version: "1.0"), of: "server")
        let utils = client.object(ObjectID("utils", version: "1.0"), of: "server")

        let sum: Double = try await calculator.call("Add", 1.0, 2.0)
        let (added, subtracted): (Double, Double) = try await calculator.call("AddSub", 3.0, 1.0)
        #expect(sum == 3 && added == 4 && subtracted == 2)
        #expect(try await calculator.call("Divide", 3.0, 2.0, as: Double.self) == 1.5)
        #expect(try await calculator.call("Pow", 2.0, 0.5, as: Double.self) == 2.0.squareRoot())
        #expect(try await calculator.call("Avg", [1.0, 2.0], as: Double.self) == 1.5)
        await #expect { try await calculator.call("Divide", 1.0, 0.0, as: Double.self) } throws: {
          ($0 as? CallFailure)?.code == .callError && "\($0)" == "cannot divide by zero"
        }

        #expect(try await utils.call("Capitalize", "straße", as: String.self) == "STRASSE")
        let (number, text, fraction): (Int, String, Double) = try await utils.call("Tuple")
        #expect(number == 10 && text == "hello world" && fraction == 0.5)
        try await utils.call("Sleep", 1_000_000)
        await #expect { try await utils.call("Panic") } throws: {
          ($0 as? CallFailure)?.code == .protocolError && "\($0)".hasSuffix(": panic: this method always does")
        }
        var ticks = client.events("TikTok", of: utils.id, module: "server", as: Timestamp.self).makeAsyncIterator()
        let tick = try #require(try await ticks.next())
        #expect(abs(tick.seconds - Timestamp.now.seconds) <= 60)
        #expect(try await client.status(of: "server").objects == [calculator.id, utils.id])
      }
    }
  }

  @Test func anyNumberOfSleepersHoldUpNobody() async throws {
    try await withCalculator { redis, calculator in
      try await withClient(redis) { client in
        let utils = client.object(ObjectID("utils", version: "1.0"), of: "server")
        try await withThrowingTaskGroup { group in
          let night = 600_000_000_000
          for _ in 0..<100 { group.addTask { try? await utils.call("Sleep", night) } }
          try await eventually { try await redis.command("LLEN", "server.utils@1.0.in-flight") == "100" }
          // It comes behind all of them, and there are 16 workers.
          #expect(try await utils.call("Capitalize", "x", as: String.self) == "X")
          #expect(try await redis.command("LLEN", "server.utils@1.0.in-flight") == "100")
          calculator.signal(SIGKILL)
          group.cancelAll()
        }
      }
    }
  }

  // MARK: Its end

  @Test func callsInFlightWhenItIsKilledAreAnsweredOnceByTheNext() async throws {
    try await withCalculator { redis, first in
      try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
        let calls = Task {
          try await withThrowingTaskGroup { group in
            for _ in 0..<30 {
              group.addTask {
                try await caller.call(
                  "Sleep", 2_000_000_000, object: Self.utils, module: "server")
              }
            }
            return try await group.reduce(into: []) { $0.append($1) }
          }
        }
        func inFlight() async throws -> Int {
          Int(try await redis.command("LLEN", "server.utils@1.0.in-flight")) ?? 0
        }
        try await eventually { try await inFlight() >= 20 }
        first.signal(SIGKILL)
        _ = try await first.exit()
        #expect(try await inFlight() > 0)

        try await ChildProcess.withProcess(
          Repository.product("Calculator"), ["--broker", redis.unixURL], log: first.log + "-next"
        ) { _ in
          let replies = try await calls.value
          #expect(replies.count == 30)
          #expect(replies.allSatisfy { $0.hasRequestID && $0.callError == nil && $0.protocolError == nil })
          try await eventually { try await inFlight() == 0 }
          #expect(try await caller.extraReplies() == 0)
        }
      }
    }
  }

  @Test func askedToEndItAnswersWhatItHasInHand() async throws {
    try await withCalculator { redis, calculator in
      try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
        let call = Task {
          try await caller.call("Sleep", 3_000_000_000, object: Self.utils, module: "server")
        }
        try await eventually { try await redis.command("LLEN", "server.utils@1.0.in-flight") == "1" }
        calculator.signal(SIGTERM)
        #expect(try await call.value.dataHex == "")
        #expect(try await calculator.exit() == .code(0))
        #expect(try await redis.command("LLEN", "server.utils@1.0.in-flight") == "0")
      }
    }
  }

  // MARK: Its command line

  @Test func helpNamesTheDefaultBroker() async throws {
    let help = try await Command.succeed(Repository.product("Calculator"), ["--help"])
    #expect(help.contains("--broker"))
    #expect(help.contains("(default:") && help.contains("tcp://localhost:6379)"))
  }

  @Test(arguments: [
    (
      "localhost", "broker URL 'localhost': expected unix:///PATH, tcp://HOST:PORT or redis://HOST:PORT"
    ),
    ("http://localhost", "broker URL 'http://localhost': the scheme must be unix, tcp or redis"),
    ("tcp://secret@host:x", "broker URL 'tcp://…@host:x': the port must be a number from 1 to 65535"),
  ])
  func badBrokerIsOneLine(broker: String, error: String) async throws {
    let outcome = try await Command.run(Repository.product("Calculator"), ["--broker", broker])
    #expect(outcome.status != .code(0))
    #expect(outcome.standardOutput.isEmpty)
    #expect(outcome.standardError == "Error: \(error)\n")
  }

  @Test func brokerThatDeniesAccessIsOneLine() async throws {
    try await RedisServer.withServer(password: "secret") { redis in
      let broker = "tcp://wrong@127.0.0.1:\(redis.port)"
      let outcome = try await Command.run(Repository.product("Calculator"), ["--broker", broker])
      #expect(outcome.status == .code(1))
      #expect(
        outcome.standardError == """
          Error: broker tcp://127.0.0.1:\(redis.port) denies access: \
          WRONGPASS invalid username-password pair or user is disabled.

          """)
    }
  }

  // MARK: Steps

  private func withCalculator(_ body: (RedisServer, ChildProcess) async throws -> Void) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      try await RedisServer.withServer { redis in
        try await ChildProcess.withProcess(
          Repository.product("Calculator"), ["--broker", redis.unixURL], log: directory.file("calculator.log")
        ) { try await body(redis, $0) }
      }
    }
  }

  private func withClient(_ redis: RedisServer, _ body: (RPCClient) async throws -> Void) async throws {
    let client = RPCClient(
      broker: try BrokerURL(redis.unixURL), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let run = Task { try await client.run() }
    defer { run.cancel() }
    try await body(client)
  }
}
