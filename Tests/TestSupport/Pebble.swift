import Foundation

/// An ACME server (RFC 8555): Let's Encrypt's for tests, on a port of its own, with nothing that anybody would trust.
public final class Pebble: Fixture {
  /// The URL of its directory, as `--acme-ca` takes it.
  public let directoryURL: String
  /// A file with the certificate by which it is known itself.
  public let authority: String
  /// The file with that certificate's key.
  public let authorityKey: String
  /// A file with the root that the certificates it issues lead to. There is another one for each Pebble.
  public let root: String
  /// What makes Traefik and lego believe that it is the server at ``directoryURL``.
  public var environment: [String: String] {
    ["LEGO_CA_CERTIFICATES": authority, "LEGO_CA_SYSTEM_CERT_POOL": "false"]
  }

  private let process: ChildProcess

  /// Starts one, runs `body` with it and stops it.
  ///
  /// - Parameters:
  ///   - address: where it listens.
  ///   - name: what `address` is called.
  ///   - port: of the ACME server; chosen when nil.
  ///   - resolver: `IP:port` of the DNS server that it looks all names up with.
  ///   - http: the port at which it looks for HTTP-01 challenges.
  ///   - validity: how long its certificates live, in seconds.
  @discardableResult
  public static func withServer<Result>(
    at address: String = "127.0.0.1", named name: String = "localhost", port: UInt16? = nil, resolver: String,
    http: String, validity: Int = 157_766_400, isolation: isolated (any Actor)? = #isolation,
    _ body: (Pebble) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      let port = try port ?? FreePort.next()
      let management = try FreePort.next()
      let certificate = try await Certificate.selfSigned(for: name, in: directory)
      let configuration = try directory.write(
        """
        {"pebble": {
          "listenAddress": "\(address):\(port)", "managementListenAddress": "\(address):\(management)",
          "certificate": "\(certificate.file)", "privateKey": "\(certificate.key)", "httpPort": \(http), "tlsPort": 1,
          "certificateValidityPeriod": \(validity)
        }}
        """, to: "pebble.json")
      let process = try ChildProcess(
        Repository.program("pebble"), ["-strict", "-config", configuration, "-dnsserver", resolver],
        environment: ["PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"],
        log: directory.file("pebble.log"))
      return try await using(process) { process in
        let client = HTTPClient(connectingTo: "\(address):\(management)", trust: .authority(file: certificate.file))
        var root = ""
        // It makes keys for itself first, which takes seconds on a busy machine.
        try await process.ready {
          root = try await client.fetch("https://\(name)/roots/0").body
          return true
        }
        let pebble = try Pebble(
          directoryURL: "https://\(name):\(port)/dir", authority: certificate.file, authorityKey: certificate.key,
          root: directory.write(root, to: "root.pem"), process: process)
        return try await body(pebble)
      }
    }
  }

  private init(
    directoryURL: String, authority: String, authorityKey: String, root: String, process: ChildProcess
  ) {
    self.directoryURL = directoryURL
    self.authority = authority
    self.authorityKey = authorityKey
    self.root = root
    self.process = process
  }

  /// How many certificates it was asked for.
  public var orders: Int { lines { $0.contains("Added order ") } }

  /// How many it issued.
  public var certificates: Int { lines { $0.contains("Issued certificate ") } }

  /// What it did, as it tells it.
  public var output: String { process.output }

  private func lines(_ counts: (Substring) -> Bool) -> Int {
    process.output.split(separator: "\n").count(where: counts)
  }

  /// Ends it before its time.
  public func stop() async {
    await process.stop()
  }
}
