/// Where the Redis server of a node is.
///
/// - `unix:///var/run/redis.sock`
/// - `tcp://host[:port]`, `tcp://password@host[:port]`
/// - `redis://[[user:]password@]host[:port][/database]`; `user:` alone, or `:password`, may stand before the `@` too
///
/// The port is 6379 unless given. `%xx` in a user name, password or path stands for one byte (RFC 3986).
public struct BrokerURL: Hashable, Sendable, CustomStringConvertible {
  enum Address: Hashable, Sendable {
    case unix(path: String)
    case tcp(host: String, port: Int)
  }

  let address: Address
  let user: String?
  let password: String?
  let database: Int

  /// The URL without its password, for logs and error texts.
  public let description: String

  public struct Invalid: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
  }

  public init(_ text: String) throws(Invalid) {
    func invalid(_ reason: String) -> Invalid {
      // The text may hold a password: only its scheme is shown.
      let scheme = text.firstRange(of: "://").map { String(text[..<$0.lowerBound]) }
      let shown = text.contains("@") ? "\(scheme ?? "…")://…@\(text.split(separator: "@").last ?? "")" : text
      return Invalid(description: "broker URL '\(shown)': \(reason)")
    }
    guard let separator = text.firstRange(of: "://") else {
      throw invalid("expected unix:///PATH, tcp://HOST:PORT or redis://HOST:PORT")
    }
    let scheme = text[..<separator.lowerBound]
    let rest = text[separator.upperBound...]

    switch scheme {
    case "unix":
      guard let path = Self.unescape(rest), path.hasPrefix("/") else {
        throw invalid("a socket's path must be absolute, as in unix:///var/run/redis.sock")
      }
      // sockaddr_un.sun_path has 108 bytes, with the closing NUL.
      guard path.utf8.count <= 107, !path.utf8.contains(0) else {
        throw invalid("a socket's path has at most 107 bytes")
      }
      address = .unix(path: path)
      (user, password, database) = (nil, nil, 0)
      description = "unix://\(path)"

    case "tcp", "redis":
      let at = rest.lastIndex(of: "@")
      let credentials = at.map { rest[..<$0] }
      var location = at.map { rest[rest.index(after: $0)...] } ?? rest
      var database = 0
      if let slash = location.firstIndex(of: "/") {
        let path = location[location.index(after: slash)...]
        guard scheme == "redis" || path.isEmpty else { throw invalid("a path is only for redis:// URLs") }
        if !path.isEmpty {
          guard let number = Int(path), number >= 0 else { throw invalid("the database must be a number") }
          database = number
        }
        location = location[..<slash]
      }
      let (host, port) = try Self.hostAndPort(location, invalid)
      address = .tcp(host: host, port: port)
      self.database = database

      var user: Substring?
      var password = credentials
      if scheme == "redis", let credentials, let colon = credentials.firstIndex(of: ":") {
        user = credentials[..<colon]
        password = credentials[credentials.index(after: colon)...]
      }
      func part(_ text: Substring?) throws(Invalid) -> String? {
        guard let text, !text.isEmpty else { return nil }
        guard let part = Self.unescape(text) else { throw invalid("a '%' needs two hexadecimal digits") }
        return part
      }
      self.user = try part(user)
      self.password = try part(password)
      description =
        "\(scheme)://\(location.hasSuffix(":\(port)") ? String(location) : "\(location):\(port)")"
        + (database == 0 ? "" : "/\(database)")

    default: throw invalid("the scheme must be unix, tcp or redis")
    }
  }

  private static func hostAndPort(
    _ location: Substring, _ invalid: (String) -> Invalid
  ) throws(Invalid) -> (String, Int) {
    var host = location
    var port: Substring?
    if location.hasPrefix("[") {
      guard let end = location.firstIndex(of: "]") else { throw invalid("'[' without ']'") }
      host = location[location.index(after: location.startIndex)..<end]
      let after = location[location.index(after: end)...]
      guard after.isEmpty || after.hasPrefix(":") else { throw invalid("only a port may follow ']'") }
      port = after.isEmpty ? nil : after.dropFirst()
    } else if let colon = location.lastIndex(of: ":") {
      host = location[..<colon]
      port = location[location.index(after: colon)...]
      guard !host.contains(":") else { throw invalid("an IPv6 address stands in brackets") }
    }
    guard !host.isEmpty else { throw invalid("the host is missing") }
    guard let port else { return (String(host), 6379) }
    guard let number = Int(port), (1...65535).contains(number) else {
      throw invalid("the port must be a number from 1 to 65535")
    }
    return (String(host), number)
  }

  private static func unescape(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let value = UInt8(String(Substring(rest.prefix(2))), radix: 16) else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
