extension Double {
  /// Reads a decimal number such as `12`, `0.5` and `1.234567e+06`: digits with at most one sign, point and exponent.
  ///
  /// Values in a scrape are nearly always exact in the first of two ways; that one allocates nothing.
  init?(decimal text: Span<UInt8>) {
    var index = 0
    var isNegative = false
    if index < text.count, text[index] == UInt8(ascii: "+") || text[index] == UInt8(ascii: "-") {
      isNegative = text[index] == UInt8(ascii: "-")
      index += 1
    }

    var significand: UInt64 = 0
    var fits = true
    var digits = 0
    var fractionDigits = 0
    var isInFraction = false
    while index < text.count {
      let byte = text[index]
      if byte.isDigit {
        digits += 1
        if isInFraction { fractionDigits += 1 }
        let (product, overflow) = significand.multipliedReportingOverflow(by: 10)
        let (sum, carry) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
        significand = sum
        if overflow || carry { fits = false }
      } else if byte == UInt8(ascii: "."), !isInFraction {
        isInFraction = true
      } else {
        break
      }
      index += 1
    }
    guard digits > 0 else { return nil }

    var exponent = 0
    if index < text.count {
      guard text[index] | 0x20 == UInt8(ascii: "e") else { return nil }
      index += 1
      var isNegativeExponent = false
      if index < text.count, text[index] == UInt8(ascii: "+") || text[index] == UInt8(ascii: "-") {
        isNegativeExponent = text[index] == UInt8(ascii: "-")
        index += 1
      }
      guard index < text.count else { return nil }
      while index < text.count {
        guard text[index].isDigit else { return nil }
        // Beyond the range of a `Double` it does not matter by how much.
        exponent = Swift.min(exponent * 10 + Int(text[index] - UInt8(ascii: "0")), 100_000)
        index += 1
      }
      if isNegativeExponent { exponent = -exponent }
    }
    exponent -= fractionDigits

    // A whole number below 2^53 and a power of ten up to 10^22 are exact, so their product or quotient is rounded once.
    if fits, significand <= 1 << 53, exponent.magnitude <= 22 {
      let power = Self.powersOfTen[Int(exponent.magnitude)]
      let magnitude = exponent < 0 ? Double(significand) / power : Double(significand) * power
      self = isNegative ? -magnitude : magnitude
    } else {
      guard let value = text.withUnsafeBufferPointer({ Double(String(decoding: $0, as: UTF8.self)) }) else {
        return nil
      }
      self = value
    }
  }

  private static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
  ]
}
