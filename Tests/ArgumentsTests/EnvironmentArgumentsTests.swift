import Foundation
import Testing

@testable import Arguments

/// Variables of the test process itself, with names that nothing else has.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct EnvironmentArgumentsTests {
  private static let flags = EnvironmentArguments([
    .option("trial-one"), .list("trial-many"), .toggle("trial-switch"),
  ])

  static let cases: [(environment: [String: String], arguments: [String], result: [String])] = [
    ([:], ["--x", "y"], ["--x", "y"]),
    (["TRIAL_ONE": "a b=c"], [], ["--trial-one=a b=c"]),
    (["TRIAL_ONE": "a"], ["--x", "--", "-y"], ["--trial-one=a", "--x", "--", "-y"]),
    (["TRIAL_ONE": ""], ["x"], ["x"]),
    (["TRIAL_ONE": "a"], ["--trial-one", "b"], ["--trial-one", "b"]),
    (["TRIAL_ONE": "a"], ["--trial-one=b"], ["--trial-one=b"]),
    (["TRIAL_ONE": "a"], ["--trial-one-more=b"], ["--trial-one=a", "--trial-one-more=b"]),
    (["TRIAL_MANY": "a, b  c,"], [], ["--trial-many=a", "--trial-many=b", "--trial-many=c"]),
    (["TRIAL_MANY": "a b"], ["--trial-many", "c"], ["--trial-many", "c"]),
    (["TRIAL_MANY": " ,"], [], []),
    (["TRIAL_SWITCH": "1"], [], ["--trial-switch"]), (["TRIAL_SWITCH": "true"], [], ["--trial-switch"]),
    (["TRIAL_SWITCH": "0"], [], []), (["TRIAL_SWITCH": "false"], [], []), (["TRIAL_SWITCH": ""], [], []),
    // For the parser to refuse.
    (["TRIAL_SWITCH": "yes"], [], ["--trial-switch=yes"]),
    (["TRIAL_SWITCH": "0"], ["--trial-switch"], ["--trial-switch"]),
    (
      ["TRIAL_ONE": "a", "TRIAL_MANY": "b", "TRIAL_SWITCH": "1"], ["c"],
      ["--trial-one=a", "--trial-many=b", "--trial-switch", "c"]
    ),
  ]

  @Test("Variables become arguments in front of those given", arguments: cases)
  func adding(environment: [String: String], arguments: [String], result: [String]) {
    for (name, value) in environment { setenv("GATEWAY_\(name)", value, 1) }
    defer { for name in environment.keys { unsetenv("GATEWAY_\(name)") } }
    #expect(Self.flags.adding(to: arguments) == result)
  }
}
