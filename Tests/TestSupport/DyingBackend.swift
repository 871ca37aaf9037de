import Foundation

/// A workload's web server that reads a request and then closes the connection without an answer.
public final class DyingBackend: Sendable {
  /// Its URL as a backend of a route.
  public let url: String
  private let process: ChildProcess

  /// Starts a server, runs `body` with it and stops it.
  ///
  /// - Parameters:
  ///   - answers: how many requests it answers on each connection before that.
  ///   - http2: whether it speaks HTTP/2 over TLS, and not HTTP/1.1.
  @discardableResult
  public static func withServer<Result>(
    answers: Int, http2: Bool, isolation: isolated (any Actor)? = #isolation,
    _ body: (DyingBackend) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      var arguments = [Repository.file("Tests/python/dying_backend.py"), "127.0.0.1", "\(answers)"]
      if http2 {
        let certificate = try await Certificate.selfSigned(for: "backend", in: directory)
        arguments += [certificate.file, certificate.key]
      }
      let process = try ChildProcess(Repository.program("python3"), arguments, log: directory.file("backend.log"))
      return try await using(process) { process in
        let line = try await process.line { $0.hasPrefix("listening on ") }
        let endpoint = line.split(separator: " ").dropFirst(2).joined(separator: ":")
        return try await body(DyingBackend(url: "\(http2 ? "https" : "http")://\(endpoint)", process: process))
      }
    }
  }

  private init(url: String, process: ChildProcess) {
    self.url = url
    self.process = process
  }

  /// How many requests it has read.
  public var requests: Int { process.lines.count { $0 == "read" } }
}
