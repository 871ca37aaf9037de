import Logging

/// Counts payloads that nobody can be answered about, and logs them, truncated and not more than one every ten
/// seconds: a queue full of them must not fill the log.
struct MalformedCount {
  private static let shownBytes = 48
  private static let interval = Duration.seconds(10)

  private var total = 0
  private var lastLogged: ContinuousClock.Instant?

  mutating func log(_ payload: [UInt8], _ why: String, _ queue: String, _ logger: Logger) {
    total += 1
    let now = ContinuousClock.now
    if let lastLogged, lastLogged.duration(to: now) < Self.interval { return }
    lastLogged = now
    let shown = payload.prefix(Self.shownBytes).map { byte in
      (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
    logger.warning(
      "dropped a payload that is no request",
      metadata: [
        "queue": "\(queue)", "reason": "\(why)", "bytes": "\(payload.count)",
        "hex": "\(shown)\(payload.count > Self.shownBytes ? "…" : "")", "dropped-so-far": "\(total)",
      ])
  }
}
