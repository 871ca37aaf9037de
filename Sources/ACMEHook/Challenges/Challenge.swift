/// One DNS-01 challenge: a record to be found in the DNS for as long as a certificate authority looks.
///
/// A name may have several at a time, as when one order is for a domain and for the wildcard in it.
public struct Challenge: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let name: ChallengeName
  public let value: ChallengeValue

  public var description: String { "\(name) \(value)" }

  /// Reads both as an ACME client hands them over.
  public init(name: String, value: String) throws(InvalidChallenge) {
    self.name = try ChallengeName(name)
    self.value = try ChallengeValue(value)
  }

  public static func < (a: Self, b: Self) -> Bool { (a.name, a.value) < (b.name, b.value) }
}

/// A challenge that is none, or that is not this node's to answer.
public struct InvalidChallenge: Error, Hashable, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}
