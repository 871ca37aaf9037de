/// Appends MessagePack values to bytes (the MessagePack specification of 2017).
///
/// Numbers are written at their type's full width, as the reference Go implementation of the bus writes them; lengths
/// take the shortest form.
struct MessagePackWriter {
  private(set) var bytes: [UInt8]

  init(capacity: Int = 64) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  mutating func writeNil() { bytes.append(0xc0) }

  mutating func write(_ value: Bool) { bytes.append(value ? 0xc3 : 0xc2) }

  mutating func write(_ value: Float) { write(0xca, value.bitPattern) }

  mutating func write(_ value: Double) { write(0xcb, value.bitPattern) }

  mutating func write(_ value: some FixedWidthInteger) {
    switch value {
    case let value as Int: write(0xd3, Int64(value))
    case let value as Int64: write(0xd3, value)
    case let value as Int32: write(0xd2, value)
    case let value as Int16: write(0xd1, value)
    case let value as Int8: write(0xd0, value)
    case let value as UInt8: write(0xcc, value)
    case let value as UInt16: write(0xcd, value)
    case let value as UInt32: write(0xce, value)
    default: write(0xcf, UInt64(value))
    }
  }

  mutating func write(_ value: String) {
    var value = value
    value.withUTF8 { utf8 in
      writeStringHead(utf8.count)
      bytes.append(contentsOf: utf8)
    }
  }

  /// Writes a string that the program knows, such as the name of a field.
  mutating func write(key: StaticString) {
    writeStringHead(key.utf8CodeUnitCount)
    bytes.append(contentsOf: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
  }

  mutating func writeString(_ utf8: some Collection<UInt8>) {
    writeStringHead(utf8.count)
    bytes.append(contentsOf: utf8)
  }

  mutating func writeBinary(_ value: some Collection<UInt8>) {
    switch value.count {
    case ...0xff: write(0xc4, UInt8(value.count))
    case ...0xffff: write(0xc5, UInt16(value.count))
    default: write(0xc6, UInt32(value.count))
    }
    bytes.append(contentsOf: value)
  }

  mutating func write(_ value: Timestamp) {
    if value.seconds >> 34 == 0 {
      let packed = UInt64(value.nanoseconds) << 34 | UInt64(value.seconds)
      if packed <= UInt32.max {
        bytes.append(0xd6)
        write(UInt8(bitPattern: Timestamp.extensionType), UInt32(packed))
      } else {
        bytes.append(0xd7)
        write(UInt8(bitPattern: Timestamp.extensionType), packed)
      }
    } else {
      bytes.append(contentsOf: [0xc7, 12])
      write(UInt8(bitPattern: Timestamp.extensionType), value.nanoseconds)
      append(value.seconds)
    }
  }

  mutating func writeArrayHead(_ count: Int) {
    writeHead(.array, count)
  }

  mutating func writeMapHead(_ count: Int) {
    writeHead(.map, count)
  }

  /// An array or a map whose elements are counted while they are written.
  enum Aggregate {
    case array
    case map

    /// The head of one byte, for up to 15 elements, without their number.
    var shortHead: UInt8 { self == .array ? 0x90 : 0x80 }

    func head(_ count: Int) -> [UInt8] {
      switch (self, count) {
      case (_, ...15): [shortHead | UInt8(count)]
      case (_, ...0xffff): [self == .array ? 0xdc : 0xde, UInt8(count >> 8), UInt8(count & 0xff)]
      default:
        [self == .array ? 0xdd : 0xdf]
          + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) }
      }
    }
  }

  /// Begins a collection of no elements yet; ``recount(_:at:to:)`` follows its growth.
  mutating func begin(_ collection: Aggregate) {
    writeHead(collection, 0)
  }

  /// Writes the head of `collection` at `offset` anew after its count went from `count - 1` to `count`.
  /// Whatever stands behind it moves when the head grows.
  mutating func recount(_ collection: Aggregate, at offset: Int, to count: Int) {
    // Almost every struct of the bus: its head stays one byte.
    if count <= 15 {
      bytes[offset] += 1
      return
    }
    let old = collection.head(count - 1).count
    bytes.replaceSubrange(offset..<offset + old, with: collection.head(count))
  }

  private mutating func writeHead(_ collection: Aggregate, _ count: Int) {
    if count <= 15 {
      bytes.append(collection.shortHead | UInt8(count))
    } else {
      bytes.append(contentsOf: collection.head(count))
    }
  }

  private mutating func writeStringHead(_ count: Int) {
    switch count {
    case ...31: bytes.append(0xa0 | UInt8(count))
    case ...0xff: write(0xd9, UInt8(count))
    case ...0xffff: write(0xda, UInt16(count))
    default: write(0xdb, UInt32(count))
    }
  }

  private mutating func write(_ head: UInt8, _ value: some FixedWidthInteger) {
    bytes.append(head)
    append(value)
  }

  private mutating func append(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
  }
}
