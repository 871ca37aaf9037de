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

  fileprivate init(_ reply: redisReply) {
    switch reply.type {
    case REDIS_REPLY_STRING: self = .bytes(Array(UnsafeRawBufferPointer(start: reply.str, count: Int(reply.len))))
    case REDIS_REPLY_STATUS: self = .status(String(cString: reply.str))
    case REDIS_REPLY_ERROR: self = .error(String(cString: reply.str))
    case REDIS_REPLY_INTEGER: self = .integer(Int(reply.integer))
    case REDIS_REPLY_ARRAY:
      self = .array((0..<Int(reply.elements)).compactMap { reply.element[$0].map { RedisReply($0.pointee) } })
    default: self = .null
    }
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
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private let reader: UnsafeMutablePointer<redisReader>
  /// The most bytes that an unfinished reply may have.
  private let limit: Int

  init(limit: Int) {
    guard let reader = redisReaderCreate() else { fatalError("out of memory") }
    self.reader = reader
    self.limit = limit
  }

  deinit {
    redisReaderFree(reader)
  }

  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    guard redisReaderFeed(reader, bytes.baseAddress, bytes.count) == REDIS_OK else { throw failure }
  }

  /// The next whole reply; nil when more bytes are needed.
  mutating func next() throws(Failure) -> RedisReply? {
    var object: UnsafeMutableRawPointer?
    guard redisReaderGetReply(reader, &object) == REDIS_OK else { throw failure }
    guard let object else {
      guard reader.pointee.len - reader.pointee.pos <= limit else {
        throw Failure(description: "a reply of more than \(limit) bytes")
      }
      return nil
    }
    defer { freeReplyObject(object) }
    return RedisReply(object.assumingMemoryBound(to: redisReply.self).pointee)
  }

  private var failure: Failure {
    let text = withUnsafePointer(to: &reader.pointee.errstr) {
      $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) { String(cString: $0) }
    }
    return Failure(description: text)
  }
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

  mutating func append(_ arguments: [RedisArgument]) {
    begin(count: arguments.count)
    for argument in arguments {
      switch argument {
      case .text(let text): append(text.utf8)
      case .bytes(let bytes): append(bytes)
      }
    }
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

  mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

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
