import System

/// What the record of a DNS-01 challenge says: 1 to 255 characters of base64url (RFC 4648, section 5) without padding.
///
/// A certificate authority asks for a SHA-256 digest, which has 43 (RFC 8555, section 8.4). Any that fit into one string
/// of a TXT record (RFC 1035, section 3.3) are taken, so that a node's DNS can be tried with a word.
public struct ChallengeValue: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let rawValue: String

  public var description: String { rawValue }

  public init(_ text: String) throws(InvalidChallenge) {
    guard (1...255).contains(text.utf8.count) else {
      throw InvalidChallenge("invalid challenge value \(quoted(text)): it must have 1 to 255 characters")
    }
    guard text.utf8.allSatisfy(Self.isBase64URL) else {
      throw InvalidChallenge("invalid challenge value \(quoted(text)): only letters, digits, '-' and '_' may appear")
    }
    rawValue = text
  }

  private static func isBase64URL(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
