/// An IP address and a port, written `IP:port`, with IPv6 in brackets.
public struct Endpoint: Hashable, Sendable {
  /// Any address; what may be used is for an ``AddressPolicy`` to say.
  public let address: IPAddress
  /// 1 to 65535.
  public let port: UInt16

  /// What is wrong with a text, for whoever knows what it was meant to be.
  package struct SyntaxFault: Error {
    package let rule: String
    package init(_ rule: String) { self.rule = rule }
  }

  /// - Parameters:
  ///   - address: any address.
  ///   - port: from 1 to 65535.
  public init(address: IPAddress, port: UInt16) {
    self.address = address
    self.port = port
  }

  /// - Parameters:
  ///   - text: `IP:port`, with IPv6 in brackets.
  ///   - defaultPort: the port when there is none in the text; `nil` where there has to be one.
  /// - Throws: `InvalidValue` for a host that is no IP address, IPv6 without brackets, and a port that is missing or not from 1 to
  ///   65535.
  public init(_ text: String, defaultPort: UInt16? = nil) throws(InvalidValue) {
    do throws(SyntaxFault) {
      try self.init(text.utf8[...], defaultPort: defaultPort)
    } catch {
      throw InvalidValue("address", text, error.rule)
    }
  }

  /// - Parameter defaultPort: the port when there is none in the text; `nil` where there has to be one.
  package init(_ text: Substring.UTF8View, defaultPort: UInt16?) throws(SyntaxFault) {
    let host: Substring.UTF8View
    let rest: Substring.UTF8View
    if text.first == UInt8(ascii: "[") {
      host = text.dropFirst().prefix { $0 != UInt8(ascii: "]") }
      guard host.contains(colon), host.endIndex != text.endIndex else {
        throw SyntaxFault("brackets must hold an IPv6 address")
      }
      rest = text[text.index(after: host.endIndex)...]
    } else {
      host = text.prefix { $0 != colon }
      rest = text[host.endIndex...]
      guard !rest.dropFirst().contains(colon) else { throw SyntaxFault("an IPv6 address must stand in brackets") }
    }
    guard let address = IPAddress(parsing: Substring(host)) else { throw SyntaxFault("the host must be an IP address") }
    self.address = address
    if rest.isEmpty, let defaultPort {
      port = defaultPort
    } else if rest.isEmpty {
      throw SyntaxFault("the port is missing")
    } else {
      port = try Self.port(rest)
    }
  }

  /// Reads `:port`.
  static func port(_ text: Substring.UTF8View) throws(SyntaxFault) -> UInt16 {
    let digits = text.dropFirst()
    guard text.first == colon, digits.allSatisfy(ASCII.isDigit), digits.first != UInt8(ascii: "0"),
      let port = UInt16(Substring(digits))
    else { throw SyntaxFault("the port must be a number from 1 to 65535") }
    return port
  }
}

extension Endpoint: CustomStringConvertible {
  public var description: String {
    address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
  }
}

private let colon = UInt8(ascii: ":")
