import Records
import System

/// An object in a hash's JSON, which says one record, or the start of a zone's authority.
struct HashElement {
  /// A type of records, and how an element says the data of one.
  struct Kind: Sendable {
    let type: RecordType
    /// In presentation format.
    let value: @Sendable (HashElement) throws(InvalidValue) -> String
  }

  /// By the names of their lists.
  static let kinds: [String: Kind] = [
    "a": Kind(type: .a) { (element) throws(InvalidValue) in try element.address(isIPv4: true) },
    "aaaa": Kind(type: .aaaa) { (element) throws(InvalidValue) in try element.address(isIPv4: false) },
    "cname": Kind(type: .cname) { (element) throws(InvalidValue) in "\(try element.name("host"))." },
    "ns": Kind(type: .ns) { (element) throws(InvalidValue) in "\(try element.name("host"))." },
    "mx": Kind(type: .mx) { (element) throws(InvalidValue) in
      "\(try element.number("preference", upTo: 65_535) ?? 0) \(try element.name("host"))."
    },
    "srv": Kind(type: .srv) { (element) throws(InvalidValue) in
      var numbers: [String] = []
      for name in ["priority", "weight", "port"] { numbers.append("\(try element.number(name, upTo: 65_535) ?? 0)") }
      return "\(numbers.joined(separator: " ")) \(try element.name("target"))."
    },
    "caa": Kind(type: .caa) { (element) throws(InvalidValue) in
      let tag = try element.text("tag")
      guard tag.utf8.allSatisfy(ASCII.isLetterOrDigit) else {
        throw InvalidValue("tag", tag, "it may hold only letters and digits")
      }
      return "\(try element.number("flag", upTo: 255) ?? 0) \(tag) \(strings(try element.text("value"), most: .max))"
    },
    "txt": Kind(type: .txt) { (element) throws(InvalidValue) in strings(try element.text("text"), most: 255) },
  ]

  /// The greatest TTL (RFC 2181, 8), in seconds.
  static let longest = Int(Int32.max)
  /// That of an element without one, in seconds.
  private static let standardTTL = 300

  private let members: [String: JSONValue]

  init(_ value: JSONValue) throws(InvalidValue) {
    guard case .object(let members) = value else { throw InvalidValue("it is no JSON object") }
    self.members = members
  }

  func record(_ kind: Kind) throws(InvalidValue) -> RecordSet.Record {
    let ttl = try number("ttl", upTo: Self.longest) ?? Self.standardTTL
    return try RecordSet.Record(kind.type, anyTTL: ttl, value: try kind.value(self))
  }

  /// What a member says; nil where it is not there, or null.
  private func value(_ name: String) -> JSONValue? { members[name].flatMap { $0 == .null ? nil : $0 } }

  /// Of at least one character; nil where it is not there, or empty.
  private func text(ifThere name: String) throws(InvalidValue) -> String? {
    guard let value = value(name) else { return nil }
    guard case .string(let text) = value else { throw InvalidValue("\(quoted(name)) is no text") }
    return text.isEmpty ? nil : text
  }

  private func text(_ name: String) throws(InvalidValue) -> String {
    guard let text = try text(ifThere: name) else { throw InvalidValue("\(quoted(name)) is missing") }
    return text
  }

  /// nil where it is not there.
  func number(_ name: String, upTo most: Int) throws(InvalidValue) -> Int? {
    guard let value = value(name) else { return nil }
    guard case .number(let digits) = value, let number = Int(digits), (0...most).contains(number) else {
      throw InvalidValue("\(quoted(name)) is no whole number from 0 to \(most)")
    }
    return number
  }

  /// A whole name, with or without a dot at its end: in lower case and without it; nil where it is not there.
  func name(ifThere name: String) throws(InvalidValue) -> String? {
    guard let text = try text(ifThere: name) else { return nil }
    if text == "." { return "" }
    let whole = text.hasSuffix(".") ? String(text.dropLast()) : text
    guard whole.utf8.count <= 253 else { throw InvalidValue(name, text, "it is longer than 253 bytes") }
    for label in whole.split(separator: ".", omittingEmptySubsequences: false) {
      guard (try? Label(String(label))) != nil else {
        throw InvalidValue(name, text, "a label has 1 to 63 letters, digits, '-' and '_'")
      }
    }
    return whole.lowercased()
  }

  private func name(_ name: String) throws(InvalidValue) -> String {
    guard let text = try self.name(ifThere: name) else { throw InvalidValue("\(quoted(name)) is missing") }
    return text
  }

  private func address(isIPv4: Bool) throws(InvalidValue) -> String {
    let text = try text("ip")
    guard let address = try? IPAddress(text), address.isIPv4 == isIPv4 else {
      throw InvalidValue("ip", text, "it is no IPv\(isIPv4 ? 4 : 6) address")
    }
    return address.description
  }

  /// A text as strings in presentation format, in which nothing can end the string.
  private static func strings(_ text: String, most: Int) -> String {
    var result = ""
    for (index, byte) in text.utf8.enumerated() {
      if index % most == 0 { result += index == 0 ? "\"" : "\" \"" }
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0..<0x20, 0x7f...:
        let digits = String(byte)
        result += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
      default: result.unicodeScalars.append(Unicode.Scalar(byte))
      }
    }
    return result + "\""
  }
}
