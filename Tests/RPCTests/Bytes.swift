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

/// A generator of numbers that only look random, the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}
