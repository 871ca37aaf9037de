import Glibc
import System

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
  /// Other coders than this library's see text, RFC 3339 in UTC to the millisecond; MessagePack's see the extension.
  ///
  /// - Throws: ``MessagePackError`` for any other type than extension −1, or another length than 4, 8 or 12 bytes;
  ///   `DecodingError` for text of another form.
  public init(from decoder: any Decoder) throws {
    if let decoder = decoder as? MessagePackValueDecoder {
      self = try decoder.readTimestamp()
      return
    }
    let container = try decoder.singleValueContainer()
    guard let time = UTCTime(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "no time as 2026-01-02T03:04:05.678Z")
    }
    self.init(seconds: Int64(time.seconds), nanoseconds: UInt32(time.milliseconds) * 1_000_000)
  }

  public func encode(to encoder: any Encoder) throws {
    if let encoder = encoder as? MessagePackValueEncoder {
      try encoder.write { $0.write(self) }
      return
    }
    var container = encoder.singleValueContainer()
    try container.encode("\(UTCTime(self))")
  }
}

extension UTCTime {
  package init(_ time: Timestamp) {
    self.init(seconds: Int(time.seconds), milliseconds: Int(time.nanoseconds / 1_000_000))
  }
}
