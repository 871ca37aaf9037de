import TestSupport
import Testing

@testable import RPC

@Suite(.timeLimit(.minutes(5)))
struct BackoffTests {
  @Test func pausesDoubleUpToTheCapAndAreJitteredDownToHalf() {
    var backoff = Backoff(base: .milliseconds(50), cap: .seconds(2))
    var random = SeededGenerator(seed: 1)
    for full in [50, 100, 200, 400, 800, 1600, 2000, 2000] {
      let pause = backoff.next(using: &random)
      #expect(pause >= .milliseconds(full) / 2 && pause <= .milliseconds(full))
    }
  }

  @Test func noNumberOfAttemptsOverflows() {
    var backoff = Backoff()
    var random = SeededGenerator(seed: 1)
    for _ in 0..<10_000 { #expect(backoff.next(using: &random) <= .seconds(2)) }
  }

  @Test func successBeginsAnew() {
    var backoff = Backoff(base: .milliseconds(50))
    var random = SeededGenerator(seed: 1)
    for _ in 0..<5 { _ = backoff.next(using: &random) }
    backoff.reset()
    #expect(backoff.next(using: &random) <= .milliseconds(50))
  }

  @Test func twoProgramsDoNotComeBackInStep() {
    var random = SeededGenerator(seed: 1)
    let pauses = (0..<20).map { _ in
      var backoff = Backoff()
      return backoff.next(using: &random)
    }
    #expect(Set(pauses).count > 15)
  }
}
