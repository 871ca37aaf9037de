import CHiredis

/// A reply of the Redis protocol (RESP2).
enum RedisReply: Hashable, Sendable {
  case null
  case integer(Int)
  case status(String)
  case error(String)
  case bytes([UInt8])
  case array([RedisReply])

  var bytes: [UInt8]? {
    if case .bytes(let bytes) = self { bytes } else { nil }
  }

  var elements: [RedisReply]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  var refusal: RedisRefusal? {
    if case .error(let text) = self { RedisRefusal(description: text) } else { nil }
  }
}

/// What a Redis server says when it refuses a command: a word in capitals, and text.
struct RedisRefusal: Error, CustomStringConvertible {
  let description: String

  /// The command is for another type of value than its key has.
  var isWrongType: Bool { description.hasPrefix("WRONGTYPE") }
}

/// Turns the bytes a Redis server sends into replies, by hiredis' parser.
struct RedisReplyParser: ~Copyable {
  struct ReplyFailure: Error, CustomStringConvertible {
    let description: String
  }

  private let reader: UnsafeMutablePointer<redisReader>
  private let builder: UnsafeMutablePointer<RedisReplyBuilder>
  /// The most bytes that an unfinished reply may have, in memory.
  private let limit: Int

  init(limit: Int) {
    guard let reader = redisReaderCreateWithFunctions(RedisReplyBuilder.functions.pointer) else {
      fatalError("out of memory")
    }
    builder = .allocate(capacity: 1)
    builder.initialize(to: RedisReplyBuilder())
    reader.pointee.privdata = UnsafeMutableRawPointer(builder)
    self.reader = reader
    self.limit = limit
  }

  deinit {
    redisReaderFree(reader)
    builder.deinitialize(count: 1)
    builder.deallocate()
  }

  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(ReplyFailure) {
    guard redisReaderFeed(reader, bytes.baseAddress, bytes.count) == REDIS_OK else { throw failure }
  }

  /// The next whole reply; nil when more bytes are needed.
  mutating func next() throws(ReplyFailure) -> RedisReply? {
    var object: UnsafeMutableRawPointer?
    guard redisReaderGetReply(reader, &object) == REDIS_OK else { throw failure }
    if object != nil { return builder.pointee.take() }
    guard reader.pointee.len - reader.pointee.pos + builder.pointee.size <= limit else {
      throw ReplyFailure(description: "a reply of more than \(limit) bytes")
    }
    return nil
  }

  private var failure: ReplyFailure {
    let text = withUnsafePointer(to: &reader.pointee.errstr) {
      $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) { String(cString: $0) }
    }
    return ReplyFailure(description: text)
  }
}

/// Puts a reply together while hiredis reads it, so that nothing is allocated which is not part of the reply.
private struct RedisReplyBuilder {
  /// What an array of bytes takes in memory beside them, its place in another array included.
  private static let overhead = 48

  private var arrays: [(elements: [RedisReply], count: Int)] = []
  private var reply: RedisReply?
  /// How many bytes the parts of the reply take that are there.
  private(set) var size = 0

  mutating func take() -> RedisReply? {
    defer {
      reply = nil
      size = 0
    }
    return reply
  }

  private mutating func begin(count: Int) {
    size += Self.overhead
    guard count > 0 else { return end(.array([])) }
    var elements: [RedisReply] = []
    // What a server announces is not taken for granted.
    elements.reserveCapacity(min(count, 1024))
    arrays.append((elements, count))
  }

  /// Takes the next value, and every array whose last element it is.
  private mutating func end(_ value: RedisReply, bytes: Int = 0) {
    size += Self.overhead + bytes
    var value = value
    while let last = arrays.indices.last {
      arrays[last].elements.append(value)
      guard arrays[last].elements.count == arrays[last].count else { return }
      value = .array(arrays.removeLast().elements)
    }
    reply = value
  }

  /// What hiredis calls. It keeps what is returned here without looking at it, as long as it is not null.
  struct Functions: @unchecked Sendable {
    /// Written once, before anybody reads it.
    let pointer: UnsafeMutablePointer<redisReplyObjectFunctions>
  }

  static let functions: Functions = {
    func builder(_ task: UnsafePointer<redisReadTask>?) -> UnsafeMutablePointer<RedisReplyBuilder> {
      task!.pointee.privdata!.assumingMemoryBound(to: RedisReplyBuilder.self)
    }
    var functions = redisReplyObjectFunctions()
    functions.createString = { task, start, count in
      let bytes = UnsafeRawBufferPointer(start: start, count: count)
      let value: RedisReply =
        switch task!.pointee.type {
        case REDIS_REPLY_STATUS: .status(String(decoding: bytes, as: UTF8.self))
        case REDIS_REPLY_ERROR: .error(String(decoding: bytes, as: UTF8.self))
        default: .bytes(Array(bytes))
        }
      builder(task).pointee.end(value, bytes: count)
      return task!.pointee.privdata
    }
    functions.createArray = { task, count in
      builder(task).pointee.begin(count: Int(count))
      return task!.pointee.privdata
    }
    functions.createInteger = { task, integer in
      builder(task).pointee.end(.integer(Int(integer)))
      return task!.pointee.privdata
    }
    functions.createNil = { task in
      builder(task).pointee.end(.null)
      return task!.pointee.privdata
    }
    functions.freeObject = { _ in }
    let pointer = UnsafeMutablePointer<redisReplyObjectFunctions>.allocate(capacity: 1)
    pointer.initialize(to: functions)
    return Functions(pointer: pointer)
  }()
}

/// One argument of a Redis command.
enum RedisArgument: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
  case text(String)
  case bytes(ArraySlice<UInt8>)

  init(stringLiteral value: String) { self = .text(value) }

  static func bytes(_ bytes: [UInt8]) -> RedisArgument { .bytes(bytes[...]) }
}

/// Commands as a Redis server reads them: each an array of bulk strings.
struct RedisCommands {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ arguments: [RedisArgument], times: Int = 1) {
    let start = bytes.count
    begin(count: arguments.count)
    for argument in arguments {
      switch argument {
      case .text(let text): append(text.utf8)
      case .bytes(let bytes): append(bytes)
      }
    }
    guard times > 1 else { return }
    let command = Array(bytes[start...])
    for _ in 1..<times { bytes.append(contentsOf: command) }
  }

  /// Begins a command of `count` arguments, which are appended next, the command's name first.
  mutating func begin(count: Int) {
    bytes.append(UInt8(ascii: "*"))
    appendLine(count)
  }

  mutating func append(_ argument: some Collection<UInt8>) {
    bytes.append(UInt8(ascii: "$"))
    appendLine(argument.count)
    bytes.append(contentsOf: argument)
    appendLineEnd()
  }

  mutating func append(_ argument: StaticString) {
    append(UnsafeBufferPointer(start: argument.utf8Start, count: argument.utf8CodeUnitCount))
  }

  /// How much memory is kept for the next commands.
  private static let keptCapacity = 256 << 10

  mutating func removeAll() { bytes.removeAll(keepingCapacity: bytes.capacity <= Self.keptCapacity) }

  private mutating func appendLine(_ number: Int) {
    if number >= 10 { appendDigits(number / 10) }
    bytes.append(UInt8(ascii: "0") + UInt8(number % 10))
    appendLineEnd()
  }

  private mutating func appendDigits(_ number: Int) {
    if number >= 10 { appendDigits(number / 10) }
    bytes.append(UInt8(ascii: "0") + UInt8(number % 10))
  }

  private mutating func appendLineEnd() {
    bytes.append(UInt8(ascii: "\r"))
    bytes.append(UInt8(ascii: "\n"))
  }
}
