/// A range of IP addresses, written `IP` for one address or `IP/BITS` (RFC 4632).
public struct IPNetwork: Hashable, Sendable {
  /// Its first address, or any of them.
  public let address: IPAddress
  /// How many of the address's first bits all addresses of the range share: 0 to 32 for IPv4, 0 to 128 for IPv6.
  public let bits: Int

  /// Reads `IP` or `IP/BITS`, without brackets.
  ///
  /// - Throws: `InvalidValue` for a text that is no IP address before the slash, and for bits that are no number from 0 to 32, or
  ///   to 128 for IPv6.
  public init(_ text: String) throws(InvalidValue) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = IPAddress(parsing: parts[0]), address.isIPv4 != parts[0].utf8.contains(UInt8(ascii: ":")) else {
      throw InvalidValue("IP network", text, "it must be IP or IP/BITS")
    }
    let most = address.isIPv4 ? 32 : 128
    var bits = most
    if parts.count == 2 {
      guard !parts[1].isEmpty, parts[1].utf8.allSatisfy(ASCII.isDigit), let number = Int(parts[1]), number <= most
      else {
        throw InvalidValue("IP network", text, "the bits must be a number from 0 to \(most)")
      }
      bits = number
    }
    (self.address, self.bits) = (address, bits)
  }
}

extension IPNetwork: CustomStringConvertible {
  public var description: String { "\(address)/\(bits)" }
}
