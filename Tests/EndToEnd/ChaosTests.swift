import TestSupport
import Testing

/// A short run of what `make chaos` does at length.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct ChaosTests {
  @Test
  func nothingAcknowledgedIsLostWhenTheGatewayRedisAndKnotAreKilled() async throws {
    let outcome = try await Command.run(
      Repository.file("scripts/chaos"),
      [
        "--seed", "4", "--seconds", "8", "--kills", "4", "--redis-restarts", "1", "--workloads", "120",
        "--knot-kills", "3", "--double-kills", "1", "--database-losses", "2", "--names", "120",
        "--build", Repository.products,
      ], within: .seconds(500))
    let lines = outcome.standardOutput.split(separator: "\n")
    #expect(outcome.status == .code(0), "\(outcome.standardOutput)\(outcome.standardError)")
    #expect(lines.last == "lost 0, torn 0, unanswered 0, duplicated 0")
    // Two of them of knotd too, one to lose what knotd has, and the last one before the check.
    #expect(lines.dropLast().last?.hasSuffix("7 kills, 1 Redis restarts") == true)
  }
}
