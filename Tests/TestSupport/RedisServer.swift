import Foundation
import Synchronization

/// A Redis server on a unix socket and on a port of the loopback, with data of its own.
public final class RedisServer: Fixture {
  /// The path of its unix socket.
  public let socket: String
  /// Its port on 127.0.0.1.
  public let port: UInt16
  public let password: String?

  private let directory: TemporaryDirectory
  private let appendOnly: Bool
  private let process: Mutex<ChildProcess>

  /// Starts a server, runs `body` with it and stops it.
  ///
  /// - Parameters:
  ///   - password: what clients must present; nil for none.
  ///   - appendOnly: whether every write is on disk before it is answered, so that it survives ``restart()`` and
  ///     ``kill()``. Otherwise nothing does.
  @discardableResult
  public static func withServer<Result>(
    password: String? = nil, appendOnly: Bool = false,
    isolation: isolated (any Actor)? = #isolation, _ body: (RedisServer) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      let server = try RedisServer(in: directory, password: password, appendOnly: appendOnly)
      return try await using(server) { server in
        try await server.answers()
        return try await body(server)
      }
    }
  }

  private init(in directory: TemporaryDirectory, password: String?, appendOnly: Bool) throws {
    self.directory = directory
    self.password = password
    self.appendOnly = appendOnly
    socket = directory.file("redis.sock")
    port = try FreePort.next()
    process = try Mutex(
      Self.launch(in: directory, socket: socket, port: port, password: password, appendOnly: appendOnly))
  }

  private static func launch(
    in directory: TemporaryDirectory, socket: String, port: UInt16, password: String?, appendOnly: Bool
  ) throws -> ChildProcess {
    let arguments = [
      "--bind", "127.0.0.1", "--port", "\(port)", "--unixsocket", socket, "--dir", directory.path, "--save", "",
      "--appendonly", appendOnly ? "yes" : "no", "--appendfsync", "always",
    ]
    return try ChildProcess(
      Repository.program("redis-server"), arguments + (password.map { ["--requirepass", $0] } ?? []),
      log: directory.file("redis.log"))
  }

  /// The broker URL over the unix socket. A URL of this kind carries no password.
  public var unixURL: String { "unix://\(socket)" }

  /// The broker URL over TCP, with the password, if any, where callers of the bus put it.
  public var tcpURL: String { "tcp://\(password.map { "\($0)@" } ?? "")127.0.0.1:\(port)" }

  /// Runs one command, as `redis-cli` does, and returns the reply as text, one line an element.
  ///
  /// - Throws: ``FixtureError`` for an error reply, or when the server does not answer.
  @discardableResult
  public func command(_ arguments: String...) async throws -> String {
    try await command(arguments)
  }

  /// The same, of arguments that come as an array.
  @discardableResult
  public func command(_ arguments: [String]) async throws -> String {
    let output = try await Command.succeed(
      Repository.program("redis-cli"), ["-e", "-s", socket] + arguments,
      environment: password.map { ["REDISCLI_AUTH": $0] } ?? [:])
    return output.hasSuffix("\n") ? String(output.dropLast()) : output
  }

  /// Changes a setting of the running server (`CONFIG SET`); lost when it is restarted.
  public func configure(_ name: String, _ value: String) async throws {
    try await command("CONFIG", "SET", name, value)
  }

  /// Stops the server and starts it again at the same addresses.
  public func restart() async throws {
    await stop()
    try await start()
  }

  /// Starts the server again after ``stop()`` or ``kill()``, at the same addresses.
  public func start() async throws {
    try process.withLock {
      $0 = try Self.launch(in: directory, socket: socket, port: port, password: password, appendOnly: appendOnly)
    }
    try await answers()
  }

  /// Ends the server in good order; clients lose their connections and cannot connect.
  public func stop() async {
    await process.withLock { $0 }.stop()
  }

  /// Ends the server at once, as a crash would.
  public func kill() async throws {
    let process = process.withLock { $0 }
    process.signal(SIGKILL)
    _ = try await process.exit()
  }

  /// Makes the server hang: connections stay, nothing is answered, until ``resume()``.
  public func pause() {
    process.withLock { $0.signal(SIGSTOP) }
  }

  /// Ends a ``pause()``.
  public func resume() {
    process.withLock { $0.signal(SIGCONT) }
  }

  private func answers() async throws {
    try await process.withLock { $0 }.ready { try await command("PING") == "PONG" }
  }
}
