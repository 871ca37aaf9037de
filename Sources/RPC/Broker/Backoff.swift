/// How long to wait before the next attempt: doubling from a base up to a cap, with a random part so that many
/// programs that lost the same broker do not come back in step.
struct Backoff {
  private let base: Duration
  private let cap: Duration
  private var attempt = 0

  init(base: Duration = .milliseconds(50), cap: Duration = .seconds(2)) {
    self.base = base
    self.cap = cap
  }

  /// The next pause: between half and all of `base · 2ⁿ`, at most `cap`.
  mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
    let full = min(cap, base * (1 << min(attempt, 20)))
    attempt += 1
    return full * Double.random(in: 0.5...1, using: &generator)
  }

  mutating func reset() {
    attempt = 0
  }
}
