package import Glibc

/// A moment in UTC, to the millisecond.
package struct UTCTime: CustomStringConvertible {
  /// Since 1970-01-01T00:00:00Z.
  package let seconds: time_t
  /// 0 to 999.
  package let milliseconds: Int

  package static var now: UTCTime {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return UTCTime(seconds: now.tv_sec, milliseconds: now.tv_nsec / 1_000_000)
  }

  package init(seconds: time_t, milliseconds: Int) {
    self.seconds = seconds
    self.milliseconds = milliseconds
  }

  /// Reads what ``append(to:)`` writes; nil for anything else.
  package init?(_ text: String) {
    let form = "0000-00-00T00:00:00.000Z".utf8
    let bytes = Array(text.utf8)
    let hasForm = zip(bytes, form).allSatisfy { byte, place in
      place == UInt8(ascii: "0") ? (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) : byte == place
    }
    guard bytes.count == form.count, hasForm else { return nil }
    func number(_ range: Range<Int>) -> Int { bytes[range].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) } }
    var parts = tm()
    parts.tm_year = CInt(number(0..<4) - 1900)
    parts.tm_mon = CInt(number(5..<7) - 1)
    parts.tm_mday = CInt(number(8..<10))
    parts.tm_hour = CInt(number(11..<13))
    parts.tm_min = CInt(number(14..<16))
    parts.tm_sec = CInt(number(17..<19))
    self.init(seconds: timegm(&parts), milliseconds: number(20..<23))
  }

  /// As ``append(to:)`` writes it.
  package var description: String {
    var bytes: [UInt8] = []
    append(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Appends ISO 8601 text such as `2026-01-02T03:04:05.678Z`.
  package func append(to bytes: inout [UInt8]) {
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
