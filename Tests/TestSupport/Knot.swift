import Foundation
import Synchronization

/// The knotd of a gateway that was started with ``flags(_:)``.
public final class Knot: Fixture {
  /// The name of the gateway's name server.
  public static let nameserver = "ns1.gateway.test"
  /// The domain in which everybody may take a name.
  public static let managed = "free.test"

  /// Flags that switch DNS on, at a port of its own.
  public static func flags(_ others: String...) throws -> [String] {
    GatewayProcess.permissive + [
      "--dns-address", "127.0.0.1:\(try FreePort.next())", "--dns-nameserver", nameserver, "--dns-domain", managed,
    ] + others
  }

  /// Lets knotd, which is another user than root, into a gateway's root before that starts.
  public static func prepare(_ root: TemporaryDirectory) throws {
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: root.path)
  }

  private let gateway: GatewayProcess
  private let place: Mutex<UInt16>
  private let address: String
  private var port: UInt16 { place.withLock { $0 } }
  private let directory: TemporaryDirectory
  private let process: Mutex<ChildProcess>

  /// Starts it, runs `body` with it and stops it.
  @discardableResult
  public static func withServer<Result>(
    for gateway: GatewayProcess, isolation: isolated (any Actor)? = #isolation, _ body: (Knot) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      try await using(Knot(gateway, directory)) { knot in
        try await knot.answers()
        return try await body(knot)
      }
    }
  }

  /// Starts a gateway that serves DNS, and its knotd; runs `body` with both and stops them.
  @discardableResult
  public static func withNode<Result>(
    _ others: [String] = [], isolation: isolated (any Actor)? = #isolation,
    _ body: (GatewayProcess, Knot) async throws -> Result
  ) async throws -> Result {
    try await GatewayProcess.withGateway(flags() + others, prepare: prepare) { gateway in
      try await withServer(for: gateway) { knot in try await body(gateway, knot) }
    }
  }

  private init(_ gateway: GatewayProcess, _ directory: TemporaryDirectory) throws {
    self.gateway = gateway
    self.directory = directory
    address = String(gateway.address("--dns-address").split(separator: ":")[0])
    place = Mutex(UInt16(gateway.port("--dns-address"))!)
    process = Mutex(try Self.launch(gateway, log: directory.file("knot.log")))
  }

  private static func launch(_ gateway: GatewayProcess, log: String) throws -> ChildProcess {
    try ChildProcess(
      Repository.program("knotd"), ["-C", gateway.root.file("knot/confdb")],
      environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"], log: log)
  }

  /// Waits until it answers.
  public func answers() async throws {
    try await process.withLock { $0 }.ready {
      try await Dig.isAnswered(at: address, port: port, "+notcp")
    }
  }

  /// Ends it at once.
  public func kill() async throws {
    process.withLock { $0 }.signal(SIGKILL)
    _ = try await process.withLock { $0 }.exit()
  }

  /// Starts it again, once it has ended, and waits until it answers.
  ///
  /// - Parameter port: where it is to answer; nil for where it did.
  public func start(at port: UInt16? = nil) async throws {
    if let port { place.withLock { $0 = port } }
    try process.withLock { $0 = try Self.launch(gateway, log: directory.file("knot.log")) }
    try await answers()
  }

  public func stop() async { await process.withLock { $0 }.stop() }

  /// Asks it one question.
  public func ask(_ name: String, _ type: String, _ flags: String...) async throws -> Dig.Answer {
    try await Dig.ask(name, type, at: address, port: port, flags)
  }

  /// What it says of a name: the data of its records of a type, in order.
  public func data(_ name: String, _ type: String) async throws -> [String] {
    try await ask(name, type).records.filter { $0.kind == type }.map(\.data).sorted()
  }

  private var lastWords: String {
    (try? String(contentsOfFile: directory.file("knot.log"), encoding: .utf8)) ?? ""
  }

  /// Runs a command of knotc, and returns what it prints.
  @discardableResult
  public func control(_ arguments: String...) async throws -> String { try await control(arguments) }

  @discardableResult
  private func control(_ arguments: [String]) async throws -> String {
    let outcome = try await Command.run(
      Repository.program("knotc"), ["-s", gateway.root.file("knot/knot.sock")] + arguments)
    guard outcome.status == .code(0) else { throw FixtureError("knotc \(arguments): \(outcome)\n\(lastWords)") }
    return outcome.standardOutput
  }

  /// Changes its configuration as an operator would.
  ///
  /// - Parameter commands: commands of knotc, each with its arguments.
  public func configure(_ commands: [String]...) async throws {
    try await control("conf-begin")
    for command in commands { try await control(command) }
    try await control("conf-commit")
  }

  /// Has BIND's client copy a zone (AXFR, RFC 5936).
  ///
  /// - Parameter key: a file with a TSIG key, as the gateway makes it.
  /// - Returns: its records, or what dig says.
  public func copy(_ zone: String, key: String?) async throws -> String {
    var flags: [String] = []
    if let key {
      let text = try String(contentsOfFile: key, encoding: .utf8)
      let secret = text.split(separator: "\n").first { $0.contains("secret:") }?.split(separator: " ").last ?? ""
      flags = ["-y", "hmac-sha256:gateway-transfer:\(secret)"]
    }
    let outcome = try await Command.run(
      Repository.program("dig"), ["@\(address)", "-p", "\(port)", "+onesoa"] + flags + ["AXFR", zone])
    // Without the signatures of the messages.
    return outcome.standardOutput.split(separator: "\n").filter { !$0.contains("\tTSIG\t") }.joined(separator: "\n")
      + "\n"
  }

  /// Has BIND's validator look a name up here, from a trust anchor for the zone.
  ///
  /// - Returns: what it prints: answers, and whether they are `fully validated`.
  public func validate(_ name: String, _ type: String, zone: String) async throws -> String {
    guard let key = try await data(zone, "DNSKEY").first(where: { $0.hasPrefix("257 ") }) else {
      throw FixtureError("no key of \(zone)")
    }
    let parts = key.split(separator: " ")
    let numbers = parts[..<3].joined(separator: " ")
    let anchor = "trust-anchors { \(zone). static-key \(numbers) \"\(parts[3...].joined())\"; };\n"
    let file = try directory.write(anchor, to: "anchor-\(UUID().uuidString)")
    let outcome = try await Command.run(
      Repository.program("delv"),
      ["@\(address)", "-p", "\(port)", "-a", file, "+root=\(zone)", "+noshort", "+multiline", name, type])
    return outcome.standardOutput + outcome.standardError
  }
}
