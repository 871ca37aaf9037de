import COpenSSL
import GatewayModule
import Glibc
import NIOCore
import NIOPosix
public import ProxyConfig
import System

/// What a site shows of itself, asked to one address whatever the DNS says of the site.
public struct SiteRequest: Sendable {
  /// nil where the address itself is asked.
  public let site: Domain?
  public let address: Endpoint
  /// nil for the namespace of this process.
  public let namespace: NetworkNamespace?

  public init(_ site: Domain?, at address: Endpoint, in namespace: NetworkNamespace?) {
    self.site = site
    self.address = address
    self.namespace = namespace
  }

  /// What came of it.
  public struct Fetched: Hashable, Sendable {
    /// Whether there was a connection.
    public var isConnected = false
    /// What was shown in a TLS handshake that came to its end.
    public var certificate: PeerCertificate?
    public var response: HTTPResponse?
    /// What went wrong before there was a response.
    public var failure: String?

    public init() {}
  }

  public struct HTTPResponse: Hashable, Sendable {
    public let status: Int
    /// The header as it came, without the status line.
    let header: String
    /// The beginning of the body.
    let body: [UInt8]

    init(status: Int, header: String = "", body: [UInt8] = []) {
      self.status = status
      self.header = header
      self.body = body
    }
  }

  /// Makes the handshake of TLS and says no more. All certificates are taken, and looked at.
  ///
  /// Where TLS ends at Traefik, no backend hears of it.
  ///
  /// - Parameter limit: how long it may take.
  public func greet(within limit: Duration) async throws -> Fetched {
    try await NIOThreadPool.singleton.runIfActive { exchange(nil, isSecure: true, by: .now + limit, bodyLimit: 0) }
  }

  /// Asks for the head of the first page, over TLS: no request or response has a body, whose bytes would be counted.
  ///
  /// - Parameter limit: how long it may take.
  public func askForHead(within limit: Duration) async throws -> Fetched {
    try await NIOThreadPool.singleton.runIfActive { exchange("HEAD /", isSecure: true, by: .now + limit, bodyLimit: 0) }
  }

  /// Fetches something in plain text.
  ///
  /// - Parameter bodyLimit: how much of the body is read, in bytes.
  func fetch(_ path: String, within limit: Duration, bodyLimit: Int) async throws -> Fetched {
    try await NIOThreadPool.singleton.runIfActive {
      exchange("GET \(path)", isSecure: false, by: .now + limit, bodyLimit: bodyLimit)
    }
  }

  // MARK: On a thread that may wait

  /// - Parameter request: the method and the path; nil for none.
  private func exchange(
    _ request: String?, isSecure: Bool, by deadline: ContinuousClock.Instant, bodyLimit: Int
  ) -> Fetched {
    var outcome = Fetched()
    do {
      let connection = try SiteConnection(to: address, in: namespace, by: deadline)
      outcome.isConnected = true
      if isSecure, let site { outcome.certificate = try connection.startTLS(site) }
      guard let request else { return outcome }
      // HTTP/1.0, whose answers end with the connection and come in one piece.
      let host = site.map { "\($0)" } ?? "\(address)"
      try connection.send("\(request) HTTP/1.0\r\nHost: \(host)\r\nUser-Agent: gatewayctl\r\n\r\n")
      outcome.response = try Self.response(connection, bodyLimit: bodyLimit)
    } catch {
      outcome.failure = "\(error)"
    }
    return outcome
  }

  private static func response(_ connection: SiteConnection, bodyLimit: Int) throws(ConnectionError) -> HTTPResponse {
    let headLimit = 1 << 16
    var bytes: [UInt8] = []
    var bodyStart: Int?
    while bodyStart.map({ bytes.count - $0 < bodyLimit }) ?? (bytes.count < headLimit) {
      let part = try connection.receive()
      if part.isEmpty { break }
      let seen = max(bytes.count - 3, 0)
      bytes += part
      if bodyStart == nil {
        bodyStart = bytes[seen...].indices.first { bytes[$0...].starts(with: "\r\n\r\n".utf8) }.map { $0 + 4 }
      }
    }
    // HTTP/1.1 200 OK
    let line = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\r") }.prefix(64), as: UTF8.self)
    let words = line.split(separator: " ")
    guard let bodyStart, words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
      throw ConnectionError(bytes.isEmpty ? "the connection was closed without an answer" : "the answer is no HTTP")
    }
    let header = String(decoding: bytes[..<bodyStart].drop { $0 != UInt8(ascii: "\n") }.dropFirst(), as: UTF8.self)
    return HTTPResponse(status: status, header: header, body: Array(bytes[bodyStart...].prefix(bodyLimit)))
  }
}

struct ConnectionError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }

  init(call: String, code: CInt = errno) {
    let isLate = code == EAGAIN || code == EINPROGRESS
    self.init(isLate ? "no answer in time" : "\(call): \(String(cString: strerror(code)))")
  }
}

/// A connection that is used by one thread, which waits. Every wait ends by the deadline.
private final class SiteConnection {
  private let socket: CInt
  private let deadline: ContinuousClock.Instant
  private var tls: OpaquePointer?

  init(to address: Endpoint, in namespace: NetworkNamespace?, by deadline: ContinuousClock.Instant) throws {
    let remote = try SocketAddress(ipAddress: "\(address.address)", port: Int(address.port))
    self.deadline = deadline
    socket = try NetworkNamespace.socket(in: namespace, domain: CInt(remote.protocol.rawValue), type: SOCK_STREAM)
    try setLimit()
    guard remote.withSockAddr({ connect(socket, $0, socklen_t($1)) }) == 0 else {
      throw ConnectionError(call: "connect to \(address)")
    }
  }

  deinit {
    SSL_free(tls)
    close(socket)
  }

  /// Gives the next system call the time that is left.
  private func setLimit() throws(ConnectionError) {
    let left = ContinuousClock.now.duration(to: deadline)
    guard left > .zero else { throw ConnectionError("no answer in time") }
    var limit = timeval(
      tv_sec: Int(left.components.seconds), tv_usec: max(1, Int(left.components.attoseconds / 1_000_000_000_000)))
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(socket, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout.size(ofValue: limit)))
    }
  }

  /// Of all connections: the authorities that the machine trusts, and what is made of a certificate of others: nothing.
  private static nonisolated(unsafe) let context: OpaquePointer? = {
    let context = SSL_CTX_new(TLS_client_method())
    SSL_CTX_set_default_verify_paths(context)
    // The verdict is noted, and all certificates are taken.
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
    return context
  }()

  /// Makes the handshake for a name (RFC 6066, section 3) and returns the other side's certificate.
  func startTLS(_ name: Domain) throws(ConnectionError) -> PeerCertificate? {
    tls = SSL_new(Self.context)
    guard let tls, SSL_set_fd(tls, socket) == 1 else { throw ConnectionError("out of memory") }
    var bytes = Array(name.rawValue.utf8CString)
    // What the macro SSL_set_tlsext_host_name stands for.
    SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), &bytes)
    try setLimit()
    ERR_clear_error()
    let result = SSL_connect(tls)
    guard result == 1 else { throw failure("TLS handshake", result) }
    return PeerCertificate(tls, name: name)
  }

  func send(_ text: String) throws(ConnectionError) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      try setLimit()
      ERR_clear_error()
      let count = rest.withUnsafeBytes { bytes in
        tls.map { Int(SSL_write($0, bytes.baseAddress, CInt(bytes.count))) }
          ?? Glibc.send(socket, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw failure("send", CInt(count)) }
      rest = rest.dropFirst(count)
    }
  }

  /// What has come; empty at the end.
  func receive() throws(ConnectionError) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 1 << 14)
    try setLimit()
    ERR_clear_error()
    let count =
      tls.map { Int(SSL_read($0, &buffer, CInt(buffer.count))) } ?? recv(socket, &buffer, buffer.count, 0)
    if count > 0 { return Array(buffer.prefix(count)) }
    if tls == nil, count == 0 { return [] }
    // Many a server closes a connection without a word in TLS; what it said before counts.
    if let tls, [SSL_ERROR_ZERO_RETURN, SSL_ERROR_SSL].contains(SSL_get_error(tls, CInt(count))) { return [] }
    throw failure("receive", CInt(count))
  }

  private func failure(_ what: String, _ result: CInt) -> ConnectionError {
    let code = errno
    guard let tls else { return ConnectionError(call: what, code: code) }
    switch SSL_get_error(tls, result) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return ConnectionError("\(what): no answer in time")
    case SSL_ERROR_SYSCALL where code != 0: return ConnectionError(call: what, code: code)
    default:
      let error = ERR_get_error()
      // 0A000126: the other side closed the connection, which it may do for many a reason.
      guard error != 0, let text = ERR_reason_error_string(error) else {
        return ConnectionError("\(what): the connection was closed")
      }
      return ConnectionError("\(what): \(String(cString: text))")
    }
  }
}
