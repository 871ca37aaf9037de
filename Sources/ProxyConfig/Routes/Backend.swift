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
/// passed through is written `IP[:port]` or `http://IP[:port]`. In place of all of these stands `tunnel:WORKLOAD` for what a tunnel's
/// client serves, in plain HTTP, or with TLS passed through the bytes of that.
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
  /// Where it listens; of a tunnel, where Traefik finds that.
  public let endpoint: Endpoint
  /// Whose tunnel it is; nil for a backend that is none.
  public let tunnel: WorkloadID?

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

  /// Where the tunnels are that may be named.
  public typealias Tunnels = [WorkloadID: Endpoint]

  /// Reads a backend in the form that `mode` asks for.
  ///
  /// - Parameters:
  ///   - text: the backend as a caller writes it.
  ///   - mode: where TLS ends.
  ///   - policy: which addresses are allowed.
  ///   - tunnels: those that it may be.
  /// - Throws: `InvalidValue` for another form, for a path, query, fragment or credentials, for a host that is no IP address, a port
  ///   that is not from 1 to 65535 or, with TLS passed through and no scheme, not there, and for an address against the policy.
  public init(
    _ text: String, for mode: TLSMode, under policy: AddressPolicy, tunnels: Tunnels = [:]
  ) throws(InvalidValue) {
    try self.init(text, as: Form(mode), under: policy, tunnels)
  }

  init(_ text: String, as form: Form, under policy: AddressPolicy, _ tunnels: Tunnels) throws(InvalidValue) {
    do throws(Endpoint.SyntaxFault) {
      if text.hasPrefix(Self.tunnelPrefix) {
        guard let workload = try? WorkloadID(String(text.dropFirst(Self.tunnelPrefix.count))),
          let endpoint = tunnels[workload]
        else { throw Endpoint.SyntaxFault("this user has no such tunnel") }
        self.endpoint = endpoint
        scheme = form == .passthrough ? nil : .http
        tunnel = workload
        return
      }
      tunnel = nil
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

  private static let tunnelPrefix = "tunnel:"

  /// The workload whose tunnel a text names; nil where it names none.
  public static func tunnel(namedBy text: String) -> WorkloadID? {
    text.hasPrefix(tunnelPrefix) ? try? WorkloadID(String(text.dropFirst(tunnelPrefix.count))) : nil
  }

  /// As a caller writes it.
  public var requested: String { tunnel.map { "\(Self.tunnelPrefix)\($0)" } ?? description }

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
