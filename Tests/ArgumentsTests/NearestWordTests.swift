import Testing

@testable import Arguments

/// What is taken for a mistyped word, and what is not.
@Suite(.timeLimit(.minutes(5)))
struct NearestWordTests {
  private static let commands = ["set-name", "set-fqdn", "delete", "list", "watch", "metrics", "status", "check"]

  @Test(arguments: [
    ("lst", "list"), ("stauts", "status"), ("delte", "delete"), ("LIST", "list"), ("setname", "set-name"),
    ("set-fdqn", "set-fqdn"), ("metric", "metrics"), ("wacth", "watch"), ("chek", "check"), ("del", "delete"),
  ])
  func isTheNearest(typed: String, meant: String) {
    #expect(NearestWord.to(typed, in: Self.commands) == meant)
  }

  @Test(
    "Nothing is offered for what is far from all, or as near to two",
    arguments: [
      "bogus", "x", "", "-", "help-me", "li", "set", "remove", String(repeating: "a", count: 10_000), "\u{1b}[2J",
    ])
  func isNothing(typed: String) {
    #expect(NearestWord.to(typed, in: Self.commands) == nil)
  }

  @Test func hyphensDoNotCount() {
    #expect(NearestWord.to("-timeout", in: ["--timeout", "--broker"]) == "--timeout")
    #expect(NearestWord.to("--tls", in: ["--tls-passthrough", "--broker"]) == "--tls-passthrough")
  }

  @Test(arguments: [
    (["list", "--timeout", "-1"], ["list", "--timeout=-1"]), (["--wait", "-0.5", "x"], ["--wait=-0.5", "x"]),
    (["--timeout", "--json"], ["--timeout", "--json"]), (["--timeout=5", "-1"], ["--timeout=5", "-1"]),
    (["--", "--timeout", "-1"], ["--", "--timeout", "-1"]), (["w", "-1"], ["w", "-1"]), (["--", "-1"], ["--", "-1"]),
  ])
  func negativeNumbersBelongToTheirOption(given: [String], joined: [String]) {
    #expect(CommandLineText.joiningNegativeNumbers(given) == joined)
  }
}
