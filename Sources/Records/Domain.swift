public import System

/// One DNS label, in lower case: 1 to 63 letters, digits, `-` and `_` (RFC 1035 2.3.4, with the `_` of RFC 8552).
///
/// A hyphen may stand first or last: DNS carries such names, existing nodes may publish them, and Traefik and YAML treat them as
/// any other. A name in another script is given in its `xn--` form.
public struct Label: Hashable, Sendable, CustomStringConvertible {
  /// In lower case.
  public let rawValue: String

  public var description: String { rawValue }

  /// Reads a label; upper case is turned to lower.
  ///
  /// - Throws: `InvalidValue` for no bytes, more than 63, or any other character.
  public init(_ text: String) throws(InvalidValue) {
    if let fault = Self.fault(text.utf8[...]) {
      let first = text.prefix { $0 != "." }
      if first.endIndex != text.endIndex, let label = try? Label(String(first)) {
        throw InvalidValue("name", text, "it is one label, without the node's domain: \(quoted(label.rawValue))")
      }
      throw InvalidValue("name", text, "it \(fault)" + Self.hint(text))
    }
    rawValue = text.lowercased()
  }

  /// For a name in another script: how the DNS writes it.
  static func hint(_ text: some StringProtocol) -> String {
    Punycode.name(text).map { "; in the DNS it is written \(quoted($0))" } ?? ""
  }

  /// Why `bytes` is no label, said of it; `nil` when it is one. The one place that knows the rule.
  static func fault(_ bytes: Substring.UTF8View) -> String? {
    if bytes.isEmpty { return "is empty" }
    if bytes.count > 63 { return "is longer than 63 bytes" }
    if !bytes.allSatisfy({ ASCII.isLetterOrDigit($0) || $0 == ASCII.hyphen || $0 == ASCII.underscore }) {
      return "may hold only letters, digits, '-' and '_'"
    }
    return nil
  }
}

/// A fully qualified domain name, in lower case and without a trailing dot: at least two labels (see ``Label``), at most 253 bytes.
///
/// The last label is never all digits (RFC 1123 2.1), so an IPv4 address is no domain.
public struct Domain: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// In lower case, without a trailing dot.
  public let rawValue: String

  public var description: String { rawValue }

  /// Upper case is turned to lower and one trailing dot is dropped.
  ///
  /// - Throws: `InvalidValue` for fewer than two labels, more than 253 bytes, a faulty label, or a last label of digits only.
  public init(_ text: some StringProtocol) throws(InvalidValue) {
    var bytes = Substring(text).utf8
    if bytes.last == ASCII.dot { bytes.removeLast() }
    guard !bytes.isEmpty else { throw InvalidValue("domain", text, "it is empty") }
    guard bytes.count <= 253 else { throw InvalidValue("domain", text, "it is longer than 253 bytes") }
    var labels = 0
    var rest = bytes
    var last = bytes
    while true {
      last = rest.prefix { $0 != ASCII.dot }
      if let fault = Label.fault(last) {
        throw InvalidValue("domain", text, "a label \(fault)" + Label.hint(Substring(bytes)))
      }
      labels += 1
      guard last.endIndex != rest.endIndex else { break }
      rest = rest[rest.index(after: last.endIndex)...]
    }
    guard labels >= 2 else { throw InvalidValue("domain", text, "it needs at least two labels") }
    guard !last.allSatisfy(ASCII.isDigit) else { throw InvalidValue("domain", text, "the last label is a number") }
    rawValue = Substring(bytes).lowercased()
  }

  /// The domain of `label` in `zone`.
  ///
  /// Throws when that is longer than 253 bytes.
  public init(_ label: Label, in zone: Domain) throws(InvalidValue) {
    try self.init("\(label).\(zone)")
  }

  /// Whether this is `zone` or a name below it, compared label by label: `evilexample.com` is not inside `example.com`.
  public func isInside(_ zone: Domain) -> Bool {
    let bytes = rawValue.utf8
    let zoneBytes = zone.rawValue.utf8
    guard bytes.count > zoneBytes.count else { return self == zone }
    return bytes.suffix(zoneBytes.count).elementsEqual(zoneBytes)
      && bytes.dropLast(zoneBytes.count).last == ASCII.dot
  }

  /// The domain without its first label, which a wildcard for this one stands in; `nil` when that has one label only.
  public var parent: Domain? {
    let rest = rawValue.utf8.drop { $0 != ASCII.dot }.dropFirst()
    guard rest.contains(ASCII.dot) else { return nil }
    return Domain(unchecked: String(Substring(rest)))
  }

  private init(unchecked text: String) {
    rawValue = text
  }

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
