import Foundation
import Synchronization

/// A relay beside a gateway, and clients of tunnels that dial in to it.
public final class Relay: Fixture {
  /// Where it tells of itself.
  public let metrics: String
  /// Where clients dial in.
  public let clients: String
  /// The port of the loopback at which tunnels are.
  public let port: String
  private let flags: [String]
  private let directory: TemporaryDirectory
  private let root: String
  private let process: Mutex<ChildProcess>

  /// Starts a gateway and a relay for it, runs `body` with them and stops them.
  ///
  /// - Parameters:
  ///   - flags: of the gateway, besides those that have it know the relay. Pipes may listen at all ports.
  ///   - relayFlags: of the relay, besides its addresses. Pipes may lead to this machine.
  @discardableResult
  public static func withNode<Result>(
    _ flags: [String] = GatewayProcess.permissive, relay relayFlags: [String] = ["--allow-loopback-backends"],
    isolation: isolated (any Actor)? = #isolation,
    _ body: (GatewayProcess, Relay) async throws -> Result
  ) async throws -> Result {
    let (metrics, clients, port) = try ("127.0.0.1:\(FreePort.next())", "127.0.0.1:\(FreePort.next())", FreePort.next())
    let own = ["--relay-address", metrics, "--tunnel-address", clients, "--tunnel-port", "\(port)"]
    let ports = ["--pipe-ports", "1024-65535"]
    return try await GatewayProcess.withGateway(own + ports + flags) { gateway in
      try await TemporaryDirectory.withDirectory { directory in
        let relay = try Relay(
          metrics: metrics, clients: clients, port: "\(port)", flags: relayFlags, root: gateway.root.path,
          directory: directory)
        return try await using(relay) { relay in
          try await relay.answers()
          do {
            return try await body(gateway, relay)
          } catch let error as FixtureError {
            throw FixtureError("\(error)\n\(relay.process.withLock { $0 }.lastWords)")
          }
        }
      }
    }
  }

  private init(
    metrics: String, clients: String, port: String, flags: [String], root: String, directory: TemporaryDirectory
  ) throws {
    self.metrics = metrics
    self.clients = clients
    self.port = port
    self.flags = flags
    self.root = root
    self.directory = directory
    process = Mutex(
      try Self.launch(metrics: metrics, clients: clients, port: port, flags: flags, root: root, directory))
  }

  private static func launch(
    metrics: String, clients: String, port: String, flags: [String], root: String, _ directory: TemporaryDirectory
  ) throws -> ChildProcess {
    try ChildProcess(
      Repository.product("gateway-relay"),
      [
        "--root", root, "--tunnel-address", clients, "--tunnel-port", port, "--metrics-address", metrics,
        "--log-format", "json", "--log-level", "debug",
      ] + flags,
      log: directory.file("relay.log"))
  }

  private func answers() async throws {
    try await process.withLock { $0 }.ready { try await !text().isEmpty }
  }

  /// Starts it again, after its end.
  public func start() async throws {
    let started = try Self.launch(
      metrics: metrics, clients: clients, port: port, flags: flags, root: root, directory)
    process.withLock { $0 = started }
    try await answers()
  }

  /// Its metrics.
  public func text() async throws -> String { try await HTTPClient().fetch("http://\(metrics)/metrics").body }

  /// One of its metrics.
  public func metric(_ series: String) async throws -> Double? {
    try await text().split(separator: "\n").first { $0.hasPrefix("\(series) ") }
      .flatMap { Double($0.dropFirst(series.count + 1)) }
  }

  /// How many bytes it has from clients of tunnels, and from where pipes lead.
  public func received() async throws -> Double {
    try await text().split(separator: "\n").filter { $0.hasPrefix("gateway_relay_received_bytes_total{") }
      .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
  }

  /// How much memory it has.
  public var residentBytes: Int {
    get throws {
      let fields = try String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8).split(separator: " ")
      guard fields.count > 1, let pages = Int(fields[1]) else { throw FixtureError("no statm of \(pid)") }
      return pages * Int(getpagesize())
    }
  }

  /// The running process.
  public var pid: Int32 { process.withLock { $0.pid } }

  /// Sends it a signal.
  public func signal(_ number: Int32) { process.withLock { $0 }.signal(number) }

  /// Waits for its end.
  public func exit() async throws -> ChildProcess.ExitStatus {
    try await process.withLock { $0 }.exit(within: .patience)
  }

  /// The lines of its log in this life.
  public var log: [JSON] {
    get throws {
      try process.withLock { $0 }.lines.map { try JSON(parsing: $0) }
    }
  }

  func stop() async { await process.withLock { $0 }.stop() }

  /// Starts our own client, runs `body` with it, and stops it.
  ///
  /// - Parameters:
  ///   - server: as `--server` takes it; where clients dial in, in clear, when nil.
  ///   - flags: besides those for the server, the secret and the log.
  @discardableResult
  public func withOwnClient<Result>(
    secret: String, server: String? = nil, _ flags: [String], isolation: isolated (any Actor)? = #isolation,
    _ body: (ChildProcess) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      try await ChildProcess.withProcess(
        Repository.product("gateway-tunnel"),
        ["--server", server ?? "tcp://\(clients)", "--log-format", "json", "--log-level", "debug"] + flags,
        environment: ["GATEWAY_TUNNEL_SECRET": secret], log: directory.file("tunnel.log")
      ) { client in
        do {
          return try await body(client)
        } catch let error as FixtureError {
          throw FixtureError("\(error)\n\(client.lastWords)")
        }
      }
    }
  }

  /// Starts a client that keeps to tcprouter's wire, runs `body` once it is connected, and stops it.
  ///
  /// - Parameters:
  ///   - secret: of its tunnel.
  ///   - local: `IP:PORT` of the application, and of the one for TLS when that is another.
  @discardableResult
  public func withClient<Result>(
    secret: String, local: String, localTLS: String? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (ChildProcess) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      try await ChildProcess.withProcess(
        Repository.peer("trc"),
        ["--remote", clients, "--local", local, "--secret", secret] + (localTLS.map { ["--local-tls", $0] } ?? []),
        log: directory.file("trc.log")
      ) { client in
        _ = try await client.line { $0 == "connected" }
        return try await body(client)
      }
    }
  }
}

extension GatewayProcess {
  /// Calls a method of the object `tunnel`.
  public func tunnel(_ method: String, _ arguments: JSON...) async throws -> PythonCaller.Reply {
    try await caller.call(method, with: arguments, object: "tunnel@0.0.1", within: .patience)
  }

  /// Sets a tunnel whose secret is made, and returns that.
  public func setTunnel(_ workload: String) async throws -> String {
    let reply = try await tunnel("SetTunnel", .string(workload), [:])
    guard reply.callError == nil, let secret = reply.data["Secret"].string else { throw FixtureError("\(reply)") }
    return secret
  }

  /// A tunnel as the list has it.
  public func listedTunnel(_ workload: String) async throws -> JSON? {
    try await tunnel("Tunnels").data.array?.first { $0["Workload"].string == workload }
  }
}

extension GatewayProcess {
  /// Calls a method of the object `pipe`.
  public func pipe(_ method: String, _ arguments: JSON...) async throws -> PythonCaller.Reply {
    try await caller.call(method, with: arguments, object: "pipe@0.0.1", within: .patience)
  }

  /// Sets a pipe at a free port of the loopback and returns where that is.
  public func setPipe(_ workload: String, to remote: String, in network: String? = nil) async throws -> String {
    let listen = "127.0.0.1:\(try FreePort.next())"
    var request: [String: JSON] = ["Listen": .string(listen), "Remote": .string(remote)]
    if let network { request["RemoteNetwork"] = .string(network) }
    let reply = try await pipe("SetPipe", .string(workload), .object(request))
    guard reply.callError == nil else { throw FixtureError("\(reply)") }
    return listen
  }

  /// A pipe as the list has it.
  public func listedPipe(_ workload: String) async throws -> JSON? {
    try await pipe("Pipes").data.array?.first { $0["Workload"].string == workload }
  }
}
