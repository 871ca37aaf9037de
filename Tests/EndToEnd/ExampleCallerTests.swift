import Foundation
import TestSupport
import Testing

/// The callers in `Examples/callers`, each built with its language's own tools and run against the gateway.
@Suite(.timeLimit(.minutes(15)))
struct ExampleCallerTests {
  /// What each of them prints, as docs/calling.md shows it.
  private static let transcript = """
    published web.gent01.example.test
    refused: domain already registered: web.gent01.example.test
    route 37-1976-web named web.gent01.example.test http://10.1.2.3:9000
    sent to backends: 0.0 bytes
    withdrawn

    """

  @Test func documentShowsWhatTheyPrint() throws {
    let indented = Self.transcript.split(separator: "\n").map { "    \($0)\n" }.joined()
    #expect(try String(contentsOfFile: Repository.file("docs/calling.md"), encoding: .utf8).contains(indented))
  }

  @Test func python() async throws {
    try await callsTheGateway { socket, _ in
      try await Command.run(
        Repository.program("python3"), [Repository.file("Examples/callers/python/caller.py"), socket])
    }
  }

  @Test func swift() async throws {
    try await callsTheGateway { socket, _ in try await Command.run(Self.swiftCaller, [socket]) }
  }

  /// Built by scripts/test, as a stranger would.
  private static let swiftCaller = Repository.file(".build/example-caller/debug/SwiftCaller")

  @Test func swiftNeedsNothingOfTheDaemon() throws {
    let built = try FileManager.default.contentsOfDirectory(
      atPath: Repository.file(".build/example-caller/debug/Modules")
    ).filter { $0.hasSuffix(".swiftmodule") }.map { $0.dropLast(".swiftmodule".count) }
    #expect(Set(built).isSuperset(of: ["SwiftCaller", "GatewayClient", "RPC", "System"]))
    for other in ["NIOHTTP1", "GatewayModule", "ProxyConfig", "Records", "ACMEHook", "ArgumentParser"] {
      #expect(!built.contains { $0 == other }, "\(other)")
    }
    let program = try Data(contentsOf: URL(filePath: Self.swiftCaller), options: .alwaysMapped)
    for library in ["libcares.so", "libssl.so", "libyaml-0.so"] {
      #expect(program.range(of: Data(library.utf8)) == nil, "\(library)")
    }
  }

  @Test(
    .enabled(if: isThere("go", with: "/usr/share/gocode/src/github.com/gomodule/redigo"), "there is no Go with redigo"))
  func go() async throws {
    try await callsTheGateway { socket, directory in
      try await Command.run(
        "go", ["run", Repository.file("Examples/callers/go/main.go"), socket],
        environment: ["GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": directory.file("cache")],
        within: .seconds(400))
    }
  }

  @Test(.enabled(if: isThere("cargo", with: "/usr/share/cargo/registry"), "there is no Rust with Debian's crates"))
  func rust() async throws {
    try await callsTheGateway { socket, directory in
      // cargo writes beside the sources.
      let package = directory.file("caller")
      try FileManager.default.copyItem(atPath: Repository.file("Examples/callers/rust"), toPath: package)
      return try await Command.run(
        "cargo",
        [
          "run", "--quiet", "--offline", "--manifest-path", "\(package)/Cargo.toml", "--target-dir",
          directory.file("target"), "--config", #"source.crates-io.replace-with="debian""#, "--config",
          #"source.debian.directory="/usr/share/cargo/registry""#, "--", socket,
        ], within: .seconds(400))
    }
  }

  private static func isThere(_ program: String, with folder: String) -> Bool {
    (try? Repository.program(program)) != nil && FileManager.default.fileExists(atPath: folder)
  }

  private func callsTheGateway(
    _ run: (_ socket: String, _ directory: TemporaryDirectory) async throws -> Command.Outcome
  ) async throws {
    try await GatewayProcess.withGateway { gateway in
      try await TemporaryDirectory.withDirectory { directory in
        let outcome = try await run(gateway.redis.socket, directory)
        #expect(outcome.status == .code(0), "\(outcome.standardError)")
        #expect(outcome.standardOutput == Self.transcript)
      }
      #expect(try await gateway.routes().isEmpty)
    }
  }
}
