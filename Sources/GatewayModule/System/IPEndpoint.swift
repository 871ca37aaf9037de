public import ProxyConfig

/// An IP address and a port, the other end of a connection.
public struct IPEndpoint: Hashable, Sendable, CustomStringConvertible {
  public let address: IPAddress
  /// 1 to 65535.
  public let port: UInt16

  public init(address: IPAddress, port: UInt16) throws(InvalidIPEndpoint) {
    guard port != 0 else {
      throw InvalidIPEndpoint(input: "\(address) port 0", rule: "the port must be a number from 1 to 65535")
    }
    self.address = address
    self.port = port
  }

  /// Reads `192.0.2.1:53` and `[2001:db8::1]:53`, and where there is a default port, both without one.
  public init(_ text: String, defaultPort: UInt16? = nil) throws(InvalidIPEndpoint) {
    func fault(_ rule: String) -> InvalidIPEndpoint { InvalidIPEndpoint(input: text, rule: rule) }

    let host: Substring
    let rest: Substring
    if text.first == "[" {
      guard let bracket = text.firstIndex(of: "]") else { throw fault("the closing bracket is missing") }
      host = text[..<bracket].dropFirst()
      rest = text[bracket...].dropFirst()
      guard host.contains(":") else { throw fault("brackets must hold an IPv6 address") }
    } else {
      host = text.prefix { $0 != ":" }
      rest = text[host.endIndex...]
      guard !rest.dropFirst().contains(":") else { throw fault("an IPv6 address must stand in brackets") }
    }
    guard let address = try? IPAddress(String(host)) else { throw fault("the host must be an IP address") }
    self.address = address

    if rest.isEmpty {
      guard let defaultPort else { throw fault("the port is missing") }
      port = defaultPort
    } else {
      let digits = rest.dropFirst()
      guard rest.first == ":", digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
        let port = UInt16(digits), port != 0
      else { throw fault("the port must be a number from 1 to 65535") }
      self.port = port
    }
  }

  public var description: String {
    address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
  }
}

/// A text that is no ``IPEndpoint``.
public struct InvalidIPEndpoint: Error, Equatable, CustomStringConvertible {
  public let input: String
  public let rule: String

  public var description: String { "invalid address \(String(reflecting: input)): \(rule)" }
}
