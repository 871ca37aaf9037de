import NIOPosix
import TestSupport
import Testing

@testable import RPC

/// A server and callers whose Redis users have the rights that the documents name.
@Suite(.timeLimit(.minutes(5)))
struct RightsTests {
  private static let manager = ObjectID("manager", version: "0.0.1")
  private static let queue = "gateway.manager@0.0.1"

  @Test func rightsOfTheDocumentsAreEnoughAndNoneIsTooMuch() async throws {
    try await RedisServer.withServer { redis in
      let rights = try await redis.makeUsers(asIn: "docs/operating.md", "docs/calling.md")
      try await redis.command("CONFIG", "RESETSTAT")
      let (gate, first, second) = (Gate(), Gate(), Gate())
      let (changes, source) = AsyncStream.makeStream(of: Int.self)
      func server(_ log: LogRecorder, alone: Gate) throws -> RPCServer {
        var server = RPCServer(module: "gateway", broker: try BrokerURL(redis.url(of: "gateway")), logger: log.logger)
        for object in [Self.manager, ObjectID("gateway", version: "0.0.1")] {
          server.register(object) {
            RPCMethod("Echo") { (text: String) in text }
            RPCMethod("Wait") { (name: String) in
              switch name {
              case "first": await first.pass()
              case "second": await second.pass()
              default: await gate.pass()
              }
            }
            RPCStream("Changes") { object == Self.manager ? changes : AsyncStream { $0.finish() } }
          }
        }
        return server
      }
      let log = LogRecorder()
      let caller = try BrokerURL(redis.url(of: "caller"))
      let client = RPCClient(broker: caller, logger: log.logger)
      try await running(client) {
        let object = client.object(Self.manager, of: "gateway")
        // Withdrawn, for want of a server.
        let hasty = client.object(Self.manager, of: "gateway", timeout: .milliseconds(200))
        await #expect(throws: CallFailure.self) { try await hasty.call("Echo", "x", as: String.self) }

        let listener = Task {
          for try await event in client.events("Changes", of: Self.manager, module: "gateway", as: Int.self) {
            return event
          }
          return 0
        }
        try await RawCaller.withCaller(on: redis.url(of: "caller")) { raw in
          try await running(server(log, alone: gate)) {
            for id in [Self.manager, ObjectID("gateway", version: "0.0.1")] {
              #expect(try await client.object(id, of: "gateway").call("Echo", "x", as: String.self) == "x")
            }
            #expect(try await client.status(of: "gateway").objects.count == 2)
            try await eventually {
              try await redis.command("PUBSUB", "NUMSUB", "\(Self.queue).Changes").hasSuffix("\n1")
            }
            source.yield(1)
            #expect(try await listener.value == 1)
            // Answered out of order.
            let calls = ["first", "second"].map { name in Task { try await object.call("Wait", name) } }
            try await first.holds(1)
            try await second.holds(1)
            await second.open()
            try await calls[1].value
            await first.open()
            try await calls[0].value
            // Answered, and not taken: it expires.
            let late = UniqueID.random()
            let echo = request("Echo", [encoded("late")], object: Self.manager, replyTo: late)
            try await raw.push(echo, to: Self.queue)
            #expect(try await object.call("Echo", "x", as: String.self) == "x")
            try await eventually { try await redis.command("TTL", late) != "-1" }
            #expect(try await raw.reply(on: late).outcome == .result(encoded("late")))
            // In hand when this server ends.
            let left = UniqueID.random()
            try await raw.push(request("Wait", [encoded("left")], object: Self.manager, replyTo: left), to: Self.queue)
            try await gate.holds(1)
          }
          await gate.open()
          // A connection of the first one that is still there when the second one comes.
          let stray = try await RedisConnection.connect(
            to: BrokerURL(redis.url(of: "gateway")), on: MultiThreadedEventLoopGroup.singleton.next())
          let owner = try await stray.call(["GET", "gateway.in-flight.owner"]).bytes ?? []
          let name = String(decoding: owner, as: UTF8.self).split(separator: " ").last.map(String.init) ?? ""
          _ = try await stray.call(["CLIENT", "SETNAME", .text(name)])
          // What is sent again when it may have been carried out, and was.
          let reply = UniqueID.random()
          let repeated: [RedisArgument] = [
            "EVAL", .text(Settling.script), "1", "gateway.manager@0.0.1.in-flight", "1", "request", .text(reply),
            "reply",
          ]
          _ = try await stray.call(["RPUSH", .text(reply), "reply"])
          #expect(try await stray.call(repeated) == .integer(0))
          try await running(server(log, alone: gate)) {
            _ = await stray.closed()
            let echoed: String = try await object.call("Echo", "x")
            #expect(echoed == "x")
          }
        }
      }
      #expect(try await redis.denials() == "")
      let unexpected = log.lines.filter { !$0.hasPrefix("notice: running requests left in flight") }
      #expect(unexpected == [])
      let counts = try await redis.commandCounts()
      for (user, commands) in rights {
        for command in commands { #expect(counts[command, default: 0] > 0, "\(user) never needs \(command)") }
      }
    }
  }

  @Test(arguments: [
    (["LRANGE", Self.queue, "0", "-1"], "caller"), (["BLPOP", Self.queue, "1"], "caller"),
    (["RPUSH", "gateway.in-flight.suspects", "x"], "caller"), (["SUBSCRIBE", "other"], "caller"),
    (["PUBLISH", "\(Self.queue).Changes", "x"], "caller"), (["GET", "other"], "gateway"),
    (["LRANGE", "other", "0", "-1"], "gateway"), (["FLUSHALL"], "gateway"), (["CONFIG", "GET", "*"], "gateway"),
  ])
  func whatIsNotTheirsIsDenied(command: [String], user: String) async throws {
    try await RedisServer.withServer { redis in
      try await redis.makeUsers(asIn: "docs/operating.md", "docs/calling.md")
      let connection = try await RedisConnection.connect(
        to: BrokerURL(redis.url(of: user)), on: MultiThreadedEventLoopGroup.singleton.next())
      defer { connection.close() }
      await #expect {
        _ = try await connection.call(command.map { .text($0) })
      } throws: {
        "\($0)".contains("NOPERM")
      }
    }
  }
}
