import Foundation
import TestSupport
import Testing

/// What the hook makes of what it is called with.
@Suite(.timeLimit(.minutes(5)))
struct ArgumentTests {
  static let bad: [[String]] =
    [
      [], ["absent"], ["present"], ["present", Node.name], ["present", Node.name, "one", "two"],
      ["cleanup", Node.name],
      ["timeout", "one"], ["present", "--root", "relative", Node.name, "one"],
      ["present", "_acme-challenge.example.com.", "one"], ["present", "_acme-challenge.evil\(Node.domain).", "one"],
      ["present", "_acme-challenge.example.", "one"], ["cleanup", "_acme-challenge.example.com.", "one"],
    ] + ChallengeTests.badNames.filter { !$0.contains("\0") }.map { ["present", $0, "one"] }
    + ChallengeTests.badValues.filter { !$0.contains("\0") }.flatMap {
      [["present", Node.name, $0], ["cleanup", Node.name, $0]]
    }

  @Test func badArgumentsAreRefusedInOneLineAndChangeNothing() async throws {
    try await Node.with { node in
      try await node.present("pending")
      let before = try contents(of: node)
      for arguments in Self.bad {
        let outcome = try await Command.run(
          Repository.product("acme-hook"), arguments, environment: ["GATEWAY_ROOT": node.root.path])
        #expect(outcome.status == .code(64), "\(arguments): \(outcome)")
        #expect(
          outcome.standardError.hasPrefix("acme-hook: ") && outcome.standardError.hasSuffix("\n")
            && outcome.standardError.split(separator: "\n").count == 1, "\(arguments): \(outcome)")
        #expect(outcome.standardOutput.isEmpty)
      }
      #expect(try contents(of: node) == before)
      #expect(try await node.values() == ["pending"])
    }
  }

  private func contents(of node: Node) throws -> [String: Data?] {
    let names = try FileManager.default.contentsOfDirectory(atPath: node.root.acme)
    return Dictionary(
      uniqueKeysWithValues: names.map { ($0, FileManager.default.contents(atPath: "\(node.root.acme)/\($0)")) })
  }

  @Test(arguments: ["-starts-with-a-hyphen", "--root", "--", "-x", "-"])
  func valueMayLookLikeAFlag(value: String) async throws {
    try await Node.with { node in
      try await node.present(value)
      #expect(try await node.values() == [value])
      try await node.cleanUp(value)
      #expect(try await node.isSilent())
    }
  }

  @Test func rootIsTakenFromAFlagToo() async throws {
    try await Node.with { node in
      let outcome = try await Command.run(
        Repository.product("acme-hook"), ["present", "--root", node.root.path, Node.name, "-one"],
        environment: ["GATEWAY_ROOT": "/nonexistent"])
      #expect(outcome.status == .code(0), "\(outcome)")
      #expect(try await node.values() == ["-one"])
    }
  }

  @Test func domainOfARouteIsThisNodesForAsLongAsTheRouteIsThere() async throws {
    try await Node.with { node in
      let name = "_acme-challenge.shop.example.org"
      #expect(try await node.hook("present", name, "one").status == .code(64))
      let route = try node.directory.directory("proxy") + "/37-1-shop.yaml"
      try Data(
        """
        tcp: {routers: {37-1-shop-route: {rule: HostSNI(`shop.example.org`), service: 37-1-shop,
          tls: {passthrough: "true"}}},
          services: {37-1-shop: {loadbalancer: {servers: [{address: 10.1.2.3:443}]}}}}
        """.utf8
      ).write(to: URL(filePath: route))
      try await node.present("one", at: name)
      #expect(try await node.values(of: name) == ["one"])
      #expect(try await node.ask(name, "NS").records.map(\.data) == ["shop.example.org."])
      #expect(try await node.ask("shop.example.org", "A").records.map(\.data) == [node.address])
      #expect(try await node.hook("present", "_acme-challenge.www.shop.example.org", "one").status == .code(64))
      // A challenge outlives its route.
      try FileManager.default.removeItem(atPath: route)
      try await node.cleanUp("one", at: name)
      #expect(try await node.isSilent())
      #expect(try await node.hook("present", name, "one").status == .code(64))
    }
  }

  @Test func withoutAZoneTheHookSaysWhoWritesIt() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let outcome = try await Command.run(
        Repository.product("acme-hook"), ["present", Node.name, "one"], environment: ["GATEWAY_ROOT": directory.path])
      #expect(outcome.status == .code(1))
      #expect(
        outcome.standardError
          == "acme-hook: open \(directory.path)/acme/zone: No such file or directory; the gateway writes it when it starts\n"
      )
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }
  }

  @Test func timeoutIsPrintedAsJSON() async throws {
    let output = try await Command.succeed(Repository.product("acme-hook"), ["timeout"])
    #expect(try JSON(parsing: output)["timeout"].integer == 60)
    #expect(try JSON(parsing: output)["interval"].integer == 2)
  }

  @Test func helpIsPrinted() async throws {
    let output = try await Command.succeed(Repository.product("acme-hook"), ["present", "--help"])
    #expect(output.contains("USAGE: acme-hook present"))
  }
}
