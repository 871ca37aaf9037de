/// Bytes that travel as MessagePack `bin` (Go's `[]byte`); an array of `UInt8` travels as an array of numbers.
public struct Binary: Hashable, Sendable {
  /// The bytes themselves, of any number.
  public var bytes: [UInt8]

  /// Bytes to be sent as they are; none by default.
  public init(_ bytes: some Sequence<UInt8> = []) {
    self.bytes = Array(bytes)
  }
}

extension Binary: Codable {
  /// Other coders than this library's see an array of numbers.
  ///
  /// - Throws: ``MessagePackError`` for what is neither `bin` nor a string; `nil` reads as no bytes.
  public init(from decoder: any Decoder) throws {
    if let decoder = decoder as? MessagePackValueDecoder {
      self = try decoder.readBinary()
    } else {
      bytes = try [UInt8](from: decoder)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    if let encoder = encoder as? MessagePackValueEncoder {
      try encoder.write { $0.writeBinary(bytes) }
    } else {
      try bytes.encode(to: encoder)
    }
  }
}
