import System

extension GoTemplate.Parser {
  /// What a string in quotes says (Go's `strconv.Unquote`); nil for any other token.
  static func string(_ token: GoTemplate.Token) throws(GoTemplate.TemplateFault) -> String? {
    let inside = Array(token.text.utf8.dropFirst().dropLast())
    if token.kind == .rawString { return String(decoding: inside, as: UTF8.self) }
    guard token.kind == .string else { return nil }
    var rest = inside[...]
    var result: [UInt8] = []
    while !rest.isEmpty {
      guard let bytes = character(&rest, quote: UInt8(ascii: "\"")) else {
        throw GoTemplate.TemplateFault("a string with a bad escape")
      }
      result += bytes
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// Takes one character or escape away, and returns its bytes; nil for what is none (Go's `strconv.UnquoteChar`).
  private static func character(_ rest: inout ArraySlice<UInt8>, quote: UInt8) -> [UInt8]? {
    guard let first = rest.popFirst(), first != quote else { return nil }
    guard first == UInt8(ascii: "\\") else {
      // The others of a character of several bytes.
      let more = rest.prefix(first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0).prefix { $0 & 0xc0 == 0x80 }
      rest = rest[more.endIndex...]
      return [first] + more
    }
    guard let escape = rest.popFirst() else { return nil }
    func number(_ digits: Int, _ radix: Int) -> UInt32? {
      let text = rest.prefix(digits)
      guard text.count == digits, text.allSatisfy(ASCII.isHexDigit) else { return nil }
      rest = rest.dropFirst(digits)
      return UInt32(String(decoding: text, as: UTF8.self), radix: radix)
    }
    switch escape {
    case UInt8(ascii: "x"): return number(2, 16).map { [UInt8($0)] }
    case UInt8(ascii: "u"), UInt8(ascii: "U"):
      guard let value = number(escape == UInt8(ascii: "u") ? 4 : 8, 16), let scalar = UnicodeScalar(value) else {
        return nil
      }
      return Array(String(scalar).utf8)
    case UInt8(ascii: "0")...UInt8(ascii: "7"):
      rest = [escape] + rest
      return number(3, 8).flatMap { UInt8(exactly: $0) }.map { [$0] }
    case quote: return [quote]
    case _ where "abfnrtv\\".utf8.contains(escape): return [escape]
    default: return nil
    }
  }

  /// Whether Go's parser makes a number of it: a whole one of 64 bits, a fraction, an imaginary or complex one, or a character.
  static func isNumber(_ token: GoTemplate.Token) -> Bool {
    let text = Array(token.text.utf8)
    if token.kind == .character {
      var rest = text.dropFirst()
      return character(&rest, quote: UInt8(ascii: "'")) != nil && rest.elementsEqual("'".utf8)
    }
    if text.last == UInt8(ascii: "i") {
      // 1+2i: the second sign is none of an exponent.
      let signs = text.indices.dropFirst().filter { index in
        (text[index] == ASCII.hyphen || text[index] == UInt8(ascii: "+"))
          && ![UInt8(ascii: "e"), UInt8(ascii: "p")].contains(ASCII.lowercased(text[index - 1]))
      }
      guard let split = signs.last else { return isFraction(text.dropLast()) }
      return isFraction(text[..<split]) && isFraction(text[split...].dropLast())
    }
    return isWhole(text[...]) || text.contains { ".eEpP".utf8.contains($0) } && isFraction(text[...])
  }

  /// What `strconv.ParseInt` or `ParseUint` takes with base 0, or a fraction without a point that is whole.
  private static func isWhole(_ text: ArraySlice<UInt8>) -> Bool {
    guard let (isNegative, digits, radix) = digits(text) else { return false }
    let octal = radix == 10 && digits.first == UInt8(ascii: "0") && digits.count > 1
    let base = octal ? 8 : radix
    guard let value = UInt64(String(decoding: digits, as: UTF8.self), radix: base) else { return false }
    let isSigned = isNegative || text.first == UInt8(ascii: "+")
    return isNegative ? value <= 1 << 63 : isSigned ? value < 1 << 63 : true
  }

  /// What `strconv.ParseFloat` takes.
  private static func isFraction(_ text: ArraySlice<UInt8>) -> Bool {
    guard hasGoodUnderscores(text) else { return false }
    var plain = text.filter { $0 != ASCII.underscore }[...]
    if let sign = plain.first, sign == ASCII.hyphen || sign == UInt8(ascii: "+") { plain = plain.dropFirst() }
    let isHex =
      plain.count > 1 && plain.first == UInt8(ascii: "0")
      && ASCII.lowercased(plain.dropFirst().first!) == UInt8(ascii: "x")
    if isHex { plain = plain.dropFirst(2) }
    let mark = UInt8(ascii: isHex ? "p" : "e")
    let parts = plain.split(maxSplits: 1, omittingEmptySubsequences: false) { ASCII.lowercased($0) == mark }
    guard let mantissa = parts.first, parts.count == 2 || !isHex else { return false }
    let digits = mantissa.filter { $0 != ASCII.dot }
    guard !digits.isEmpty, mantissa.count - digits.count <= 1,
      digits.allSatisfy(isHex ? ASCII.isHexDigit : ASCII.isDigit)
    else { return false }
    if parts.count == 2 {
      var exponent = parts[1]
      if let sign = exponent.first, sign == ASCII.hyphen || sign == UInt8(ascii: "+") {
        exponent = exponent.dropFirst()
      }
      guard !exponent.isEmpty, exponent.allSatisfy(ASCII.isDigit) else { return false }
    }
    return Double((isHex ? "0x" : "") + String(decoding: plain, as: UTF8.self))?.isFinite ?? false
  }

  /// The sign, digits and radix of a whole number; nil for none.
  private static func digits(_ text: ArraySlice<UInt8>) -> (isNegative: Bool, digits: [UInt8], radix: Int)? {
    guard hasGoodUnderscores(text) else { return nil }
    var rest = text.filter { $0 != ASCII.underscore }[...]
    let isNegative = rest.first == ASCII.hyphen
    if isNegative || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
    let second = rest.dropFirst().first.map(ASCII.lowercased)
    var radix = 10
    if rest.first == UInt8(ascii: "0"), let second, let base = [0x78: 16, 0x6f: 8, 0x62: 2][Int(second)] {
      radix = base
      rest = rest.dropFirst(2)
    }
    return rest.isEmpty || !rest.allSatisfy(ASCII.isHexDigit) ? nil : (isNegative, Array(rest), radix)
  }

  /// Underscores stand between digits, or between a prefix and a digit.
  private static func hasGoodUnderscores(_ text: ArraySlice<UInt8>) -> Bool {
    guard text.contains(ASCII.underscore) else { return true }
    var before: UInt8?
    var isAfterUnderscore = false
    for (position, byte) in text.drop(while: { $0 == ASCII.hyphen || $0 == UInt8(ascii: "+") }).enumerated() {
      let isPrefix = position == 1 && before == UInt8(ascii: "0") && "xXoObB".utf8.contains(byte)
      let isDigit = ASCII.isHexDigit(byte) || isPrefix
      if byte == ASCII.underscore {
        guard let before, ASCII.isHexDigit(before) || "xXoObB".utf8.contains(before), !isAfterUnderscore else {
          return false
        }
      } else if isAfterUnderscore, !isDigit {
        return false
      }
      isAfterUnderscore = byte == ASCII.underscore
      if !isAfterUnderscore { before = byte }
    }
    return !isAfterUnderscore
  }
}
