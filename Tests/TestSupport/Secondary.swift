import Foundation

/// A name server that follows a gateway's, by its catalog zone alone.
public final class Secondary: Fixture {
  /// Whose program it is.
  public enum Kind: String, CaseIterable, Sendable {
    /// Another knotd.
    case knot
    /// BIND's, which knows nothing of Knot.
    case bind
  }

  private let process: ChildProcess
  private let port: UInt16

  /// Starts one, runs `body` with it and stops it.
  ///
  /// - Parameters:
  ///   - primary: `IP:port` of the gateway's knotd.
  ///   - key: the file with the TSIG key.
  ///   - catalog: the catalog zone's name.
  ///   - port: where it listens, on the loopback.
  @discardableResult
  public static func withServer<Result>(
    _ kind: Kind, of primary: String, key: String, catalog: String, at port: UInt16,
    isolation: isolated (any Actor)? = #isolation, _ body: (Secondary) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      // named, which is another user than root, reads and writes there.
      try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: directory.path)
      let process =
        switch kind {
        case .knot: try knot(primary, key: key, catalog, port, directory)
        case .bind: try bind(primary, key: key, catalog, port, directory)
        }
      return try await using(Secondary(process, port)) { secondary in
        try await process.ready { try await Dig.isAnswered(at: "127.0.0.1", port: port, "+notcp") }
        return try await body(secondary)
      }
    }
  }

  private init(_ process: ChildProcess, _ port: UInt16) {
    self.process = process
    self.port = port
  }

  public func stop() async { await process.stop() }

  /// Asks it one question.
  public func ask(_ name: String, _ type: String) async throws -> Dig.Answer {
    try await Dig.ask(name, type, at: "127.0.0.1", port: port)
  }

  private static func knot(
    _ primary: String, key: String, _ catalog: String, _ port: UInt16, _ directory: TemporaryDirectory
  ) throws -> ChildProcess {
    let configuration = try directory.write(
      """
      server:
          rundir: \(directory.path)
          listen: 127.0.0.1@\(port)
      database:
          storage: \(directory.path)
      log:
        - target: stderr
          any: warning
      include: \(key)
      remote:
        - id: primary
          address: \(primary.replacing(":", with: "@"))
          key: gateway-transfer
      acl:
        - id: primary
          key: gateway-transfer
          action: notify
      template:
        - id: default
          storage: \(directory.path)
        - id: member
          storage: \(directory.path)
          master: primary
          acl: primary
      zone:
        - domain: \(catalog)
          master: primary
          acl: primary
          catalog-role: interpret
          catalog-template: member
      """, to: "knot.conf")
    return try ChildProcess(
      Repository.program("knotd"), ["-c", configuration], environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"],
      log: directory.file("secondary.log"))
  }

  private static func bind(
    _ primary: String, key: String, _ catalog: String, _ port: UInt16, _ directory: TemporaryDirectory
  ) throws -> ChildProcess {
    let lines = try String(contentsOfFile: key, encoding: .utf8).split(separator: "\n")
    guard let secret = lines.first(where: { $0.contains("secret:") })?.split(separator: " ").last else {
      throw FixtureError("no secret in \(key)")
    }
    let parts = primary.split(separator: ":")
    let configuration = try directory.write(
      """
      key "gateway-transfer" { algorithm hmac-sha256; secret "\(secret)"; };
      options {
        directory "\(directory.path)";
        pid-file none;
        session-keyfile none;
        listen-on port \(port) { 127.0.0.1; };
        listen-on-v6 { none; };
        recursion no;
        dnssec-validation no;
        allow-notify { key "gateway-transfer"; };
        catalog-zones {
          zone "\(catalog)" default-primaries { \(parts[0]) port \(parts[1]) key "gateway-transfer"; } in-memory yes;
        };
      };
      // knotd answers a question for a catalog zone by TCP alone.
      server \(parts[0]) { tcp-only yes; };
      controls { };
      zone "\(catalog)" {
        type secondary;
        primaries { \(parts[0]) port \(parts[1]) key "gateway-transfer"; };
        file "catalog.db";
      };
      """, to: "named.conf")
    return try ChildProcess(
      Repository.program("named"), ["-g", "-c", configuration],
      environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"], log: directory.file("secondary.log"))
  }
}
