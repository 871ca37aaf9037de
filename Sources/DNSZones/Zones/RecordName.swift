public import Records
public import System

/// The full name of records: a domain, or a wildcard, which stands for every name below a domain that has nothing itself (RFC 4592).
public struct RecordName: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The domain, without the wildcard.
  public let domain: Domain
  /// Whether the name is `*.` and the domain.
  public let isWildcard: Bool

  public var description: String { isWildcard ? "*.\(domain)" : domain.rawValue }

  /// - Parameter text: `web.example.net` or `*.example.net`, with or without a dot at the end; upper case is turned to lower.
  /// - Throws: `InvalidValue` for what is no domain (see `Domain`), for a `*` that is not the whole first label, and for more
  ///   than 253 bytes.
  public init(_ text: String) throws(InvalidValue) {
    isWildcard = text.hasPrefix("*.")
    guard text.utf8.count <= 254 else { throw InvalidValue("name", text, "it is longer than 253 bytes") }
    do throws(InvalidValue) {
      domain = try Domain(isWildcard ? String(text.dropFirst(2)) : text)
    } catch {
      guard text.contains("*") else { throw error }
      throw InvalidValue("name", text, "'*' may only be the first label, as a whole")
    }
    guard description.utf8.count <= 253 else { throw InvalidValue("name", text, "it is longer than 253 bytes") }
  }

  /// The name of a domain itself.
  public init(_ domain: Domain) {
    self.domain = domain
    isWildcard = false
  }

  /// The wildcard for what is directly below a domain, which has at most 251 bytes.
  package init(wildcardIn domain: Domain) {
    self.domain = domain
    isWildcard = true
  }

  /// The name without its first labels, as many as begin with `_` or are `*`: what is said under those (RFC 8552), a
  /// certificate authority's challenge above all, is believed of this one. nil where less than a domain is left.
  package var subject: Domain? {
    var subject: Domain? = domain
    while let name = subject, name.rawValue.hasPrefix("_") { subject = name.parent }
    return subject
  }

  public static func < (a: Self, b: Self) -> Bool {
    (a.domain, a.isWildcard ? 1 : 0) < (b.domain, b.isWildcard ? 1 : 0)
  }
}
