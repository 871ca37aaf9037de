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

  @Test("Every flag of the gateway's line is one that it takes")
  func flags() async throws {
    let words = try ZinitUnit("gateway").command("exec")
    // The last flag is all that is wrong, so nothing is done.
    let outcome = try await Command.run(Repository.product(words[0]), words.dropFirst() + ["--workers", "0"])
    #expect(outcome.standardError == "gateway: --workers must be from 1 to 1024, not 0\n")
    #expect(outcome.status == .code(64))
  }

  @Test("The gateway is ready by the file that Traefik starts with, whether Redis is there or not")
  func readiness() async throws {
    let test = try ZinitUnit("gateway").command("test").joined(separator: " ")
    let file = try #require(try ZinitUnit("traefik").command("exec").last)
    #expect(test.contains("test -s \(file)") && !test.contains("gatewayctl"))

    try await TemporaryDirectory.withDirectory { directory in
      let line = test.replacing(file, with: directory.file("traefik.yaml")).replacing("sleep 2", with: "true")
      let before = try await Command.run("sh", ["-c", line])
      #expect(before.status == .code(1))
      try directory.write("log: {}\n", to: "traefik.yaml")
      let after = try await Command.run("sh", ["-c", line])
      #expect(after.status == .code(0))
    }
  }

  @Test func traefikStartsAfterTheGatewayWithTheFileThatIsWritten() throws {
    let words = try ZinitUnit("traefik").command("exec")
    #expect(try Repository.program(words[0]).hasSuffix("/traefik"))
    let root = try #require(try ZinitUnit("gateway").command("exec").last)
    #expect(words.dropFirst() == ["--configfile", "\(root)/traefik.yaml"])
    #expect(try ZinitUnit("traefik").text.contains("\nafter:\n  - gateway\n"))
  }

  @Test func relayServesTheGatewaysRootByFlagsThatItTakes() async throws {
    let words = try ZinitUnit("relay/relay").command("exec")
    let root = try #require(try ZinitUnit("gateway").command("exec").last)
    #expect(words == ["gateway-relay", "--root", root])
    // The last flag is all that is wrong, so nothing is done.
    let outcome = try await Command.run(Repository.product(words[0]), words.dropFirst() + ["--max-connections", "0"])
    #expect(outcome.standardError == "gateway-relay: --max-connections must be from 1 to 1000000, not 0\n")
    #expect(outcome.status == .code(64))
  }

  @Test func traefikRunsTheHookByItsName() throws {
    #expect(try ZinitUnit("traefik").environment["EXEC_PATH"] == "acme-hook")
  }
}
