import NIOPosix
import TestSupport
import Testing

@testable import RPC

/// A caller that speaks to Redis itself: it chooses every byte of its requests.
struct RawCaller: Sendable {
  private let connection: RedisConnection

  static func withCaller<Result>(
    on broker: String, isolation: isolated (any Actor)? = #isolation, _ body: (RawCaller) async throws -> Result
  ) async throws -> Result {
    let connection = try await RedisConnection.connect(
      to: BrokerURL(broker), on: MultiThreadedEventLoopGroup.singleton.next())
    defer { connection.close() }
    return try await body(RawCaller(connection: connection))
  }

  @discardableResult
  func command(_ arguments: RedisArgument...) async throws -> RedisReply {
    try await connection.call(arguments)
  }

  func length(of list: String) async throws -> Int {
    guard case .integer(let length) = try await command("LLEN", .text(list)) else { throw FixtureError("no length") }
    return length
  }

  func push(_ payload: [UInt8], to queue: String = probeQueue) async throws {
    try await command("RPUSH", .text(queue), .bytes(payload))
  }

  /// Pushes many payloads in one step.
  func push(_ payloads: [[UInt8]], to queue: String = probeQueue) async throws {
    _ = try await connection.call(["RPUSH", .text(queue)] + payloads.map { .bytes($0) })
  }

  /// Waits for the reply on a list and takes it off.
  func reply(on list: String, within seconds: Int = 10) async throws -> Response {
    let popped = try await command("BLPOP", .text(list), .text("\(seconds)"))
    guard let payload = popped.elements?.last?.bytes else { throw FixtureError("no reply on \(list) in \(seconds) s") }
    return try Response(payload)
  }

  /// Calls a method of ``probe`` and waits for what comes of it.
  func call(_ method: String, _ inputs: [UInt8]..., within seconds: Int = 10) async throws -> Response.Outcome {
    let replyTo = UniqueID.random()
    try await push(request(method, inputs, replyTo: replyTo))
    let response = try await reply(on: replyTo, within: seconds)
    #expect(response.id == "id-\(replyTo)")
    return response.outcome
  }
}

/// A request for ``probe``.
func request(_ method: String, _ inputs: [[UInt8]] = [], object: ObjectID = probe, replyTo: String) -> [UInt8] {
  Request.encode(id: "id-\(replyTo)", inputs: inputs, object: object, method: method, replyTo: replyTo)
}

func encoded(_ value: some Encodable) -> [UInt8] {
  try! MessagePackEncoder().encode(value)
}
