import Glibc
package import RPC

/// A moment in UTC, to the millisecond.
package struct UTCTime: CustomStringConvertible {
  /// Since 1970-01-01T00:00:00Z.
  let seconds: time_t
  /// 0 to 999.
  let milliseconds: Int

  static var now: UTCTime {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return UTCTime(seconds: now.tv_sec, milliseconds: now.tv_nsec / 1_000_000)
  }

  package init(_ time: Timestamp) {
    self.init(seconds: time_t(time.seconds), milliseconds: Int(time.nanoseconds / 1_000_000))
  }

  init(seconds: time_t, milliseconds: Int) {
    self.seconds = seconds
    self.milliseconds = milliseconds
  }

  /// As ``append(to:)`` writes it.
  package var description: String {
    var bytes: [UInt8] = []
    append(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Appends ISO 8601 text such as `2026-01-02T03:04:05.678Z`.
  func append(to bytes: inout [UInt8]) {
    var seconds = seconds
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func append(_ number: some BinaryInteger, digits: Int, _ end: Unicode.Scalar) {
      let text = String(number).utf8
      bytes.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: max(0, digits - text.count)))
      bytes.append(contentsOf: text)
      bytes.append(UInt8(ascii: end))
    }
    append(parts.tm_year + 1900, digits: 4, "-")
    append(parts.tm_mon + 1, digits: 2, "-")
    append(parts.tm_mday, digits: 2, "T")
    append(parts.tm_hour, digits: 2, ":")
    append(parts.tm_min, digits: 2, ":")
    append(parts.tm_sec, digits: 2, ".")
    append(milliseconds, digits: 3, "Z")
  }
}
