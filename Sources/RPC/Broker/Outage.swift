import Logging

/// The time without a broker: says once that it began and once that it is over, and paces the attempts in between.
struct Outage {
  private let logger: Logger
  private var backoff = Backoff()
  private var random = SystemRandomNumberGenerator()
  private var since: ContinuousClock.Instant?
  private var wasConnected = false

  init(logger: Logger) {
    self.logger = logger
  }

  /// An attempt failed, or the connection broke.
  ///
  /// - Throws: the error itself when the broker denies access to a program that it has never let in.
  mutating func began(_ error: BrokerError) throws(BrokerError) {
    guard error.isTransient || wasConnected else { throw error }
    guard since == nil else { return }
    since = .now
    logger.warning("broker away, trying again until it is back", metadata: ["reason": "\(error)"])
  }

  /// The pause before the next attempt.
  mutating func pause() -> Duration {
    backoff.next(using: &random)
  }

  mutating func isOver() {
    wasConnected = true
    backoff.reset()
    guard let since else { return }
    self.since = nil
    let seconds = since.duration(to: .now) / .seconds(1)
    logger.notice("broker is back", metadata: ["after-seconds": "\((seconds * 10).rounded() / 10)"])
  }
}
