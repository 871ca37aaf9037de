/// A cursor over MessagePack bytes (the MessagePack specification of 2017, with the timestamp extension).
///
/// Lengths are checked against the bytes that are there before anything is allocated: a string or binary must fit,
/// an array needs at least one byte an element and a map two an entry.
struct MessagePackReader {
  private let bytes: ArraySlice<UInt8>
  private(set) var position: Int

  init(_ bytes: ArraySlice<UInt8>, at position: Int? = nil) {
    self.bytes = bytes
    self.position = position ?? bytes.startIndex
  }

  var remaining: Int { bytes.endIndex - position }

  /// What a value starts with: the whole of a scalar, the length of anything else.
  enum Head {
    case null
    case boolean(Bool)
    case unsigned(UInt64)
    case signed(Int64)
    case float(Double)
    case string(length: Int)
    case binary(length: Int)
    case array(count: Int)
    case map(count: Int)
    case `extension`(type: Int8, length: Int)

    /// The type's name, for error texts.
    var name: String {
      switch self {
      case .null: "nil"
      case .boolean: "boolean"
      case .unsigned, .signed: "integer"
      case .float: "float"
      case .string: "string"
      case .binary: "binary"
      case .array: "array"
      case .map: "map"
      case .extension(let type, _): type == Timestamp.extensionType ? "time" : "extension"
      }
    }
  }

  /// The head of the value at the cursor, which moves behind it.
  mutating func readHead() throws(MessagePackError) -> Head {
    let byte = try readInteger(UInt8.self)
    switch byte {
    case 0x00...0x7f: return .unsigned(UInt64(byte))
    case 0x80...0x8f: return .map(count: try bounded(Int(byte & 0x0f), bytesEach: 2))
    case 0x90...0x9f: return .array(count: try bounded(Int(byte & 0x0f), bytesEach: 1))
    case 0xa0...0xbf: return .string(length: try bounded(Int(byte & 0x1f), bytesEach: 1))
    case 0xc0: return .null
    case 0xc1: throw MessagePackError(.reservedByte)
    case 0xc2: return .boolean(false)
    case 0xc3: return .boolean(true)
    case 0xc4: return .binary(length: try readLength(UInt8.self, bytesEach: 1))
    case 0xc5: return .binary(length: try readLength(UInt16.self, bytesEach: 1))
    case 0xc6: return .binary(length: try readLength(UInt32.self, bytesEach: 1))
    case 0xc7: return try readExtension(length: Int(try readInteger(UInt8.self)))
    case 0xc8: return try readExtension(length: Int(try readInteger(UInt16.self)))
    case 0xc9: return try readExtension(length: Int(try readInteger(UInt32.self)))
    case 0xca: return .float(Double(Float(bitPattern: try readInteger(UInt32.self))))
    case 0xcb: return .float(Double(bitPattern: try readInteger(UInt64.self)))
    case 0xcc: return .unsigned(UInt64(try readInteger(UInt8.self)))
    case 0xcd: return .unsigned(UInt64(try readInteger(UInt16.self)))
    case 0xce: return .unsigned(UInt64(try readInteger(UInt32.self)))
    case 0xcf: return .unsigned(try readInteger(UInt64.self))
    case 0xd0: return .signed(Int64(try readInteger(Int8.self)))
    case 0xd1: return .signed(Int64(try readInteger(Int16.self)))
    case 0xd2: return .signed(Int64(try readInteger(Int32.self)))
    case 0xd3: return .signed(try readInteger(Int64.self))
    case 0xd4: return try readExtension(length: 1)
    case 0xd5: return try readExtension(length: 2)
    case 0xd6: return try readExtension(length: 4)
    case 0xd7: return try readExtension(length: 8)
    case 0xd8: return try readExtension(length: 16)
    case 0xd9: return .string(length: try readLength(UInt8.self, bytesEach: 1))
    case 0xda: return .string(length: try readLength(UInt16.self, bytesEach: 1))
    case 0xdb: return .string(length: try readLength(UInt32.self, bytesEach: 1))
    case 0xdc: return .array(count: try readLength(UInt16.self, bytesEach: 1))
    case 0xdd: return .array(count: try readLength(UInt32.self, bytesEach: 1))
    case 0xde: return .map(count: try readLength(UInt16.self, bytesEach: 2))
    case 0xdf: return .map(count: try readLength(UInt32.self, bytesEach: 2))
    default: return .signed(Int64(Int8(bitPattern: byte)))
    }
  }

  /// The next `length` bytes; the head that announced them has checked that they are there.
  mutating func readBytes(_ length: Int) -> ArraySlice<UInt8> {
    defer { position += length }
    return bytes[position..<position + length]
  }

  /// The bytes of a string or a binary; nil reads as none.
  mutating func readStringBytes() throws(MessagePackError) -> ArraySlice<UInt8> {
    if let string = try readShortString() { return string }
    let head = try readHead()
    switch head {
    case .string(let length), .binary(let length): return readBytes(length)
    case .null: return bytes[position..<position]
    default: throw MessagePackError(.mismatch(expected: "string", found: head.name))
    }
  }

  /// The bytes of a map's key. One that is no string is as good as an unknown one, and reads as empty.
  mutating func readKey() throws(MessagePackError) -> ArraySlice<UInt8> {
    if let string = try readShortString() { return string }
    let start = position
    let head = try readHead()
    switch head {
    case .string(let length), .binary(let length): return readBytes(length)
    default:
      position = start
      try skip()
      return bytes[position..<position]
    }
  }

  /// The bytes of a string of up to 31, as almost every key and name is; nil, and nothing read, for anything else.
  private mutating func readShortString() throws(MessagePackError) -> ArraySlice<UInt8>? {
    guard remaining > 0, bytes[position] & 0xe0 == 0xa0 else { return nil }
    let length = Int(bytes[position] & 0x1f)
    position += 1
    return readBytes(try bounded(length, bytesEach: 1))
  }

  mutating func readString() throws(MessagePackError) -> String {
    try String(utf8: readStringBytes())
  }

  /// The number of elements of an array, of which the first is next; nil reads as none.
  mutating func readArrayCount() throws(MessagePackError) -> Int {
    let head = try readHead()
    switch head {
    case .array(let count): return count
    case .null: return 0
    default: throw MessagePackError(.mismatch(expected: "array", found: head.name))
    }
  }

  /// Moves behind the value at the cursor. `depth` counts the arrays and maps around it.
  mutating func skip(depth: Int = 0) throws(MessagePackError) {
    switch try readHead() {
    case .null, .boolean, .unsigned, .signed, .float: return
    case .string(let length), .binary(let length), .extension(_, let length): position += length
    case .array(let count): try skip(count: count, depth: depth + 1)
    case .map(let count): try skip(count: count * 2, depth: depth + 1)
    }
  }

  private mutating func skip(count: Int, depth: Int) throws(MessagePackError) {
    guard depth <= MessagePackDecoder.maximumDepth else { throw MessagePackError(.tooDeep) }
    for _ in 0..<count { try skip(depth: depth) }
  }

  mutating func readInteger<Value: FixedWidthInteger>(_: Value.Type) throws(MessagePackError) -> Value {
    let size = MemoryLayout<Value>.size
    guard remaining >= size else { throw MessagePackError(.truncated) }
    var value: UInt64 = 0
    for index in position..<position + size { value = value << 8 | UInt64(bytes[index]) }
    position += size
    return Value(truncatingIfNeeded: value)
  }

  private mutating func readLength<Length: FixedWidthInteger>(
    _ type: Length.Type, bytesEach: Int
  ) throws(MessagePackError) -> Int {
    // In a statement of its own: `bounded` would otherwise be called on the reader as it was before this read.
    let count = Int(try readInteger(type))
    return try bounded(count, bytesEach: bytesEach)
  }

  private mutating func readExtension(length: Int) throws(MessagePackError) -> Head {
    let type = try readInteger(Int8.self)
    return .extension(type: type, length: try bounded(length, bytesEach: 1))
  }

  private func bounded(_ count: Int, bytesEach: Int) throws(MessagePackError) -> Int {
    guard count <= remaining / bytesEach else { throw MessagePackError(.truncated) }
    return count
  }
}

extension String {
  /// The string whose UTF-8 code units these bytes are.
  init(utf8 bytes: ArraySlice<UInt8>) throws(MessagePackError) {
    do {
      self.init(copying: try UTF8Span(validating: bytes.span))
    } catch {
      throw MessagePackError(.notUTF8)
    }
  }
}
