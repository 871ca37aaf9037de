/// Waits until a record that was just set is live.
public enum LiveWait {
  /// From one look to the next.
  private static let interval = Duration.milliseconds(100)

  /// - Parameters:
  ///   - limit: how long to wait.
  ///   - look: says why it is not live; nil when it is.
  /// - Returns: why it is not live in time; nil when it is.
  public static func run(within limit: Duration, _ look: () async throws -> String?) async throws -> String? {
    let deadline = ContinuousClock.now + limit
    while let reason = try await look() {
      guard .now < deadline else { return reason }
      try await Task.sleep(for: interval)
    }
    return nil
  }
}
