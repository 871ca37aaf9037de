/// Why bytes are not the MessagePack value that was asked for.
public struct MessagePackError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What stands there instead.
  public enum Reason: Hashable, Sendable {
    /// The bytes end before the value does, or announce more elements than bytes follow.
    case truncated
    /// Arrays and maps are nested deeper than ``MessagePackDecoder/maximumDepth``.
    case tooDeep
    /// The format never uses this byte (0xc1).
    case reservedByte
    /// A value of another type stands here.
    case mismatch(expected: String, found: String)
    /// An integer that the asked-for type cannot hold.
    case outOfRange(type: String, value: String)
    /// A string whose bytes are not UTF-8.
    case notUTF8
  }

  /// What stands there instead.
  public let reason: Reason

  init(_ reason: Reason) {
    self.reason = reason
  }

  public var description: String {
    switch reason {
    case .truncated: "the MessagePack value is cut short"
    case .tooDeep: "arrays and maps are nested deeper than \(MessagePackDecoder.maximumDepth)"
    case .reservedByte: "the byte 0xc1 is never used in MessagePack"
    case .mismatch(let expected, let found): "expecting \(expected) got \(found)"
    case .outOfRange(let type, let value): "expecting \(type) got \(value), which is out of its range"
    case .notUTF8: "expecting string got bytes that are not UTF-8"
    }
  }
}
