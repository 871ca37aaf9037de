import Foundation

/// The ACME server of a Pebble that answers each order with its rate limit, status 429, until it is told to issue.
public final class ACMELimit: Sendable {
  /// The URL of its directory, as `--acme-ca` takes it. It has the certificate of its Pebble.
  public let directoryURL: String
  private let process: ChildProcess

  /// Starts one, runs `body` with it and stops it.
  ///
  /// - Parameter pebble: what it passes on all else to; named `localhost`.
  @discardableResult
  public static func withServer<Result>(
    before pebble: Pebble, isolation: isolated (any Actor)? = #isolation, _ body: (ACMELimit) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      let port = URL(string: pebble.directoryURL)?.port ?? 0
      return try await ChildProcess.withProcess(
        Repository.program("python3"),
        [Repository.file("Tests/python/acme_limit.py"), pebble.authority, pebble.authorityKey, "\(port)"],
        log: directory.file("acme.log")
      ) { process in
        let port = try await process.line { $0.hasPrefix("port ") }.dropFirst("port ".count)
        return try await body(ACMELimit(directoryURL: "https://localhost:\(port)/dir", process: process))
      }
    }
  }

  private init(directoryURL: String, process: ChildProcess) {
    self.directoryURL = directoryURL
    self.process = process
  }

  /// How many orders it refused.
  public var refusals: Int { process.lines.count { $0 == "refused" } }

  /// From now on every order is taken.
  public func issue() {
    process.signal(SIGUSR1)
  }
}
