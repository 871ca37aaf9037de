import Logging

/// The time without a broker: says once that it began, once for each further reason why it lasts, and once that it is
/// over, and paces the attempts in between.
struct Outage {
  /// How many reasons are told of one outage.
  private static let reasonLimit = 16

  private let logger: Logger
  private var backoff = Backoff()
  private var random = SystemRandomNumberGenerator()
  private var since: ContinuousClock.Instant?
  /// Those that were told.
  private var reasons: Set<BrokerError> = []
  private var wasConnected: Bool

  /// - Parameter bearsDenial: whether it is an outage as well when the broker denies access from the start.
  init(logger: Logger, bearsDenial: Bool = false) {
    self.logger = logger
    wasConnected = bearsDenial
  }

  /// An attempt failed, or the connection broke.
  ///
  /// - Throws: the error itself when the broker denies access to a program that it has never let in.
  mutating func failed(_ error: BrokerError) throws(BrokerError) {
    guard error.isTransient || wasConnected else { throw error }
    guard reasons.count < Self.reasonLimit, reasons.insert(error).inserted else { return }
    if since == nil {
      since = .now
      logger.warning("broker away, trying again until it is back", metadata: ["reason": "\(error)"])
    } else {
      logger.warning("broker still away, now for another reason", metadata: ["reason": "\(error)"])
    }
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
    reasons = []
    let seconds = since.duration(to: .now) / .seconds(1)
    logger.notice("broker is back", metadata: ["after-seconds": "\((seconds * 10).rounded() / 10)"])
  }
}
