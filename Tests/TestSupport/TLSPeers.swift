import Foundation

/// A backend to which TLS is passed through, and clients that know exactly what it got and sent.
public final class TLSPeers: Sendable {
  /// Bytes between Traefik and the backend.
  public struct Sums: Sendable, Hashable {
    public let request: Double
    public let response: Double

    public init(request: Double, response: Double) {
      self.request = request
      self.response = response
    }
  }

  /// `IP:port` of the backend.
  public let endpoint: String
  private let process: ChildProcess
  /// Where the commands are written to.
  private let commands: FileHandle

  /// Starts a backend, runs `body` with it and stops it.
  @discardableResult
  public static func withPeers<Result>(
    address: String = "127.0.0.1", isolation: isolated (any Actor)? = #isolation,
    _ body: (TLSPeers) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      let pipe = Pipe()
      return try await ChildProcess.withProcess(
        Repository.program("python3"), [Repository.file("Tests/python/tls_peers.py"), address],
        standardInput: pipe.fileHandleForReading.fileDescriptor, log: directory.file("peers.log")
      ) { process in
        let port = try await process.line { $0.hasPrefix("port ") }.dropFirst("port ".count)
        return try await body(TLSPeers("\(address):\(port)", process, pipe.fileHandleForWriting))
      }
    }
  }

  private init(_ endpoint: String, _ process: ChildProcess, _ commands: FileHandle) {
    self.endpoint = endpoint
    self.process = process
    self.commands = commands
  }

  /// Makes `count` connections, one after the other, each of which ends at once.
  public func connect(_ count: Int, to host: String, through traefik: String) async throws -> Sums {
    // A few at a time: each answer is waited for as long as any, and on a loaded machine a connection takes its time.
    for _ in 0..<(count - 1) / 10 { _ = try await order("short \(host) \(traefik) 10") }
    return try await order("short \(host) \(traefik) \((count - 1) % 10 + 1)")
  }

  /// Opens a connection that stays open.
  public func open(_ name: String, to host: String, through traefik: String) async throws {
    _ = try await order("open \(host) \(traefik) \(name)")
  }

  /// Sends so many bytes over an open connection and receives as many.
  public func send(_ count: Int, over name: String) async throws -> Sums {
    try await order("send \(name) \(count)")
  }

  /// Ends an open connection.
  public func close(_ name: String) async throws -> Sums {
    try await order("close \(name)")
  }

  /// - Returns: the sums of everything so far.
  private func order(_ command: String) async throws -> Sums {
    let verb = "\(command.prefix { $0 != " " }) "
    let before = answers(verb).count
    try commands.write(contentsOf: Data("\(command)\n".utf8))
    var answer = ""
    try await process.ready {
      guard let last = answers(verb).dropFirst(before).first else { return false }
      answer = last
      return true
    }
    let numbers = answer.split(separator: " ").dropFirst().compactMap { Double($0) }
    guard numbers.count == 2 else { throw FixtureError("\(command): \(answer)") }
    return Sums(request: numbers[0], response: numbers[1])
  }

  private func answers(_ verb: String) -> [String] {
    process.lines.filter { $0.hasPrefix(verb) }
  }
}
