import Foundation
import ProxyConfig
import TestSupport
import Testing

/// The units in `zinit/`, as far as that can be seen without zinit.
struct ZinitTests {
  private func unit(_ name: String) throws -> String {
    try String(contentsOfFile: Repository.file("zinit/\(name).yaml"), encoding: .utf8)
  }

  /// The words of the command that a unit has under `key`.
  private func command(_ key: String, of name: String) throws -> [String] {
    let line = try unit(name).split(separator: "\n").first { $0.hasPrefix("\(key): ") }
    return try #require(line).dropFirst(key.count + 2).split(separator: " ").map(String.init)
  }

  @Test(arguments: ["gateway", "traefik"])
  func isAYAMLMapping(name: String) throws {
    let bytes = try [UInt8](unit(name).utf8)
    guard case .foreign = RouteFile.read(bytes.span, name: "\(name).yaml") else {
      Issue.record("a route?")
      return
    }
  }

  @Test func gatewaysLineIsTheOneThatOperatorsHave() throws {
    #expect(
      try command("exec", of: "gateway").joined(separator: " ")
        == "gateway --broker unix:///var/run/redis.sock --root /var/cache/modules/gateway")
  }

  @Test("Every flag of a unit's command is one that its program takes", arguments: ["exec", "test"])
  func flags(key: String) async throws {
    let words = try command(key, of: "gateway")
    // The last flag is all that is wrong, so nothing is done.
    let (wrong, error) =
      words[0] == "gateway"
      ? (["--workers", "0"], "gateway: --workers must be from 1 to 1024, not 0\n")
      : (["--timeout", "0"], "gatewayctl: --timeout must be above 0 and at most 86400\n")
    let outcome = try await Command.run(Repository.product(words[0]), words.dropFirst() + wrong)
    #expect(outcome.standardError == error)
    #expect(outcome.status == .code(64))
  }

  @Test func traefikStartsAfterTheGatewayWithTheFileThatIsWritten() throws {
    let words = try command("exec", of: "traefik")
    #expect(try Repository.program(words[0]).hasSuffix("/traefik"))
    let root = try #require(try command("exec", of: "gateway").last)
    #expect(words.dropFirst() == ["--configfile", "\(root)/traefik.yaml"])
    #expect(try unit("traefik").contains("\nafter:\n  - gateway\n"))
  }
}
