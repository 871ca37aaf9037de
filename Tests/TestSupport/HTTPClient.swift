import Foundation

/// Fetches URLs from a server at a chosen address, whatever the URL's host name resolves to.
public struct HTTPClient: Sendable {
  /// Whom to believe that it is the host of an `https` URL.
  public enum Trust: Sendable {
    case anyone
    case authority(file: String)
  }

  /// An answer.
  public struct Response: Sendable {
    public let status: Int
    /// By lower-case name.
    public let headers: [String: [String]]
    public let body: String
    /// The subject of the server's own certificate, such as `CN = name`; nil without TLS.
    public let certificateSubject: String?
    /// The DNS names that the server's own certificate is for; empty without TLS.
    public let certificateNames: [String]

    /// Who answered, when it was an ``HTTPBackend``.
    public var answer: HTTPBackend.Answer? {
      try? JSONDecoder().decode(HTTPBackend.Answer.self, from: Data(body.utf8))
    }

    /// The body as JSON.
    public func json() throws -> JSON { try JSON(parsing: body) }
  }

  private let address: String
  private let trust: Trust
  private let limit: Duration
  private var protocolFlag = "--http2"
  private var source: String?

  /// The same over HTTP/1.1. Over HTTP/2 curl hangs up as soon as it has the last byte, which Traefik may take for a transfer
  /// that was broken off: it is then counted by the kernel's figures, which are not exact.
  public var overHTTP1: HTTPClient {
    var client = self
    client.protocolFlag = "--http1.1"
    return client
  }

  /// The same from another address of this machine.
  public func from(_ source: String) -> HTTPClient {
    var client = self
    client.source = source
    return client
  }

  /// - Parameters:
  ///   - address: where every request goes, such as `127.0.0.1:8080` or `[::1]:8080`; where the URL says when nil.
  ///   - trust: whom to believe over TLS.
  ///   - limit: how long one fetch may take, in whole seconds, at least one.
  public init(connectingTo address: String? = nil, trust: Trust = .anyone, within limit: Duration = .patience) {
    self.address = address ?? ""
    self.trust = trust
    self.limit = limit
  }

  /// Fetches a URL, once and without following redirections.
  ///
  /// - Throws: ``FixtureError`` with what went wrong when there is no answer.
  public func fetch(
    _ url: String, method: String = "GET", headers: [String: String] = [:], body: String? = nil
  ) async throws -> Response {
    var arguments = ["--silent", "--show-error", "--globoff", "--noproxy", "*", "--path-as-is"]
    arguments += [protocolFlag, "--max-time", "\(limit.components.seconds)"]
    arguments += method == "HEAD" ? ["--head", "--output", "/dev/null"] : ["--request", method]
    arguments += headers.flatMap { ["--header", "\($0): \($1)"] }
    if let body { arguments += ["--data-raw", body] }
    if !address.isEmpty { arguments += ["--connect-to", "::\(address)"] }
    if let source { arguments += ["--interface", source] }
    switch trust {
    case .anyone: arguments += ["--insecure"]
    case .authority(let file): arguments += ["--cacert", file]
    }
    arguments += ["--write-out", "%{stderr}%{http_code}\n%{certs}\n\(Self.mark)\n%{header_json}", url]

    let outcome = try await Command.run(Repository.program("curl"), arguments)
    let facts = outcome.standardError.components(separatedBy: "\(Self.mark)\n")
    guard outcome.status == .code(0), facts.count == 2 else {
      let reason = outcome.standardError.split(separator: "\n").first { $0.hasPrefix("curl:") }
      throw FixtureError("\(url) at \(address.isEmpty ? "its own address" : address): \(reason ?? "\(outcome.status)")")
    }
    let lines = facts[0].split(separator: "\n")
    // Its own certificate comes first, those that lead to the authority's follow.
    func certificate(_ field: String) -> String? {
      lines.first { $0.hasPrefix("\(field):") }.map { String($0.dropFirst(field.count + 1)) }
    }
    return Response(
      status: lines.first.flatMap { Int($0) } ?? 0,
      headers: try JSONDecoder().decode([String: [String]].self, from: Data(facts[1].utf8)),
      body: outcome.standardOutput,
      certificateSubject: certificate("Subject"),
      certificateNames: certificate("X509v3 Subject Alternative Name")?.components(separatedBy: ", ")
        .compactMap { $0.hasPrefix("DNS:") ? String($0.dropFirst("DNS:".count)) : nil } ?? [])
  }

  private static let mark = "-- headers --"
}
