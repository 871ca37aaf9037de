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

  /// Why a text is no broker URL, in one line that names it without what could be its password.
  public struct Invalid: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
  }

  /// Reads one of the forms above.
  ///
  /// - Throws: ``Invalid``, for another scheme, a relative or too long path, a faulty host, a port that is not from 1 to 65535,
  ///   or a database that is no number.
  public init(_ text: String) throws(Invalid) {
    func invalid(_ reason: String) -> Invalid {
      Invalid(description: "broker URL '\(Self.withoutSecrets(text))': \(reason)")
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
          guard let number = Self.number(path) else { throw invalid("the database must be a number") }
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
        guard let part = Self.unescape(text) else {
          throw invalid("a '%' needs two hexadecimal digits, and all of them together must be UTF-8")
        }
        return part
      }
      self.user = try part(user)
      self.password = try part(password)
      description =
        "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(port)" + (database == 0 ? "" : "/\(database)")

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
    guard host.utf8.allSatisfy(Self.isHostByte) else {
      throw invalid("a host has only letters, digits, '.', '-' and '_', or is an IPv6 address in brackets")
    }
    guard let port else { return (String(host), 6379) }
    guard let number = Self.number(port), (1...65535).contains(number) else {
      throw invalid("the port must be a number from 1 to 65535")
    }
    return (String(host), number)
  }

  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ":"):
      true
    default: false
    }
  }

  /// A number without a sign.
  private static func number(_ digits: Substring) -> Int? {
    digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(digits) : nil
  }

  /// The text for an error, without what stands before an `@`, and without what stands in a port's place but is none: it
  /// could be a password whose `@` was forgotten.
  private static func withoutSecrets(_ text: String) -> String {
    let scheme = ["unix://", "tcp://", "redis://"].first(where: text.hasPrefix) ?? ""
    let rest = text.dropFirst(scheme.count)
    if scheme == "unix://", rest.hasPrefix("/") { return text }
    if let at = rest.lastIndex(of: "@") { return "\(scheme)…\(rest[at...])" }
    let authority = rest.prefix { $0 != "/" }
    guard !scheme.isEmpty, !authority.hasSuffix("]"), let colon = authority.lastIndex(of: ":") else { return text }
    let port = authority[authority.index(after: colon)...]
    return port.count <= 5 && number(port) != nil ? text : "\(scheme)\(authority[...colon])…"
  }

  private static func unescape(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = Substring(rest.prefix(2))
      guard digits.utf8.count == 2, digits.allSatisfy(\.isHexDigit), let value = UInt8(digits, radix: 16) else {
        return nil
      }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
