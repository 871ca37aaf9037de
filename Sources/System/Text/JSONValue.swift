/// A value of JSON (RFC 8259).
package enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  /// As it is written.
  case number(String)
  case string(String)
  case array([JSONValue])
  /// With its names in lower case, as which Go reads them; of two members of one name it is the last.
  case object([String: JSONValue])

  /// Why bytes are no JSON.
  package struct Fault: Error, Hashable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
      self.description = description
    }
  }

  /// Reads a whole text.
  ///
  /// - Throws: ``Fault`` for anything that RFC 8259 does not allow, and for what is nested more than 16 deep.
  package init(_ text: [UInt8]) throws(Fault) {
    var reader = Reader(bytes: text)
    self = try reader.value(depth: 0)
    reader.skipBlanks()
    guard reader.isAtEnd else { throw reader.fault("something follows its end") }
  }

  private struct Reader {
    let bytes: [UInt8]
    private var index = 0
    private static let deepest = 16

    init(bytes: [UInt8]) {
      self.bytes = bytes
    }

    var isAtEnd: Bool { index == bytes.count }
    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    func fault(_ reason: String) -> Fault { Fault("\(reason), at byte \(index + 1)") }

    mutating func skipBlanks() {
      while let byte = next, [0x20, 0x0a, 0x0d, 0x09].contains(byte) { index += 1 }
    }

    mutating func value(depth: Int) throws(Fault) -> JSONValue {
      guard depth < Self.deepest else { throw fault("it is nested too deeply") }
      skipBlanks()
      switch next {
      case UInt8(ascii: "{"): return .object(try members(depth: depth))
      case UInt8(ascii: "["): return .array(try elements(depth: depth))
      case UInt8(ascii: "\""): return .string(try string())
      case UInt8(ascii: "n"): return try word("null", .null)
      case UInt8(ascii: "t"): return try word("true", .bool(true))
      case UInt8(ascii: "f"): return try word("false", .bool(false))
      default: return .number(try number())
      }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
      guard next == byte else { return false }
      index += 1
      return true
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(Fault) -> JSONValue {
      for byte in word.description.utf8 {
        guard take(byte) else { throw fault("no value begins so") }
      }
      return value
    }

    private mutating func elements(depth: Int) throws(Fault) -> [JSONValue] {
      index += 1
      var elements: [JSONValue] = []
      skipBlanks()
      if take(UInt8(ascii: "]")) { return elements }
      repeat {
        elements.append(try value(depth: depth + 1))
        skipBlanks()
      } while take(UInt8(ascii: ","))
      guard take(UInt8(ascii: "]")) else { throw fault("',' or ']' is needed") }
      return elements
    }

    private mutating func members(depth: Int) throws(Fault) -> [String: JSONValue] {
      index += 1
      var members: [String: JSONValue] = [:]
      skipBlanks()
      if take(UInt8(ascii: "}")) { return members }
      repeat {
        skipBlanks()
        guard next == UInt8(ascii: "\"") else { throw fault("a name in quotes is needed") }
        let name = try string().lowercased()
        skipBlanks()
        guard take(UInt8(ascii: ":")) else { throw fault("':' is needed") }
        members[name] = try value(depth: depth + 1)
        skipBlanks()
      } while take(UInt8(ascii: ","))
      guard take(UInt8(ascii: "}")) else { throw fault("',' or '}' is needed") }
      return members
    }

    private mutating func number() throws(Fault) -> String {
      let start = index
      func isDigit(_ byte: UInt8?) -> Bool { byte.map(ASCII.isDigit) ?? false }
      func digits() throws(Fault) {
        guard isDigit(next) else { throw fault(index == start ? "no value begins so" : "a digit is needed") }
        while isDigit(next) { index += 1 }
      }
      if take(UInt8(ascii: "-")), !isDigit(next) { throw fault("a digit is needed") }
      if !take(UInt8(ascii: "0")) { try digits() }
      if take(UInt8(ascii: ".")) { try digits() }
      if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
        if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
        try digits()
      }
      return String(decoding: bytes[start..<index], as: UTF8.self)
    }

    private mutating func string() throws(Fault) -> String {
      index += 1
      var text: [UInt8] = []
      while let byte = next {
        switch byte {
        case UInt8(ascii: "\""):
          guard let string = String(validating: text, as: UTF8.self) else { throw fault("a text is no UTF-8") }
          index += 1
          return string
        case UInt8(ascii: "\\"):
          index += 1
          text += try escape()
        case 0..<0x20: throw fault("a control character stands in a text")
        default:
          text.append(byte)
          index += 1
        }
      }
      throw fault("a text does not end")
    }

    /// What an escape stands for, without the backslash before it.
    private mutating func escape() throws(Fault) -> [UInt8] {
      guard let byte = next else { throw fault("a text does not end") }
      index += 1
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
      case UInt8(ascii: "b"): return [0x08]
      case UInt8(ascii: "f"): return [0x0c]
      case UInt8(ascii: "n"): return [0x0a]
      case UInt8(ascii: "r"): return [0x0d]
      case UInt8(ascii: "t"): return [0x09]
      case UInt8(ascii: "u"):
        var units = [try codeUnit()]
        if UTF16.isLeadSurrogate(units[0]), bytes[index...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) {
          index += 2
          units.append(try codeUnit())
        }
        guard let character = String(validating: units, as: UTF16.self) else {
          throw fault("a half of a character stands in a text")
        }
        return Array(character.utf8)
      default: throw fault("there is no such escape")
      }
    }

    private mutating func codeUnit() throws(Fault) -> UInt16 {
      let digits = bytes[index...].prefix(4)
      guard digits.count == 4, digits.allSatisfy(ASCII.isHexDigit),
        let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
      else { throw fault("four hexadecimal digits are needed") }
      index += 4
      return unit
    }
  }
}
