import Testing

@testable import RPC

/// What a reply may take in memory, whatever its shape.
@Suite(.timeLimit(.minutes(5)))
struct RedisReplyTests {
  private static let limit = 100_000

  enum Shape: String, CaseIterable {
    case string, strings, integers, nulls, nested, announced

    /// A reply of about so many bytes on the wire.
    func bytes(_ count: Int) -> [UInt8] {
      let text =
        switch self {
        case .string: "$\(count)\r\n" + String(repeating: "x", count: count) + "\r\n"
        case .strings: Shape.array("$100\r\n" + String(repeating: "x", count: 100) + "\r\n", count)
        case .integers: Shape.array(":1\r\n", count)
        case .nulls: Shape.array("$-1\r\n", count)
        case .nested: Shape.array("*3\r\n$1\r\nx\r\n*0\r\n*1\r\n:5\r\n", count)
        // So many elements that are never sent: they take nothing yet.
        case .announced: "*1000000000\r\n" + String(repeating: ":1\r\n", count: count / 4)
        }
      return Array(text.utf8)
    }

    private static func array(_ element: String, _ count: Int) -> String {
      let elements = count / element.utf8.count
      return "*\(elements)\r\n" + String(repeating: element, count: elements)
    }
  }

  @Test(arguments: Shape.allCases)
  func replyBeyondTheLimitIsNotHeld(shape: Shape) {
    #expect(throws: RedisReplyParser.ReplyFailure.self) { try parse(shape.bytes(5 * Self.limit)) }
  }

  @Test(arguments: [Shape.string, .strings, .integers, .nulls, .nested])
  func smallerOnesAreReadOneAfterTheOther(shape: Shape) throws {
    // Each takes far less, and all of them together more.
    let replies = try parse(Array(repeatElement(shape.bytes(2_000), count: 200).joined()))
    #expect(replies.count == 200)
    #expect(Set(replies).count == 1)
  }

  /// Feeds a parser as a socket does, a piece at a time.
  private func parse(_ bytes: [UInt8]) throws -> [RedisReply] {
    var parser = RedisReplyParser(limit: Self.limit)
    var replies: [RedisReply] = []
    for start in stride(from: 0, to: bytes.count, by: 4_096) {
      try bytes[start..<min(start + 4_096, bytes.count)].withUnsafeBytes { try parser.feed($0) }
      while let reply = try parser.next() { replies.append(reply) }
    }
    return replies
  }

  @Test func memoryOfCommandsIsGivenBackWhenTheyWereLarge() {
    var commands = RedisCommands()
    commands.append(["PING"], times: 100)
    commands.removeAll()
    #expect(commands.bytes.isEmpty && commands.bytes.capacity > 0, "kept for the next ones")
    commands.append(["RPUSH", "list", .bytes([UInt8](repeating: 0, count: 10 << 20))])
    commands.removeAll()
    #expect(commands.bytes.capacity < 1 << 20)
  }
}
