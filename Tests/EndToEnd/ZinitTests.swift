import ProxyConfig
import TestSupport
import Testing

/// The units in `zinit/`, as far as that can be seen without zinit.
@Suite(.timeLimit(.minutes(5)))
struct ZinitTests {
  @Test(arguments: ["gateway", "traefik"])
  func isAYAMLMapping(name: String) throws {
    let bytes = try [UInt8](ZinitUnit(name).text.utf8)
    guard case .foreign = RouteFile.read(bytes.span, name: "\(name).yaml") else {
      Issue.record("a route?")
      return
    }
  }

  @Test func gatewaysLineIsTheOneThatOperatorsHave() throws {
    #expect(
      try ZinitUnit("gateway").command("exec").joined(separator: " ")
        == "gateway --broker unix:///var/run/redis.sock --root /var/cache/modules/gateway")
  }

  @Test("Every flag of a unit's command is one that its program takes", arguments: ["exec", "test"])
  func flags(key: String) async throws {
    let words = try ZinitUnit("gateway").command(key)
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
    let words = try ZinitUnit("traefik").command("exec")
    #expect(try Repository.program(words[0]).hasSuffix("/traefik"))
    let root = try #require(try ZinitUnit("gateway").command("exec").last)
    #expect(words.dropFirst() == ["--configfile", "\(root)/traefik.yaml"])
    #expect(try ZinitUnit("traefik").text.contains("\nafter:\n  - gateway\n"))
  }

  @Test func traefikRunsTheHookByItsName() throws {
    #expect(try ZinitUnit("traefik").environment["EXEC_PATH"] == "acme-hook")
  }
}
