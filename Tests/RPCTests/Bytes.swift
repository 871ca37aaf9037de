/// Bytes written as hexadecimal digits; spaces are for the reader.
func hex(_ digits: String) -> [UInt8] {
  let digits = digits.utf8.filter { $0 != UInt8(ascii: " ") }
  precondition(digits.count.isMultiple(of: 2), "half a byte in \(digits)")
  return stride(from: 0, to: digits.count, by: 2).map { offset in
    UInt8(String(decoding: digits[offset...offset + 1], as: UTF8.self), radix: 16)!
  }
}

extension Sequence<UInt8> {
  /// These bytes as hexadecimal digits.
  var hex: String {
    map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
