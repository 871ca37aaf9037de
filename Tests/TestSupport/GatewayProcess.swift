import Foundation
import Synchronization

/// A gateway with a Redis, a root directory and callers of its own.
public final class GatewayProcess: Fixture {
  /// The node's domain in ``node``.
  public static let zone = "gent01.example.test"
  /// The node's public addresses in ``node``.
  public static let addresses = ["203.0.113.7", "2001:db8::7"]
  /// Flags that give the node a public network.
  public static let node = ["--domain", zone] + addresses.flatMap { ["--public-ip", $0] }
  /// Flags for a gateway that takes every name and backend a test can serve.
  public static let permissive = node + ["--no-domain-check", "--allow-loopback-backends"]

  public let redis: RedisServer
  public let caller: PythonCaller
  /// The gateway's `--root`.
  public let root: TemporaryDirectory
  /// The flags it was started with last.
  public var arguments: [String] { state.withLock { $0.arguments } }

  private let directory: TemporaryDirectory
  private let environment: [String: String]
  private let wrapper: [String]
  private let state: Mutex<(process: ChildProcess, arguments: [String])>

  /// Starts a gateway, runs `body` with it and stops it.
  ///
  /// - Parameters:
  ///   - flags: besides those for the broker, the root, Traefik's addresses and the log, which it has always.
  ///   - environment: added to that of this process.
  ///   - wrapper: a program and its arguments that start the gateway in its own place.
  ///   - prepare: puts files into the root before the gateway starts.
  @discardableResult
  public static func withGateway<Result>(
    _ flags: [String] = permissive, environment: [String: String] = [:], wrapper: [String] = [],
    isolation: isolated (any Actor)? = #isolation, prepare: (TemporaryDirectory) throws -> Void = { _ in },
    _ body: (GatewayProcess) async throws -> Result
  ) async throws -> Result {
    try await RedisServer.withServer { redis in
      try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
        try await TemporaryDirectory.withDirectory { directory in
          try await TemporaryDirectory.withDirectory { root in
            try prepare(root)
            let gateway = try GatewayProcess(
              flags, environment: environment, wrapper: wrapper, redis: redis, caller: caller, root: root,
              directory: directory)
            return try await using(gateway) { gateway in
              try await gateway.answers()
              return try await body(gateway)
            }
          }
        }
      }
    }
  }

  private init(
    _ flags: [String], environment: [String: String], wrapper: [String], redis: RedisServer, caller: PythonCaller,
    root: TemporaryDirectory, directory: TemporaryDirectory
  ) throws {
    self.redis = redis
    self.caller = caller
    self.root = root
    self.directory = directory
    self.environment = environment
    self.wrapper = wrapper
    let addresses = try ["--http-address", "--https-address", "--traefik-address"].flatMap {
      try [$0, "127.0.0.1:\(FreePort.next())"]
    }
    let arguments =
      ["--broker", redis.unixURL, "--root", root.path, "--log-format", "json", "--log-level", "debug"] + addresses
      + flags
    state = try Mutex(
      (
        Self.launch(arguments, environment: environment, wrapper: wrapper, log: directory.file("gateway.log")),
        arguments
      ))
  }

  private static func launch(
    _ arguments: [String], environment: [String: String], wrapper: [String], log: String
  ) throws -> ChildProcess {
    let command = try wrapper + [Repository.product("gateway")] + arguments
    return try ChildProcess(command[0], Array(command.dropFirst()), environment: environment, log: log)
  }

  private func answers() async throws {
    let process = state.withLock { $0.process }
    try await process.ready {
      try await caller.status(within: .seconds(1)).protocolError == nil
    }
  }

  /// `IP:port` that was given for one of Traefik's addresses: `--https-address`, say.
  public func address(_ flag: String) -> String {
    let arguments = arguments
    // Of several the last one counts.
    return arguments[arguments.lastIndex(of: flag)! + 1]
  }

  /// The same as a port.
  public func port(_ flag: String) -> String {
    String(address(flag).split(separator: ":").last!)
  }

  // MARK: Life

  /// The running process.
  public var pid: Int32 { state.withLock { $0.process.pid } }

  /// Sends it a signal.
  public func signal(_ number: Int32) {
    state.withLock { $0.process }.signal(number)
  }

  /// Waits for its end.
  public func exit(within limit: Duration = .patience) async throws -> ChildProcess.ExitStatus {
    try await state.withLock { $0.process }.exit(within: limit)
  }

  /// Ends it at once.
  public func kill() async throws {
    signal(SIGKILL)
    _ = try await exit()
  }

  /// Starts it again on the same root, once it has ended, and waits until it answers.
  ///
  /// - Parameters:
  ///   - flags: added to those it had.
  ///   - dropped: a flag that it had with one value, and has no longer.
  public func start(adding flags: [String] = [], dropping dropped: String? = nil) async throws {
    try state.withLock { state in
      var arguments = state.arguments + flags
      if let place = dropped.flatMap(arguments.firstIndex(of:)) { arguments.removeSubrange(place...(place + 1)) }
      let process = try Self.launch(
        arguments, environment: environment, wrapper: wrapper, log: directory.file("gateway.log"))
      state = (process, arguments)
    }
    try await answers()
  }

  /// Ends it in good order and starts it again.
  public func restart(adding flags: [String] = [], dropping dropped: String? = nil) async throws {
    signal(SIGTERM)
    _ = try await exit()
    try await start(adding: flags, dropping: dropped)
  }

  public func stop() async {
    await state.withLock { $0.process }.stop()
  }

  // MARK: Callers

  /// Calls a method, as ``PythonCaller/call(_:_:object:module:within:inspect:)`` does.
  @discardableResult
  public func call(
    _ method: String, _ arguments: JSON..., object: String = "manager@0.0.1", within limit: Duration = .patience
  ) async throws -> PythonCaller.Reply {
    try await caller.call(method, with: arguments, object: object, within: limit)
  }

  /// Publishes a name and returns the whole one.
  ///
  /// - Throws: ``FixtureError`` when the gateway refuses.
  @discardableResult
  public func setName(_ workload: String, _ name: String, _ backends: String...) async throws -> String {
    let reply = try await call("SetNamedProxy", .string(workload), Self.proxy(["Name": .string(name)], backends))
    return try Self.accepted(reply).string ?? ""
  }

  /// Publishes a domain.
  ///
  /// - Throws: ``FixtureError`` when the gateway refuses.
  public func setFQDN(_ workload: String, _ fqdn: String, _ backends: String...) async throws {
    _ = try Self.accepted(
      await call("SetFQDNProxy", .string(workload), Self.proxy(["FQDN": .string(fqdn)], backends)))
  }

  /// Withdraws what a workload has.
  ///
  /// - Throws: ``FixtureError`` when the gateway refuses.
  public func delete(_ workload: String) async throws {
    _ = try Self.accepted(await call("DeleteNamedProxy", .string(workload)))
  }

  /// The argument of a call that publishes something; TLS is passed through to backends without a scheme, tunnels apart.
  private static func proxy(_ name: [String: JSON], _ backends: [String]) -> JSON {
    .object(
      name.merging([
        "TLSPassthrough": .bool(!backends.contains { $0.contains("://") || $0.hasPrefix("tunnel:") }),
        "Backends": .array(backends.map(JSON.string)),
      ]) { $1 })
  }

  private static func accepted(_ reply: PythonCaller.Reply) throws -> JSON {
    if let error = reply.callError ?? reply.protocolError { throw FixtureError(error) }
    return reply.data
  }

  /// All routes, as `Routes` tells them.
  public func routes() async throws -> [JSON] {
    try await call("Routes").data.array ?? []
  }

  /// Which workload has which domain, as `Routes` tells it.
  public func domains() async throws -> [String: String] {
    Dictionary(uniqueKeysWithValues: try await routes().map { ($0["Workload"].string ?? "", $0["FQDN"].string ?? "") })
  }

  /// Runs `gatewayctl` against this gateway's broker.
  public func gatewayctl(_ arguments: String..., environment: [String: String] = [:]) async throws -> Command.Outcome {
    try await Command.run(
      Repository.product("gatewayctl"), arguments,
      environment: ["GATEWAY_BROKER": redis.unixURL].merging(environment) { $1 })
  }

  /// Starts a Traefik with the static configuration as this gateway wrote it and the environment that `zinit/traefik.yaml`
  /// gives it, runs `body` with it once it listens, and stops it.
  ///
  /// - Parameters:
  ///   - environment: added to the unit's.
  @discardableResult
  public func withTraefikAsInstalled<Result>(
    environment: [String: String] = [:], isolation: isolated (any Actor)? = #isolation,
    _ body: (ChildProcess) async throws -> Result
  ) async throws -> Result {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    // Where `make install` would have put the programs.
    let place = ["PATH": "\(Repository.products):\(path)", "GATEWAY_ROOT": root.path]
    let unit = try ZinitUnit("traefik").environment
    return try await ChildProcess.withProcess(
      Repository.program("traefik", environment: "TRAEFIK"), ["--configfile", root.file("traefik.yaml")],
      environment: unit.merging(place) { $1 }.merging(environment) { $1 }, log: directory.file("traefik.log")
    ) { traefik in
      try await traefik.ready {
        try await HTTPClient(connectingTo: address("--http-address")).fetch("http://\(Self.zone)/").status == 301
      }
      return try await body(traefik)
    }
  }

  /// A client for what Traefik serves at one of its addresses: `--https-address`, say.
  public func client(_ flag: String, trust: HTTPClient.Trust = .anyone) -> HTTPClient {
    HTTPClient(connectingTo: address(flag), trust: trust)
  }

  /// Starts a Traefik with the static configuration that this gateway wrote, runs `body` with it and stops it.
  @discardableResult
  public func withTraefik<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: (Traefik) async throws -> Result
  ) async throws -> Result {
    try await Traefik.withServer(configuration: root.file("traefik.yaml"), body)
  }

  // MARK: What it leaves behind

  /// The lines of its log, over all its lives.
  public var log: [JSON] {
    get throws {
      try state.withLock { $0.process }.output.split(separator: "\n").map { try JSON(parsing: String($0)) }
    }
  }

  /// The log's lines with this message.
  public func logged(_ message: String) throws -> [JSON] {
    try log.filter { $0["message"].string == message }
  }

  /// A file as it is on disk.
  public struct File: Sendable, Hashable {
    public let content: String
    public let inode: UInt64
    /// Nanoseconds since the epoch.
    public let modified: Int64
  }

  /// Every file below the root by its path there. Folders are there too, with no content, so that a changed folder shows. What
  /// the gateway has for itself among the routes is left out.
  public func files(in folder: String = "") throws -> [String: File] {
    let top = folder.isEmpty ? root.path : root.file(folder)
    let paths = [""] + (FileManager.default.subpaths(atPath: top) ?? []).filter { !$0.hasSuffix(".gateway.yaml") }
    return try Dictionary(
      uniqueKeysWithValues: paths.map { path in
        let full = path.isEmpty ? top : "\(top)/\(path)"
        var status = stat()
        guard lstat(full, &status) == 0 else { throw FixtureError("cannot look at \(full)") }
        let content = FileManager.default.contents(atPath: full) ?? Data()
        let modified = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        return (
          path,
          File(
            content: isFolder ? "" : String(decoding: content, as: UTF8.self), inode: UInt64(status.st_ino),
            modified: modified)
        )
      })
  }

  /// The route file of a workload; nil when there is none.
  public func routeFile(_ workload: String) throws -> File? {
    try files(in: "proxy")["\(workload).yaml"]
  }
}
