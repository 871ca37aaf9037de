import Foundation

/// A workload's web server, which answers every request with who it is and what it was asked.
public final class HTTPBackend: Sendable {
  /// The body of its answers. `/bytes/N` answers with N bytes instead, `/headers` with the request's
  /// headers, `/count` with how many bytes its body had.
  public struct Answer: Codable, Sendable, Hashable {
    public let name: String
    public let host: String
    public let path: String
    public let method: String

    public init(name: String, host: String, path: String, method: String) {
      self.name = name
      self.host = host
      self.path = path
      self.method = method
    }
  }

  public let name: String
  /// The address it listens on, `127.0.0.1` or `::1`, say.
  public let address: String
  public let port: UInt16
  /// Whether it speaks TLS, with a certificate of its own for its name.
  public let isSecure: Bool
  /// The file of that certificate; empty when it has none.
  public let certificate: String
  private let process: ChildProcess

  /// The address and port, an IPv6 address in brackets.
  public var endpoint: String { (address.contains(":") ? "[\(address)]" : address) + ":\(port)" }

  /// The URL as a backend of a route.
  public var url: String { (isSecure ? "https" : "http") + "://\(endpoint)" }

  /// Starts a server, runs `body` with it and stops it.
  ///
  /// - Parameters:
  ///   - name: what it calls itself, and the name in its certificate.
  ///   - address: an address of the loopback.
  ///   - port: where it listens; any that is free when 0.
  ///   - tls: whether it speaks TLS.
  ///   - challenges: the folder with what it answers below `/.well-known/acme-challenge/`, as lego's webroot has it.
  @discardableResult
  public static func withServer<Result>(
    _ name: String, address: String = "127.0.0.1", port: UInt16 = 0, tls: Bool = false, challenges: String? = nil,
    isolation: isolated (any Actor)? = #isolation, _ body: (HTTPBackend) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      var certificateFile = ""
      var arguments = [Repository.file("Tests/python/http_backend.py"), "--port", "\(port)"]
      if let challenges { arguments += ["--challenges", challenges] }
      arguments += [name, address]
      if tls {
        let certificate = try await Certificate.selfSigned(for: name, in: directory)
        arguments += [certificate.file, certificate.key]
        certificateFile = certificate.file
      }
      let process = try ChildProcess(
        Repository.program("python3"), arguments, log: directory.file("backend.log"))
      return try await using(process) { process in
        let line = try await process.line { $0.hasPrefix("listening on ") }
        guard let port = line.split(separator: " ").last.flatMap({ UInt16($0) }) else {
          throw FixtureError("no port in \(line)")
        }
        return try await body(
          HTTPBackend(
            name: name, address: address, port: port, isSecure: tls, certificate: certificateFile,
            process: process))
      }
    }
  }

  private init(
    name: String, address: String, port: UInt16, isSecure: Bool, certificate: String, process: ChildProcess
  ) {
    self.name = name
    self.address = address
    self.port = port
    self.isSecure = isSecure
    self.certificate = certificate
    self.process = process
  }

  /// Ends it before its time.
  public func stop() async {
    await process.stop()
  }
}
