import TestSupport
import Testing

/// A short run of what `make chaos` does at length.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct ChaosTests {
  @Test
  func nothingAcknowledgedIsLostWhenTheGatewayAndRedisAreKilled() async throws {
    let outcome = try await Command.run(
      Repository.file("scripts/chaos"),
      [
        "--seed", "4", "--seconds", "8", "--kills", "4", "--redis-restarts", "1", "--workloads", "120",
        "--build", Repository.products,
      ], within: .seconds(500))
    let lines = outcome.standardOutput.split(separator: "\n")
    #expect(outcome.status == .code(0), "\(outcome.standardOutput)\(outcome.standardError)")
    #expect(lines.last == "lost 0, torn 0, unanswered 0, duplicated 0")
    // The last kill is the one before the check.
    #expect(lines.dropLast().last?.hasSuffix("5 kills, 1 Redis restarts") == true)
  }
}
