import Records
import System

/// What Traefik's YAML library makes of a scalar, as Traefik then reads it: it turns every value back into text.
enum YAMLValue: Equatable {
  case null
  case text(String)
  /// A number or a truth value, which is text where a value is wanted and no name where a key is.
  case other(String)
  /// A date or a time, which Traefik takes nowhere.
  case timestamp

  /// Resolves a plain scalar by its looks. The rules are those of YAML 1.1 (yaml.org/type) without its `yes` and `no` and its
  /// numbers to the base of 60, and with the `0o` of YAML 1.2.
  init(plain text: String) {
    switch text {
    case "", "~", "null", "Null", "NULL": self = .null
    case "true", "True", "TRUE": self = .other("true")
    case "false", "False", "FALSE": self = .other("false")
    case ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF":
      self = .other(text)
    default:
      let first = text.utf8.first!
      guard ASCII.isDigit(first) || first == ASCII.hyphen || first == UInt8(ascii: "+") || first == ASCII.dot else {
        self = .text(text)
        return
      }
      if Self.isTimestamp(text) {
        self = .timestamp
      } else if let number = Self.integer(text) ?? Self.float(text) {
        self = .other(number)
      } else {
        self = .text(text)
      }
    }
  }

  /// The text of a whole number, in decimal.
  private static func integer(_ text: String) -> String? {
    let negative = text.first == "-"
    var digits = text.filter { $0 != "_" }[...]
    if let sign = digits.first, sign == "-" || sign == "+" { digits = digits.dropFirst() }
    let bases: [(String, Int)] = [("0x", 16), ("0o", 8), ("0b", 2), ("0", 8)]
    let (prefix, radix) = bases.first { digits.lowercased().hasPrefix($0.0) && digits.count > $0.0.count } ?? ("", 10)
    digits = digits.dropFirst(prefix.count)
    guard digits.utf8.allSatisfy(ASCII.isHexDigit), let value = UInt64(digits, radix: radix) else { return nil }
    return negative && value != 0 ? "-\(value)" : "\(value)"
  }

  /// The text of a decimal fraction; one that is whole, to six places, reads as a whole number.
  private static func float(_ text: String) -> String? {
    let bytes = text.utf8.filter { $0 != ASCII.underscore }
    let isNumber = bytes.allSatisfy {
      ASCII.isDigit($0)
        || [ASCII.dot, ASCII.hyphen, UInt8(ascii: "+"), UInt8(ascii: "e")].contains(ASCII.lowercased($0))
    }
    guard isNumber, let value = Double(String(decoding: bytes, as: UTF8.self)), value.isFinite else { return nil }
    let rounded = (value * 1e6).rounded() / 1e6
    return Int64(exactly: rounded).map { "\($0)" } ?? "\(value)"
  }

  /// `2001-01-01`, `2001-1-1 2:3:4.5`, `2001-01-01T02:03:04Z`, `2001-01-01t02:03:04+05:00`.
  static func isTimestamp(_ text: String) -> Bool {
    var rest = text.utf8[...]

    func number(_ digits: ClosedRange<Int>) -> Int? {
      let run = rest.prefix(digits.upperBound).prefix(while: ASCII.isDigit)
      guard digits.contains(run.count) else { return nil }
      rest = rest[run.endIndex...]
      return Int(Substring(run))
    }
    func skip(_ characters: StaticString) -> UInt8? {
      guard let byte = rest.first,
        UnsafeBufferPointer(start: characters.utf8Start, count: characters.utf8CodeUnitCount).contains(byte)
      else { return nil }
      rest = rest.dropFirst()
      return byte
    }

    guard let year = number(4...4), skip("-") != nil, let month = number(1...2), (1...12).contains(month),
      skip("-") != nil, let day = number(1...2)
    else { return false }
    let isLeapYear = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let lengths = [31, isLeapYear ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    guard (1...lengths[month - 1]).contains(day) else { return false }
    guard let separator = skip("Tt ") else { return rest.isEmpty }
    guard let hour = number(1...2), hour < 24, skip(":") != nil, let minute = number(1...2), minute < 60,
      skip(":") != nil, let second = number(1...2), second < 60
    else { return false }
    if skip(".,") != nil {
      let fraction = rest.prefix(while: ASCII.isDigit)
      guard !fraction.isEmpty else { return false }
      rest = rest[fraction.endIndex...]
    }
    if separator == UInt8(ascii: " ") { return rest.isEmpty }
    if skip("Z") != nil { return rest.isEmpty }
    return skip("+-") != nil && number(2...2) != nil && skip(":") != nil && number(2...2) != nil && rest.isEmpty
  }
}

extension YAMLDocument {
  /// The value of a scalar.
  func value(_ node: Node) throws(UnreadableFile) -> YAMLValue {
    let text = text(node)
    if node.kind == .plain { return YAMLValue(plain: text) }
    let implied = YAMLValue(plain: text)
    func refuse() -> UnreadableFile {
      UnreadableFile(line: node.line, problem: "\(quoted(text)) is not what its tag says")
    }
    switch (node.tag, implied) {
    case (.null, .null), (.timestamp, .timestamp): return implied
    case (.bool, .other("true")), (.bool, .other("false")): return implied
    case (.int, .other(let number)) where Int64(number) != nil && !text.contains { ".eE".contains($0) }: return implied
    case (.float, .other(let number)) where number != "true" && number != "false": return implied
    case (.null, _), (.bool, _), (.int, _), (.float, _), (.timestamp, _): throw refuse()
    case (.binary, _):
      guard Self.isBase64(text) else { throw refuse() }
      return .text(text)
    case (.other, _), (nil, _): return .text(text)
    }
  }

  private static func isBase64(_ text: String) -> Bool {
    let bytes = text.utf8.filter { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    let padding = bytes.reversed().prefix { $0 == UInt8(ascii: "=") }.count
    return bytes.count % 4 == 0 && padding <= 2
      && bytes.dropLast(padding).allSatisfy {
        ASCII.isLetterOrDigit($0) || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/")
      }
  }
}
