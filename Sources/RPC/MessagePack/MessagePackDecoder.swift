/// Decodes values from MessagePack by the rules of the bus.
///
/// - Unknown keys of a map are ignored. A missing key, and `nil` where a string, array, map or number is expected,
///   read as the type's zero value: `""`, `0`, `false`, no elements, and for a struct the same for each of its fields.
/// - A struct may also arrive as an array of its fields, in the order in which it decodes them.
/// - Integers of any width fit any integer type that can hold the value, and any floating-point type.
/// - Arrays and maps that announce more elements than bytes follow, or are nested deeper than ``maximumDepth``, are
///   refused before memory is spent on them. Bytes behind the value are ignored.
public struct MessagePackDecoder: Sendable {
  /// How deeply arrays and maps may be nested.
  public static let maximumDepth = 32

  /// A decoder has no settings.
  public init() {}

  /// The value that stands at the start of `bytes`.
  ///
  /// - Throws: ``MessagePackError``, or whatever the value's own `init(from:)` throws.
  public func decode<Value: Decodable>(_ type: Value.Type, from bytes: some Collection<UInt8>) throws -> Value {
    try decode(type, from: ArraySlice(bytes))
  }

  func decode<Value: Decodable>(_ type: Value.Type, from bytes: ArraySlice<UInt8>) throws -> Value {
    // Proves the whole value well formed, so that skipping parts of it later is cheap to reason about.
    var reader = MessagePackReader(bytes)
    try reader.skip()
    return try MessagePackValueDecoder(bytes, at: bytes.startIndex).decode(type)
  }

  /// What `type` reads as when its value is missing.
  func zero<Value: Decodable>(_ type: Value.Type) throws -> Value {
    try MessagePackValueDecoder([], at: nil).decode(type)
  }
}

/// The `Decoder` for one value: the one at a position, or a missing one, which reads as zero.
struct MessagePackValueDecoder: Decoder {
  private let bytes: ArraySlice<UInt8>
  private let position: Int?
  private let containerPath: [any CodingKey]
  private let key: (any CodingKey)?
  /// Put together when it is asked for, which is mostly never.
  var codingPath: [any CodingKey] { key.map { containerPath + [$0] } ?? containerPath }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  /// - Parameters:
  ///   - path: that of the container which the value is in.
  ///   - key: the value's own, unless it has none.
  init(_ bytes: ArraySlice<UInt8>, at position: Int?, in path: [any CodingKey] = [], key: (any CodingKey)? = nil) {
    self.bytes = bytes
    self.position = position
    containerPath = path
    self.key = key
  }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    if type == String.self { return try readString() as! Value }
    return try type.init(from: self)
  }

  private func reader() -> MessagePackReader? {
    position.map { MessagePackReader(bytes, at: $0) }
  }

  var isNil: Bool {
    position.map { bytes[$0] == 0xc0 } ?? true
  }

  func readString() throws(MessagePackError) -> String {
    guard var reader = reader() else { return "" }
    return try reader.readString()
  }

  func readBinary() throws(MessagePackError) -> Binary {
    guard var reader = reader() else { return Binary() }
    return Binary(try reader.readStringBytes())
  }

  func readTimestamp() throws(MessagePackError) -> Timestamp {
    guard var reader = reader() else { return Timestamp(seconds: 0) }
    let head = try reader.readHead()
    switch head {
    case .null: return Timestamp(seconds: 0)
    case .extension(Timestamp.extensionType, let length): return try Timestamp(extension: reader.readBytes(length))
    default: throw MessagePackError(.mismatch(expected: "time", found: head.name))
    }
  }

  func readBool() throws(MessagePackError) -> Bool {
    guard var reader = reader() else { return false }
    let head = try reader.readHead()
    switch head {
    case .boolean(let value): return value
    case .null: return false
    default: throw MessagePackError(.mismatch(expected: "boolean", found: head.name))
    }
  }

  func readInteger<Value: FixedWidthInteger>(_ type: Value.Type) throws(MessagePackError) -> Value {
    guard var reader = reader() else { return 0 }
    let head = try reader.readHead()
    let (exact, text): (Value?, String)
    switch head {
    case .unsigned(let value): (exact, text) = (Value(exactly: value), "\(value)")
    case .signed(let value): (exact, text) = (Value(exactly: value), "\(value)")
    case .null: return 0
    default: throw MessagePackError(.mismatch(expected: "integer", found: head.name))
    }
    guard let exact else { throw MessagePackError(.outOfRange(type: "\(type)", value: text)) }
    return exact
  }

  func readFloat<Value: BinaryFloatingPoint>(_ type: Value.Type) throws(MessagePackError) -> Value {
    guard var reader = reader() else { return 0 }
    let head = try reader.readHead()
    switch head {
    case .float(let value): return Value(value)
    case .unsigned(let value): return Value(value)
    case .signed(let value): return Value(value)
    case .null: return 0
    default: throw MessagePackError(.mismatch(expected: "float", found: head.name))
    }
  }

  func container<Key: CodingKey>(keyedBy: Key.Type) throws -> KeyedDecodingContainer<Key> {
    KeyedDecodingContainer(Keyed(fields: try MapFields(self), codingPath: codingPath))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard var reader = reader() else { return Unkeyed(bytes: bytes, count: 0, next: 0, codingPath: codingPath) }
    let count = try reader.readArrayCount()
    return Unkeyed(bytes: bytes, count: count, next: reader.position, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { SingleValue(decoder: self) }

  /// Where the fields of a struct stand.
  private final class MapFields {
    private enum ValueForm {
      /// The positions of a map's keys, in their order.
      case map(keys: [Int])
      /// The positions of an array's elements, and the names asked for so far, each of which took the next element.
      case array(elements: [Int], names: [String])
    }

    private let bytes: ArraySlice<UInt8>
    private var form: ValueForm
    /// The entry to look at first: fields are mostly asked for in the order in which they were written.
    private var cursor = 0

    init(_ decoder: MessagePackValueDecoder) throws(MessagePackError) {
      bytes = decoder.bytes
      guard var reader = decoder.reader() else {
        form = .map(keys: [])
        return
      }
      let head = try reader.readHead()
      switch head {
      case .null: form = .map(keys: [])
      case .map(let count):
        var keys: [Int] = []
        keys.reserveCapacity(count)
        for _ in 0..<count {
          keys.append(reader.position)
          try reader.skip()
          try reader.skip()
        }
        form = .map(keys: keys)
      case .array(let count):
        var elements: [Int] = []
        for _ in 0..<count {
          elements.append(reader.position)
          try reader.skip()
        }
        form = .array(elements: elements, names: [])
      default: throw MessagePackError(.mismatch(expected: "map", found: head.name))
      }
    }

    var names: [String] {
      guard case .map(let keys) = form else { return [] }
      return keys.compactMap { position in
        var reader = MessagePackReader(bytes, at: position)
        return try? reader.readString()
      }
    }

    /// The position of the value under `name`; nil when there is none.
    func position(of name: String) -> Int? {
      switch form {
      case .map(let keys):
        for offset in 0..<keys.count {
          let index = (cursor + offset) % keys.count
          var reader = MessagePackReader(bytes, at: keys[index])
          // A key that is no string is as good as an unknown one.
          guard let key = try? reader.readStringBytes(), key.count == name.utf8.count, key.elementsEqual(name.utf8)
          else { continue }
          cursor = index + 1
          return reader.position
        }
        return nil
      case .array(let elements, var names):
        let index =
          names.firstIndex(of: name)
          ?? {
            names.append(name)
            form = .array(elements: elements, names: names)
            return names.count - 1
          }()
        return index < elements.count ? elements[index] : nil
      }
    }

    func decoder(for key: some CodingKey, in path: [any CodingKey]) -> MessagePackValueDecoder {
      MessagePackValueDecoder(bytes, at: position(of: key.stringValue), in: path, key: key)
    }
  }

  private struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let fields: MapFields
    let codingPath: [any CodingKey]

    var allKeys: [Key] { fields.names.compactMap(Key.init(stringValue:)) }

    func contains(_ key: Key) -> Bool { fields.position(of: key.stringValue) != nil }

    private func field(_ key: Key) -> MessagePackValueDecoder { fields.decoder(for: key, in: codingPath) }

    func decodeNil(forKey key: Key) throws -> Bool { field(key).isNil }
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try field(key).readBool() }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try field(key).readString() }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try field(key).readFloat(type) }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try field(key).readFloat(type) }
    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try field(key).decode(type) }

    func nestedContainer<Nested: CodingKey>(
      keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
      try field(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
      try field(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder { fields.decoder(for: SuperKey(), in: codingPath) }
    func superDecoder(forKey key: Key) throws -> any Decoder { field(key) }
  }

  private struct Unkeyed: UnkeyedDecodingContainer {
    let bytes: ArraySlice<UInt8>
    let total: Int
    var next: Int
    let codingPath: [any CodingKey]
    var currentIndex = 0

    init(bytes: ArraySlice<UInt8>, count: Int, next: Int, codingPath: [any CodingKey]) {
      self.bytes = bytes
      total = count
      self.next = next
      self.codingPath = codingPath
    }

    var count: Int? { total }
    var isAtEnd: Bool { currentIndex == total }

    private mutating func element() throws -> MessagePackValueDecoder {
      guard !isAtEnd else {
        throw DecodingError.valueNotFound(
          Any.self, .init(codingPath: codingPath, debugDescription: "the array has no more than \(total) elements"))
      }
      let element = MessagePackValueDecoder(bytes, at: next, in: codingPath)
      var reader = MessagePackReader(bytes, at: next)
      try reader.skip()
      next = reader.position
      currentIndex += 1
      return element
    }

    mutating func decodeNil() throws -> Bool {
      guard !isAtEnd, bytes[next] == 0xc0 else { return false }
      _ = try element()
      return true
    }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try element().decode(type) }

    mutating func nestedContainer<Nested: CodingKey>(
      keyedBy type: Nested.Type
    ) throws -> KeyedDecodingContainer<Nested> {
      try element().container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
      try element().unkeyedContainer()
    }

    mutating func superDecoder() throws -> any Decoder { try element() }
  }

  private struct SingleValue: SingleValueDecodingContainer {
    let decoder: MessagePackValueDecoder
    var codingPath: [any CodingKey] { decoder.codingPath }

    func decodeNil() -> Bool { decoder.isNil }
    func decode(_ type: Bool.Type) throws -> Bool { try decoder.readBool() }
    func decode(_ type: String.Type) throws -> String { try decoder.readString() }
    func decode(_ type: Double.Type) throws -> Double { try decoder.readFloat(type) }
    func decode(_ type: Float.Type) throws -> Float { try decoder.readFloat(type) }
    func decode(_ type: Int.Type) throws -> Int { try decoder.readInteger(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try decoder.readInteger(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try decoder.readInteger(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try decoder.readInteger(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try decoder.readInteger(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try decoder.readInteger(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try decoder.readInteger(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try decoder.readInteger(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try decoder.readInteger(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try decoder.readInteger(type) }
    func decode<T: Decodable>(_ type: T.Type) throws -> T { try decoder.decode(type) }
  }
}
