import System

/// Which texts mean themselves when they stand in YAML without quotes.
///
/// YAML gives a plain scalar a type by its looks: `true`, `1e3` and `2001-01-01` are no strings, and Traefik would read a workload
/// of such a name as another one. The rules are those of YAML 1.1 (yaml.org/type) and 1.2 (10.3.2) together, because what reads
/// our files takes some from each.
package enum PlainScalar {
  /// Whether YAML reads plain `text` as something else than this string: a truth value, a null, a number or a date.
  package static func isAmbiguous(_ text: some Collection<UInt8>) -> Bool {
    guard let first = text.first else { return true }
    if text.count <= 5, words.contains(String(decoding: text, as: UTF8.self)) { return true }
    guard ASCII.isDigit(first) || first == ASCII.dot || first == UInt8(ascii: "+") || first == ASCII.hyphen else {
      return false
    }
    return isDate(text) || isNumber(text)
  }

  /// Each word counts in three spellings: `true`, `True`, `TRUE`.
  private static let words: Set<String> = {
    let lowercased = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
    let signed = [".inf", "+.inf", "-.inf", ".Inf", "+.Inf", "-.Inf", ".INF", "+.INF", "-.INF", ".nan", ".NaN", ".NAN"]
    let capitalized = lowercased.map { $0.prefix(1).uppercased() + $0.dropFirst() }
    return Set(lowercased + capitalized + lowercased.map { $0.uppercased() } + signed + ["~", "=", "<<"])
  }()

  /// `2001-01-01`. A time of day would follow after a colon, which is in no text we write after a date.
  private static func isDate(_ text: some Collection<UInt8>) -> Bool {
    guard (8...10).contains(text.count), text.prefix(4).allSatisfy(ASCII.isDigit) else { return false }
    let month = text.dropFirst(5).prefix(while: ASCII.isDigit)
    let day = text.dropFirst(5 + month.count + 1)
    return text.dropFirst(4).first == ASCII.hyphen && text[month.endIndex...].first == ASCII.hyphen
      && (1...2).contains(month.count) && (1...2).contains(day.count) && day.allSatisfy(ASCII.isDigit)
  }

  /// `12`, `-1_000`, `0x1f`, `0o7`, `0b1`, `1.5`, `.5`, `1e3`, `1.5E-3`. Sexagesimal numbers hold colons, which here only follow
  /// an IP address and so more dots than a number has.
  private static func isNumber(_ text: some Collection<UInt8>) -> Bool {
    var rest = text[...]
    if let sign = rest.first, sign == UInt8(ascii: "+") || sign == ASCII.hyphen { rest = rest.dropFirst() }
    if rest.first == UInt8(ascii: "0"), let base = rest.dropFirst().first.map(ASCII.lowercased),
      base == UInt8(ascii: "x") || base == UInt8(ascii: "o") || base == UInt8(ascii: "b")
    {
      return rest.dropFirst(2).allSatisfy { ASCII.isHexDigit($0) || $0 == ASCII.underscore }
    }
    let whole = rest.prefix(while: isDigitOrUnderscore)
    rest = rest[whole.endIndex...]
    var hasDigit = whole.contains(where: ASCII.isDigit)
    if rest.first == ASCII.dot {
      let fraction = rest.dropFirst().prefix(while: isDigitOrUnderscore)
      hasDigit = hasDigit || fraction.contains(where: ASCII.isDigit)
      rest = rest[fraction.endIndex...]
    }
    guard hasDigit else { return false }
    if let e = rest.first.map(ASCII.lowercased), e == UInt8(ascii: "e") {
      rest = rest.dropFirst()
      if let sign = rest.first, sign == UInt8(ascii: "+") || sign == ASCII.hyphen { rest = rest.dropFirst() }
      return !rest.isEmpty && rest.allSatisfy(ASCII.isDigit)
    }
    return rest.isEmpty
  }

  private static func isDigitOrUnderscore(_ byte: UInt8) -> Bool {
    ASCII.isDigit(byte) || byte == ASCII.underscore
  }
}
