import Foundation
import Synchronization

/// A Traefik with its API on a port of the loopback, so that a test can see what it took in.
public final class Traefik: Fixture {
  /// A router as Traefik has it.
  public struct Router: Sendable, Hashable {
    public enum Kind: String, Sendable {
      case http
      case tcp
    }

    public let kind: Kind
    /// With its provider: `37-1976-site-route@file`.
    public let name: String
    /// With its provider, unless that is the router's own.
    public let service: String
    public let rule: String
    /// `enabled`, `warning` or `disabled`.
    public let status: String
    public let errors: [String]
    public let entryPoints: [String]
  }

  private let directory: TemporaryDirectory
  private let environment: [String: String]
  private let api: String
  private let process: Mutex<ChildProcess>

  /// Starts a Traefik with entry points of its own, `web`, `web-secure` and `metrics` (Prometheus), which serves the
  /// route files in a directory; runs `body` with it and stops it.
  @discardableResult
  public static func withServer<Result>(
    routes directory: String, isolation: isolated (any Actor)? = #isolation,
    _ body: (Traefik) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { own in
      let configuration = try own.write(
        """
        entryPoints:
          web:
            address: 127.0.0.1:\(FreePort.next())
          web-secure:
            address: 127.0.0.1:\(FreePort.next())
          metrics:
            address: 127.0.0.1:\(FreePort.next())
        metrics:
          prometheus:
            entryPoint: metrics
        providers:
          file:
            directory: "\(directory)"
            watch: true
          providersThrottleDuration: 10ms
        """, to: "own.yaml")
      return try await withServer(configuration: configuration, body)
    }
  }

  /// Starts a Traefik with a static configuration, to which its API is added; runs `body` with it and stops it.
  ///
  /// - Parameters:
  ///   - configuration: the path of a YAML file in block style, with entry points and without an API.
  ///   - environment: added to that of this process.
  @discardableResult
  public static func withServer<Result>(
    configuration: String, environment: [String: String] = [:], isolation: isolated (any Actor)? = #isolation,
    _ body: (Traefik) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      let api = try "127.0.0.1:\(FreePort.next())"
      try directory.write(
        addingAPI(at: api, to: String(contentsOfFile: configuration, encoding: .utf8)), to: "traefik.yaml")
      let process = try launch(in: directory, environment: environment)
      let traefik = Traefik(directory: directory, environment: environment, api: api, process: process)
      return try await using(traefik) { traefik in
        try await traefik.answers()
        return try await body(traefik)
      }
    }
  }

  private init(directory: TemporaryDirectory, environment: [String: String], api: String, process: ChildProcess) {
    self.directory = directory
    self.environment = environment
    self.api = api
    self.process = Mutex(process)
  }

  private static func launch(in directory: TemporaryDirectory, environment: [String: String]) throws -> ChildProcess {
    try ChildProcess(
      Repository.program("traefik", environment: "TRAEFIK"), ["--configfile=\(directory.file("traefik.yaml"))"],
      environment: environment, directory: directory.path, log: directory.file("traefik.log"))
  }

  private func answers() async throws {
    try await process.withLock { $0 }.ready { try await !entryPoints().isEmpty }
  }

  /// Traefik reads its static configuration from one source only, so the API goes into the file.
  private static func addingAPI(at address: String, to configuration: String) throws -> String {
    var lines = configuration.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    guard let start = lines.firstIndex(of: "entryPoints:"), lines.indices.contains(start + 1) else {
      throw FixtureError("no line entryPoints: in the static configuration:\n\(configuration)")
    }
    let indent = String(lines[start + 1].prefix { $0 == " " })
    lines.insert(contentsOf: ["\(indent)traefik:", "\(indent)  address: \(address)"], at: start + 1)
    lines += ["api:", "  insecure: true"]
    // It would ask its makers for the newest version.
    if !lines.contains("global:") { lines += ["global:", "  checkNewVersion: false"] }
    return (lines + [""]).joined(separator: "\n")
  }

  /// The addresses of its entry points by name, such as `web`.
  public func entryPoints() async throws -> [String: String] {
    let points = try await HTTPClient().fetch("http://\(api)/api/entrypoints").json().array ?? []
    return Dictionary(uniqueKeysWithValues: points.map { ($0["name"].string ?? "", $0["address"].string ?? "") })
  }

  /// A client for what the entry point `name` serves.
  public func client(_ name: String, trust: HTTPClient.Trust = .anyone) async throws -> HTTPClient {
    let entryPoints = try await entryPoints()
    guard let address = entryPoints[name] else { throw FixtureError("no entry point \(name) in \(entryPoints)") }
    return HTTPClient(connectingTo: address, trust: trust)
  }

  /// The routers of the file provider, by name, without those that the gateway has for itself.
  public func routers() async throws -> [String: Router] {
    var routers: [String: Router] = [:]
    for kind in [Router.Kind.http, .tcp] {
      let url = "http://\(api)/api/\(kind.rawValue)/routers?per_page=100000"
      for router in try await HTTPClient().fetch(url).json().array ?? [] where router["provider"] == "file" {
        let name = router["name"].string ?? ""
        guard !name.hasPrefix(".gateway-") else { continue }
        routers[name] = Router(
          kind: kind, name: name, service: router["service"].string ?? "", rule: router["rule"].string ?? "",
          status: router["status"].string ?? "", errors: router["error"].array?.compactMap(\.string) ?? [],
          entryPoints: router["entryPoints"].array?.compactMap(\.string) ?? [])
      }
    }
    return routers
  }

  /// What its metrics say of the bytes of responses of a workload's service, over all codes, methods and protocols.
  public func responseBytes(of workload: String) async throws -> Double {
    guard let address = try await entryPoints()["metrics"] else { throw FixtureError("no entry point metrics") }
    let lines = try await HTTPClient().fetch("http://\(address)/metrics").body.split(separator: "\n")
    let counted = lines.filter {
      $0.hasPrefix("traefik_service_responses_bytes_total{") && $0.contains("service=\"\(workload)@file\"")
    }
    return counted.compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
  }

  /// What it logged.
  public var output: String { process.withLock { $0.output } }

  /// Stops it and starts it again with the same configuration.
  public func restart() async throws {
    await stop()
    try process.withLock { $0 = try Self.launch(in: directory, environment: environment) }
    try await answers()
  }

  /// Ends it before its time; nobody listens on its ports then.
  public func stop() async {
    await process.withLock { $0 }.stop()
  }
}
