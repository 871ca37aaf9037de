/// Encodes values as MessagePack, the way the reference Go implementation of the bus does: structs as maps keyed by the
/// property's name, numbers at their type's full width.
public struct MessagePackEncoder: Sendable {
  /// An encoder has no settings.
  public init() {}

  /// The MessagePack bytes of `value`.
  ///
  /// - Throws: whatever the value's own `encode(to:)` throws, or an `EncodingError` for a nested container that is
  ///   written to after its parent went on.
  public func encode(_ value: some Encodable) throws -> [UInt8] {
    let encoder = MessagePackValueEncoder()
    try encoder.encode(value)
    return encoder.storage.writer.bytes
  }

  /// An array of several values, in order.
  func encode<each Value: Encodable>(tuple values: (repeat each Value)) throws -> [UInt8] {
    let encoder = MessagePackValueEncoder()
    var count = 0
    for _ in repeat (each Value).self { count += 1 }
    encoder.storage.writer.writeArrayHead(count)
    for value in repeat each values { try encoder.encode(value) }
    return encoder.storage.writer.bytes
  }
}

/// The `Encoder` for one value at the end of the bytes written so far.
final class MessagePackValueEncoder: Encoder {
  /// What all encoders of one message share: the bytes, and the containers that can still grow, outermost first.
  final class EncodedBytes {
    var writer = MessagePackWriter()
    fileprivate var open: [OpenContainer] = []
  }

  /// An array or a map of which the last element may not have been written yet.
  fileprivate final class OpenContainer {
    let collection: MessagePackWriter.Aggregate
    let offset: Int
    var count = 0

    init(_ collection: MessagePackWriter.Aggregate, offset: Int) {
      self.collection = collection
      self.offset = offset
    }
  }

  let storage: EncodedBytes
  let codingPath: [any CodingKey]
  let userInfo: [CodingUserInfoKey: Any] = [:]
  /// The container this value was begun as; a class and its superclass may each ask for it.
  private var container: OpenContainer?

  init(storage: EncodedBytes = EncodedBytes(), codingPath: [any CodingKey] = []) {
    self.storage = storage
    self.codingPath = codingPath
  }

  func write(_ body: (inout MessagePackWriter) -> Void) throws {
    body(&storage.writer)
  }

  func encode(_ value: some Encodable) throws {
    switch value {
    case let value as String: storage.writer.write(value)
    case let value as Binary: storage.writer.writeBinary(value.bytes)
    case let value as Timestamp: storage.writer.write(value)
    default:
      let start = storage.writer.bytes.count
      try value.encode(to: self)
      // A value that writes nothing at all (an empty enum payload, say) must still be a value.
      if storage.writer.bytes.count == start { storage.writer.writeMapHead(0) }
    }
  }

  private func begin(_ collection: MessagePackWriter.Aggregate) -> OpenContainer {
    if let container { return container }
    let container = OpenContainer(collection, offset: storage.writer.bytes.count)
    storage.writer.begin(collection)
    storage.open.append(container)
    self.container = container
    return container
  }

  /// Counts one more element of `container`, of which the bytes come next.
  private func addElement(to container: OpenContainer) throws {
    guard let index = storage.open.lastIndex(where: { $0 === container }) else {
      throw EncodingError.invalidValue(
        container.offset,
        .init(codingPath: codingPath, debugDescription: "a nested container was written to after its parent went on"))
    }
    storage.open.removeSubrange((index + 1)...)
    container.count += 1
    storage.writer.recount(container.collection, at: container.offset, to: container.count)
  }

  func container<Key: CodingKey>(keyedBy: Key.Type) -> KeyedEncodingContainer<Key> {
    KeyedEncodingContainer(Keyed(encoder: self, container: begin(.map)))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    Unkeyed(encoder: self, container: begin(.array))
  }

  func singleValueContainer() -> any SingleValueEncodingContainer {
    SingleValue(encoder: self)
  }

  private func child(_ key: (any CodingKey)?) -> MessagePackValueEncoder {
    MessagePackValueEncoder(storage: storage, codingPath: key.map { codingPath + [$0] } ?? codingPath)
  }

  /// A child for containers whose protocol requirements cannot throw: when the parent is already closed, its own
  /// bytes go nowhere, and the parent's next throwing call reports it.
  private func childElement(of container: OpenContainer, _ key: (any CodingKey)?) -> MessagePackValueEncoder {
    do {
      try addElement(to: container)
    } catch {
      return MessagePackValueEncoder(codingPath: codingPath)
    }
    if let key, container.collection == .map { storage.writer.write(key.stringValue) }
    return child(key)
  }

  private struct Keyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let encoder: MessagePackValueEncoder
    let container: OpenContainer
    var codingPath: [any CodingKey] { encoder.codingPath }

    private func begin(_ key: some CodingKey) throws {
      try encoder.addElement(to: container)
      encoder.storage.writer.write(key.stringValue)
    }

    mutating func encodeNil(forKey key: Key) throws {
      try begin(key)
      encoder.storage.writer.writeNil()
    }

    // Optionals are written as nil, not left out: the bus' structs always have all their fields. The protocol leaves them
    // out by a default of its own for each of the types that it names.
    mutating func encodeIfPresent(_ value: Bool?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: String?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: Double?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: Float?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: Int?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: Int8?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: Int16?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: Int32?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: Int64?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: UInt?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: UInt8?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: UInt16?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: UInt32?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent(_ value: UInt64?, forKey key: Key) throws { try encode(optional: value, key) }
    mutating func encodeIfPresent<T: Encodable>(_ value: T?, forKey key: Key) throws {
      try encode(optional: value, key)
    }

    private mutating func encode<T: Encodable>(optional value: T?, _ key: Key) throws {
      guard let value else { return try encodeNil(forKey: key) }
      try encode(value, forKey: key)
    }

    mutating func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
      try begin(key)
      try encoder.child(key).encode(value)
    }

    mutating func nestedContainer<Nested: CodingKey>(
      keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> {
      encoder.childElement(of: container, key).container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
      encoder.childElement(of: container, key).unkeyedContainer()
    }

    mutating func superEncoder() -> any Encoder { encoder.childElement(of: container, SuperKey()) }

    mutating func superEncoder(forKey key: Key) -> any Encoder { encoder.childElement(of: container, key) }
  }

  private struct Unkeyed: UnkeyedEncodingContainer {
    let encoder: MessagePackValueEncoder
    let container: OpenContainer
    var codingPath: [any CodingKey] { encoder.codingPath }
    var count: Int { container.count }

    mutating func encodeNil() throws {
      try encoder.addElement(to: container)
      encoder.storage.writer.writeNil()
    }

    mutating func encode<T: Encodable>(_ value: T) throws {
      try encoder.addElement(to: container)
      try encoder.child(nil).encode(value)
    }

    mutating func nestedContainer<Nested: CodingKey>(
      keyedBy type: Nested.Type
    ) -> KeyedEncodingContainer<Nested> {
      encoder.childElement(of: container, nil).container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
      encoder.childElement(of: container, nil).unkeyedContainer()
    }

    mutating func superEncoder() -> any Encoder { encoder.childElement(of: container, nil) }
  }

  private struct SingleValue: SingleValueEncodingContainer {
    let encoder: MessagePackValueEncoder
    var codingPath: [any CodingKey] { encoder.codingPath }

    mutating func encodeNil() throws { encoder.storage.writer.writeNil() }
    mutating func encode(_ value: Bool) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: String) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: Double) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: Float) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: Int) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: Int8) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: Int16) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: Int32) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: Int64) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: UInt) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: UInt8) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: UInt16) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: UInt32) throws { encoder.storage.writer.write(value) }
    mutating func encode(_ value: UInt64) throws { encoder.storage.writer.write(value) }
    mutating func encode<T: Encodable>(_ value: T) throws { try encoder.encode(value) }
  }
}

/// The key under which a class' superclass is kept when no other is named (Codable's convention).
struct SuperKey: CodingKey {
  let stringValue = "super"
  let intValue: Int? = nil
  init() {}
  init?(stringValue: String) { return nil }
  init?(intValue: Int) { return nil }
}
