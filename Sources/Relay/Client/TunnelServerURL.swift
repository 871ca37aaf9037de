public import System

/// Where the clients of a tunnel dial in: `tls://HOST[:PORT]`, by default port 443, or `tcp://HOST[:PORT]`, in clear, by default 18000. The
/// host is a name or an IP address, IPv6 in brackets.
public struct TunnelServerURL: Hashable, Sendable, CustomStringConvertible {
  public let isSecure: Bool
  /// Without brackets.
  public let host: String
  /// 1 to 65535.
  public let port: UInt16

  /// - Throws: `InvalidValue` for another form.
  public init(_ text: String) throws(InvalidValue) {
    func invalid(_ rule: String) -> InvalidValue { InvalidValue("server", text, rule) }
    let rest: Substring
    if text.hasPrefix("tls://") {
      isSecure = true
    } else if text.hasPrefix("tcp://") {
      isSecure = false
    } else {
      throw invalid("it must be tls://HOST[:PORT] or tcp://HOST[:PORT]")
    }
    rest = text.dropFirst("tls://".count)
    let digits: Substring
    if rest.hasPrefix("[") {
      guard let end = rest.firstIndex(of: "]"), (try? IPAddress(String(rest[..<end].dropFirst()))) != nil else {
        throw invalid("brackets must hold an IPv6 address")
      }
      host = String(rest[..<end].dropFirst())
      digits = rest[rest.index(after: end)...]
    } else {
      host = String(rest.prefix { $0 != ":" })
      digits = rest.dropFirst(host.count)
    }
    guard !host.isEmpty, host.utf8.allSatisfy({ ASCII.isLetterOrDigit($0) || "-._:".utf8.contains($0) }) else {
      throw invalid("the host must be a name or an IP address")
    }
    if digits.isEmpty {
      port = isSecure ? 443 : 18000
    } else {
      guard digits.hasPrefix(":"), digits.dropFirst().utf8.allSatisfy(ASCII.isDigit),
        let number = UInt16(digits.dropFirst()), number > 0
      else {
        throw invalid("the port must be a number from 1 to 65535")
      }
      port = number
    }
  }

  public var description: String {
    "\(isSecure ? "tls" : "tcp")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
  }
}
