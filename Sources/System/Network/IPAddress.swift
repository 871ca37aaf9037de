import Glibc

/// An IPv4 or IPv6 address.
///
/// An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) is the IPv4 address it stands for: both are equal, print alike and fall under
/// the same rules. There are no zone identifiers (`fe80::1%eth0`).
public struct IPAddress: Hashable, Sendable {
  // The 16 bytes in network order, as two big-endian halves; IPv4 in its mapped form.
  private let high: UInt64
  private let low: UInt64

  private static let mappedPrefix: UInt64 = 0xffff

  /// Reads four decimal numbers without leading zeros, or IPv6 as RFC 4291 2.2 writes it, without brackets.
  ///
  /// - Throws: `InvalidValue` for any other text.
  public init(_ text: String) throws(InvalidValue) {
    guard let address = Self(parsing: text) else {
      throw InvalidValue("IP address", text, "it is no IPv4 or IPv6 address")
    }
    self = address
  }

  init?(parsing text: some StringProtocol) {
    // Also keeps NUL, which would cut the C string short, and zone identifiers out.
    guard text.utf8.allSatisfy({ ASCII.isHexDigit($0) || $0 == ASCII.dot || $0 == UInt8(ascii: ":") }) else {
      return nil
    }
    let family = text.utf8.contains(UInt8(ascii: ":")) ? AF_INET6 : AF_INET
    let bytes = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { buffer -> Self? in
      buffer.initialize(repeating: 0)
      guard text.withCString({ inet_pton(family, $0, buffer.baseAddress) }) == 1 else { return nil }
      return Self(bytes: buffer.prefix(family == AF_INET ? 4 : 16))
    }
    guard let bytes else { return nil }
    self = bytes
  }

  /// An address from its 4 or 16 bytes in network order; `nil` for any other number of them.
  public init?(bytes: some Collection<UInt8>) {
    switch bytes.count {
    case 4:
      high = 0
      low = Self.mappedPrefix << 32 | bytes.reduce(0) { $0 << 8 | UInt64($1) }
    case 16:
      high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
      low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
    default:
      return nil
    }
  }

  /// Whether it is one of IPv4, also when it was given as IPv4-mapped IPv6.
  public var isIPv4: Bool { high == 0 && low >> 32 == Self.mappedPrefix }

  private var ipv4: UInt32? { isIPv4 ? UInt32(truncatingIfNeeded: low) : nil }

  /// `::`, and all of `0.0.0.0/8`, "this network" (RFC 1122 3.2.1.3), of which Linux takes `0.0.0.0` for itself.
  public var isUnspecified: Bool {
    ipv4.map { $0 >> 24 == 0 } ?? (high == 0 && low == 0)
  }

  /// `127.0.0.0/8` and `::1`.
  public var isLoopback: Bool {
    ipv4.map { $0 >> 24 == 127 } ?? (high == 0 && low == 1)
  }

  /// `169.254.0.0/16` and `fe80::/10`.
  public var isLinkLocal: Bool {
    ipv4.map { $0 >> 16 == 0xa9fe } ?? (high >> 54 == 0xfe80 >> 6)
  }

  /// `224.0.0.0/4` and `ff00::/8`.
  public var isMulticast: Bool {
    ipv4.map { $0 >> 28 == 0xe } ?? (high >> 56 == 0xff)
  }

  /// `255.255.255.255`.
  public var isBroadcast: Bool { ipv4 == .max }

  /// Why nothing that somebody asks for may lead there, whatever the node's own addresses are; nil when it may.
  ///
  /// - Parameter allowsLoopback: for trials on one machine.
  package func faultAsTarget(allowsLoopback: Bool) -> String? {
    if isUnspecified { return "the address is unspecified" }
    if isLoopback { return allowsLoopback ? nil : "the address is loopback" }
    if isLinkLocal { return "the address is link-local" }
    if isMulticast { return "the address is multicast" }
    if isBroadcast { return "the address is broadcast" }
    return nil
  }
}

extension IPAddress: CustomStringConvertible {
  /// The one canonical text: a dotted quad, or RFC 5952 without brackets.
  public var description: String {
    if let ipv4 {
      return "\(ipv4 >> 24).\(ipv4 >> 16 & 0xff).\(ipv4 >> 8 & 0xff).\(ipv4 & 0xff)"
    }
    let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> (48 - 16 * ($0 % 4))) }
    let zeros = Self.longestRunOfZeros(in: groups)
    let text = { (part: ArraySlice<UInt16>) in part.map { String($0, radix: 16) }.joined(separator: ":") }
    guard zeros.count >= 2 else { return text(groups[...]) }
    return text(groups[..<zeros.lowerBound]) + "::" + text(groups[zeros.upperBound...])
  }

  /// The first of the longest ones (RFC 5952 4.2.3).
  private static func longestRunOfZeros(in groups: [UInt16]) -> Range<Int> {
    var longest = 0..<0
    var start = 0
    for index in groups.indices {
      if groups[index] != 0 {
        start = index + 1
      } else if index + 1 - start > longest.count {
        longest = start..<index + 1
      }
    }
    return longest
  }
}
