import Records
import System

/// Where TLS ends: at Traefik, which then speaks HTTP with the backends, or at the backend, to which Traefik passes the bytes.
public enum TLSMode: Hashable, Sendable {
  /// At Traefik, with a certificate that it got.
  case terminated
  /// At the backend, which has the certificate.
  case passthrough
}

/// One server of a workload: an address, a port, and how Traefik talks to it.
///
/// With TLS terminated at Traefik it is written `http://IP[:port]` or `https://IP[:port]`, with TLS passed through `IP:port` or
/// `https://IP[:port]`; IPv6 stands in brackets. The default ports are 80 and 443. One for the plain HTTP of a domain whose TLS is
/// passed through is written `IP[:port]` or `http://IP[:port]`.
public struct Backend: Hashable, Sendable {
  /// What Traefik speaks with a backend when TLS ends at Traefik.
  public enum Scheme: String, Hashable, Sendable {
    /// Plain HTTP.
    case http
    /// HTTP over TLS; the backend's certificate is not verified, since it can hardly be one for an IP address.
    case https
  }

  /// `nil` for a backend to which TLS is passed through.
  public let scheme: Scheme?
  /// Where it listens.
  public let endpoint: Endpoint

  /// Its address, which passed the policy.
  public var address: IPAddress { endpoint.address }

  /// 1 to 65535.
  public var port: UInt16 { endpoint.port }

  /// How a backend is written, and what is spoken with it.
  enum Form {
    case terminated
    case passthrough
    /// Plain HTTP of a domain whose TLS is passed through.
    case plain

    init(_ mode: TLSMode) {
      self =
        switch mode {
        case .terminated: .terminated
        case .passthrough: .passthrough
        }
    }
  }

  /// Reads a backend in the form that `mode` asks for.
  ///
  /// - Parameters:
  ///   - text: the backend as a caller writes it.
  ///   - mode: where TLS ends.
  ///   - policy: which addresses are allowed.
  /// - Throws: `InvalidValue` for another form, for a path, query, fragment or credentials, for a host that is no IP address, a port
  ///   that is not from 1 to 65535 or, with TLS passed through and no scheme, not there, and for an address against the policy.
  public init(_ text: String, for mode: TLSMode, under policy: AddressPolicy) throws(InvalidValue) {
    try self.init(text, as: Form(mode), under: policy)
  }

  init(_ text: String, as form: Form, under policy: AddressPolicy) throws(InvalidValue) {
    do throws(Endpoint.SyntaxFault) {
      let (scheme, authority) = try Self.splitScheme(text.utf8[...], form)
      for byte in authority {
        switch byte {
        case UInt8(ascii: "/"): throw Endpoint.SyntaxFault("it must have no path")
        case UInt8(ascii: "?"): throw Endpoint.SyntaxFault("it must have no query")
        case UInt8(ascii: "#"): throw Endpoint.SyntaxFault("it must have no fragment")
        case UInt8(ascii: "@"): throw Endpoint.SyntaxFault("it must have no credentials")
        default: continue
        }
      }
      endpoint = try Endpoint(authority, defaultPort: scheme.map { $0 == .http ? 80 : 443 })
      if let reason = policy.fault(endpoint) { throw Endpoint.SyntaxFault(reason) }
      self.scheme = form == .passthrough ? nil : scheme
    } catch {
      throw InvalidValue(form == .plain ? "HTTP backend" : "backend", text, error.rule)
    }
  }

  private static func splitScheme(
    _ text: Substring.UTF8View, _ form: Form
  ) throws(Endpoint.SyntaxFault) -> (Scheme?, Substring.UTF8View) {
    if form != .plain, text.starts(with: "https://".utf8) { return (.https, text.dropFirst(8)) }
    switch form {
    case .plain:
      if text.starts(with: "http://".utf8) { return (.http, text.dropFirst(7)) }
      guard !text.contains(UInt8(ascii: "/")) else {
        throw Endpoint.SyntaxFault("it must be IP[:port], where plain HTTP is spoken")
      }
      return (.http, text)
    case .terminated:
      guard text.starts(with: "http://".utf8) else {
        throw Endpoint.SyntaxFault("it must be http://IP[:port] or https://IP[:port]")
      }
      return (.http, text.dropFirst(7))
    case .passthrough:
      guard !text.contains(UInt8(ascii: "/")) else {
        throw Endpoint.SyntaxFault("with TLS passed through it must be IP:port or https://IP[:port]")
      }
      return (nil, text)
    }
  }
}

extension Backend: CustomStringConvertible {
  /// The canonical text, which Traefik reads: always with the port.
  public var description: String {
    (scheme.map { "\($0.rawValue)://" } ?? "") + endpoint.description
  }
}
