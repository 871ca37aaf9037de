import Foundation
import ProxyConfig
import Records
import Synchronization
import System
import TestSupport
import Testing

@testable import ACMEHook

/// A node on the loopback, with its own address, its own directory and the real `acme-hook` and dnsmasq.
///
/// It listens on port 53, as it does in the world, when the tests run as root, and else on a port of its own.
struct Node: Sendable {
  static let isRoot = geteuid() == 0
  static let domain = "gent.example.com"
  static let name = "_acme-challenge.\(domain)."

  let directory: TemporaryDirectory
  let addresses: [String]
  let port: UInt16

  var root: GatewayRoot { GatewayRoot(directory.path) }
  var address: String { addresses[0] }

  private static let addressCount = Atomic<Int>(0)

  /// Makes a node, runs `body` with it and stops what is left of its name server.
  ///
  /// - Parameter others: addresses besides its own.
  static func with<Result>(
    others: [String] = [], isolation: isolated (any Actor)? = #isolation, _ body: (Node) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      let number = addressCount.add(1, ordering: .relaxed).newValue
      let node = Node(
        directory: directory, addresses: ["127.77.\(getpid() & 0xff).\(number)"] + others,
        port: isRoot ? 53 : try FreePort.next())
      try node.install()
      defer { try? Responder.recover(in: node.root, now: .max / 2, report: { _ in }) }
      return try await body(node)
    }
  }

  /// As the gateway does at its start.
  func install(addresses: [String]? = nil) throws {
    let zone = ChallengeZone(
      domain: try Domain(Self.domain), addresses: try (addresses ?? self.addresses).map { try IPAddress($0) },
      port: port)
    try zone.install(in: root)
  }

  /// Runs the hook.
  @discardableResult
  func hook(_ arguments: String..., path: String? = nil) async throws -> Command.Outcome {
    var environment = ["GATEWAY_ROOT": root.path]
    if let path { environment["PATH"] = path }
    return try await Command.run(Repository.product("acme-hook"), arguments, environment: environment)
  }

  func present(_ value: String, at name: String = name) async throws {
    let outcome = try await hook("present", name, value)
    guard outcome.status == .code(0) else { throw FixtureError("present: \(outcome.standardError)") }
  }

  func cleanUp(_ value: String, at name: String = name) async throws {
    let outcome = try await hook("cleanup", name, value)
    guard outcome.status == .code(0) else { throw FixtureError("cleanup: \(outcome.standardError)") }
  }

  /// The values that the world sees.
  func values(of name: String = name, at address: String? = nil) async throws -> Set<String> {
    let answer = try await ask(name, "TXT", at: address)
    return Set(answer.records.map { $0.data.trimmingCharacters(in: ["\""]) })
  }

  func ask(_ name: String, _ kind: String, at address: String? = nil, _ flags: String...) async throws -> Dig.Answer {
    try await Dig.ask(name, kind, at: address ?? self.address, port: port, flags)
  }

  /// Whether nothing takes a question, over UDP or TCP.
  func isSilent() async throws -> Bool {
    for flag in ["+notcp", "+tcp"] where try await Dig.isAnswered(at: address, port: port, flag) { return false }
    return true
  }

  /// The server's processes: one, and one more for each TCP connection.
  var servers: [pid_t] {
    RunningProcess.all(startedWith: "--conf-file=\(root.acme)/dnsmasq.conf").map(\.pid)
  }

  /// The lines of pending challenges, without the time.
  func pending() throws -> [String] {
    try String(contentsOfFile: "\(root.acme)/challenges", encoding: .utf8).split(separator: "\n").dropFirst()
      .map { $0.split(separator: " ").dropFirst(2).joined(separator: " ") }
  }
}
