import Glibc

/// A point in time, as MessagePack's extension −1 carries it: seconds and nanoseconds since 1970-01-01T00:00:00Z, leap
/// seconds not counted.
public struct Timestamp: Hashable, Comparable, Sendable {
  static let extensionType: Int8 = -1

  /// Whole seconds since the epoch; negative before it.
  public let seconds: Int64
  /// The nanoseconds to add to ``seconds``: 0 to 999,999,999.
  public let nanoseconds: UInt32

  /// - Parameters:
  ///   - seconds: whole seconds since the epoch, rounded down.
  ///   - nanoseconds: the rest; 1,000,000,000 and more is carried over into the seconds.
  public init(seconds: Int64, nanoseconds: UInt32 = 0) {
    let (carried, overflow) = seconds.addingReportingOverflow(Int64(nanoseconds / 1_000_000_000))
    self.seconds = overflow ? .max : carried
    self.nanoseconds = nanoseconds % 1_000_000_000
  }

  /// The system clock's time now.
  public static var now: Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec))
  }

  public static func < (left: Timestamp, right: Timestamp) -> Bool {
    (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
  }

  /// Reads the extension's 4-byte, 8-byte or 12-byte form.
  init(extension bytes: ArraySlice<UInt8>) throws(MessagePackError) {
    var reader = MessagePackReader(bytes)
    switch bytes.count {
    case 4: self.init(seconds: Int64(try reader.readInteger(UInt32.self)))
    case 8:
      let packed = try reader.readInteger(UInt64.self)
      self.init(seconds: Int64(packed & 0x3_ffff_ffff), nanoseconds: UInt32(packed >> 34))
    case 12:
      let nanoseconds = try reader.readInteger(UInt32.self)
      self.init(seconds: try reader.readInteger(Int64.self), nanoseconds: nanoseconds)
    default: throw MessagePackError(.mismatch(expected: "time", found: "time of \(bytes.count) bytes"))
    }
  }
}

extension Timestamp: Codable {
  private enum CodingKeys: String, CodingKey { case seconds, nanoseconds }

  /// Other coders than this library's see two numbers; MessagePack's see the extension.
  ///
  /// - Throws: ``MessagePackError`` for any other type than extension −1, or another length than 4, 8 or 12 bytes.
  public init(from decoder: any Decoder) throws {
    if let decoder = decoder as? MessagePackValueDecoder {
      self = try decoder.readTimestamp()
      return
    }
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      seconds: try container.decode(Int64.self, forKey: .seconds),
      nanoseconds: try container.decode(UInt32.self, forKey: .nanoseconds))
  }

  public func encode(to encoder: any Encoder) throws {
    if let encoder = encoder as? MessagePackValueEncoder {
      try encoder.write { $0.write(self) }
      return
    }
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(seconds, forKey: .seconds)
    try container.encode(nanoseconds, forKey: .nanoseconds)
  }
}
