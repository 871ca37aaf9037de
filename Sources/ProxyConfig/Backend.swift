/// Where TLS ends: at Traefik, which then speaks HTTP with the backends, or at the backend, to which Traefik passes the bytes.
public enum TLSMode: Hashable, Sendable {
  case terminated
  case passthrough
}

/// One server of a workload: an address, a port, and how Traefik talks to it.
///
/// With TLS terminated at Traefik it is written `http://IP[:port]` or `https://IP[:port]`, with TLS passed through `IP:port` or
/// `https://IP[:port]`; IPv6 stands in brackets. The default ports are 80 and 443.
public struct Backend: Hashable, Sendable {
  public enum Scheme: String, Hashable, Sendable {
    case http
    case https
  }

  public let address: IPAddress
  /// 1 to 65535.
  public let port: UInt16
  /// `nil` for a backend to which TLS is passed through.
  public let scheme: Scheme?

  public init(_ text: String, for mode: TLSMode, under policy: AddressPolicy) throws(InvalidValue) {
    do throws(Fault) {
      let (scheme, authority) = try Self.splitScheme(text, mode)
      (address, port) = try Self.parse(authority, defaultPort: scheme.map { $0 == .http ? 80 : 443 })
      if let reason = policy.fault(address) { throw Fault(reason) }
      self.scheme = mode == .terminated ? scheme : nil
    } catch {
      throw InvalidValue("backend", text, error.rule)
    }
  }

  private struct Fault: Error {
    let rule: String
    init(_ rule: String) { self.rule = rule }
  }

  private static func splitScheme(_ text: String, _ mode: TLSMode) throws(Fault) -> (Scheme?, Substring.UTF8View) {
    let bytes = text.utf8[...]
    if bytes.starts(with: "https://".utf8) { return (.https, bytes.dropFirst(8)) }
    switch mode {
    case .terminated:
      guard bytes.starts(with: "http://".utf8) else { throw Fault("it must be http://IP[:port] or https://IP[:port]") }
      return (.http, bytes.dropFirst(7))
    case .passthrough:
      // "://" cannot be part of IP:port; without this a URL would be told that its host is no IP address.
      guard !text.contains("://") else {
        throw Fault("with TLS passed through it must be IP:port or https://IP[:port]")
      }
      return (nil, bytes)
    }
  }

  private static func parse(
    _ authority: Substring.UTF8View, defaultPort: UInt16?
  ) throws(Fault) -> (IPAddress, UInt16) {
    for byte in authority {
      switch byte {
      case UInt8(ascii: "/"): throw Fault("it must have no path")
      case UInt8(ascii: "?"): throw Fault("it must have no query")
      case UInt8(ascii: "#"): throw Fault("it must have no fragment")
      case UInt8(ascii: "@"): throw Fault("it must have no credentials")
      default: continue
      }
    }
    let host: Substring.UTF8View
    let rest: Substring.UTF8View
    if authority.first == UInt8(ascii: "[") {
      host = authority.dropFirst().prefix { $0 != UInt8(ascii: "]") }
      guard host.contains(colon), host.endIndex != authority.endIndex else {
        throw Fault("brackets must hold an IPv6 address")
      }
      rest = authority[authority.index(after: host.endIndex)...]
    } else {
      host = authority.prefix { $0 != colon }
      rest = authority[host.endIndex...]
      guard !rest.dropFirst().contains(colon) else { throw Fault("an IPv6 address must stand in brackets") }
    }
    guard let address = IPAddress(parsing: Substring(host)) else { throw Fault("the host must be an IP address") }
    if rest.isEmpty {
      guard let defaultPort else { throw Fault("the port is missing") }
      return (address, defaultPort)
    }
    let digits = rest.dropFirst()
    guard rest.first == colon, digits.allSatisfy(ASCII.isDigit), digits.first != UInt8(ascii: "0"),
      let port = UInt16(Substring(digits))
    else { throw Fault("the port must be a number from 1 to 65535") }
    return (address, port)
  }

  private static let colon = UInt8(ascii: ":")
}

extension Backend: CustomStringConvertible {
  /// The canonical text, which Traefik reads: always with the port.
  public var description: String {
    let host = address.isIPv4 ? "\(address)" : "[\(address)]"
    return (scheme.map { "\($0.rawValue)://" } ?? "") + "\(host):\(port)"
  }
}
