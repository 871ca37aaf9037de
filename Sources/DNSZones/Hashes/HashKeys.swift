public import Records

/// Which keys of a Redis server are those of zones: a prefix, the zone's name in lower case with a dot at its end, a suffix.
public struct HashKeys: Hashable, Sendable {
  public let prefix: String
  public let suffix: String

  public init(prefix: String = "", suffix: String = "") {
    self.prefix = prefix
    self.suffix = suffix
  }

  /// The zone whose hash a key is that of; nil for any other key.
  public func domain(of key: some Collection<UInt8>) -> Domain? {
    guard key.count > prefix.utf8.count + suffix.utf8.count, key.starts(with: prefix.utf8),
      key.suffix(suffix.utf8.count).elementsEqual(suffix.utf8),
      let name = String(validating: key.dropFirst(prefix.utf8.count).dropLast(suffix.utf8.count), as: UTF8.self),
      let domain = try? Domain(name), name == "\(domain)."
    else { return nil }
    return domain
  }

  public func key(of domain: Domain) -> String { "\(prefix)\(domain).\(suffix)" }
}
