public import Records
import System

/// Where the record of a DNS-01 challenge stands: `_acme-challenge.` and the domain it is about (RFC 8555, section 8.4).
public struct ChallengeName: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The whole name.
  public let name: Domain
  /// What the certificate is for: this domain, or a wildcard in it.
  public let domain: Domain

  public var description: String { name.rawValue }

  /// Reads a name in upper or lower case, with or without the dot at its end.
  public init(_ text: String) throws(InvalidChallenge) {
    do throws(InvalidValue) {
      name = try Domain(text)
    } catch {
      throw InvalidChallenge("\(error)")
    }
    guard name.rawValue.hasPrefix("_acme-challenge."), let domain = name.parent else {
      throw InvalidChallenge("invalid challenge name \(quoted(text)): it must be _acme-challenge.DOMAIN")
    }
    self.domain = domain
  }

  public static func < (a: Self, b: Self) -> Bool { a.name < b.name }
}
