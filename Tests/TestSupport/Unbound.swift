import Foundation

/// A name server as there are in the Internet, on port 53 of an address of its own.
public final class Unbound: Fixture {
  public enum Role: Sendable {
    /// It has a zone and says, of what it delegated, to whom.
    ///
    /// - Parameters:
    ///   - records: lines of a zone file (RFC 1035, section 5), without the SOA.
    case authority(zone: String, records: [String])
    /// It answers all questions, after asking those who know, and remembers what they said.
    ///
    /// - Parameter hints: the server of each zone that it starts from.
    case resolver(hints: [String: String])
  }

  private let process: ChildProcess

  /// Starts one, runs `body` with it and stops it.
  @discardableResult
  public static func withServer<Result>(
    at address: String, _ role: Role, isolation: isolated (any Actor)? = #isolation,
    _ body: (Unbound) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      var lines = [
        "server:",
        "  do-daemonize: no",
        "  use-syslog: no",
        "  username: \"\"",
        "  chroot: \"\"",
        "  pidfile: \"\"",
        "  directory: \"\(directory.path)\"",
        "  interface: \(address)",
        "  access-control: 0.0.0.0/0 allow",
        // The nodes of tests are on loopback.
        "  do-not-query-localhost: no",
        // Without "validator": no DNSSEC.
        "  module-config: \"iterator\"",
        // Names for tests (RFC 6761), of which it would say that there are none.
        "  local-zone: \"test.\" nodefault",
        "  log-replies: yes",
        "remote-control:",
        "  control-enable: no",
      ]
      switch role {
      case .authority(let zone, let records):
        let start = "$ORIGIN \(zone).\n$TTL 300\n@ SOA ns hostmaster 1 1200 180 1209600 60\n"
        let file = try directory.write(start + records.map { "\($0)\n" }.joined(), to: "zone")
        lines += [
          "auth-zone:", "  name: \"\(zone).\"", "  zonefile: \"\(file)\"", "  for-downstream: yes",
          "  for-upstream: no",
        ]
      case .resolver(let hints):
        for (zone, server) in hints {
          lines += ["stub-zone:", "  name: \"\(zone).\"", "  stub-addr: \(server)"]
        }
      }
      let configuration = try directory.write(lines.map { "\($0)\n" }.joined(), to: "unbound.conf")
      let process = try ChildProcess(
        Repository.program("unbound"), ["-d", "-c", configuration], log: directory.file("unbound.log"))
      return try await using(process) { process in
        _ = try await process.line { $0.contains("start of service") }
        return try await body(Unbound(process: process))
      }
    }
  }

  private init(process: ChildProcess) {
    self.process = process
  }

  /// Every answer that it gave, a line each.
  public var output: String { process.output }

  /// Ends it before its time.
  public func stop() async {
    await process.stop()
  }
}
