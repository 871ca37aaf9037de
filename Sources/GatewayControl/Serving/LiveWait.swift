/// Waits until a record that was just set is live.
public enum LiveWait {
  /// What is seen of a record.
  public enum State: Hashable, Sendable {
    /// It is served; where, when that is to be told.
    case live(at: [String] = [])
    /// It is not, and why.
    case pending(String)
  }

  /// From one look to the next.
  private static let interval = Duration.milliseconds(100)

  /// - Parameters:
  ///   - limit: how long to wait.
  ///   - look: sees what there is of it.
  /// - Returns: what was seen last.
  public static func run(within limit: Duration, _ look: () async throws -> State) async throws -> State {
    let deadline = ContinuousClock.now + limit
    while true {
      let state = try await look()
      guard case .pending = state, .now < deadline else { return state }
      try await Task.sleep(for: interval)
    }
  }
}
