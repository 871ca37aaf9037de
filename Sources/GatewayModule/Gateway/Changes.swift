import GatewayClient
import Logging
import Synchronization

/// Hands the changes of the routes on to whoever listens, in the order in which they were made.
///
/// A listener that does not keep up loses the oldest of those that wait for it, and nobody waits for a listener.
final class Changes: Sendable {
  /// How many may wait for a listener.
  static let capacity = 4096

  private struct State {
    var listeners: [Int: AsyncStream<RouteEvent>.Continuation] = [:]
    var lastListener = 0
    /// Since changes began to be lost.
    var lost = 0
  }

  private let state = Mutex(State())
  private let logger: Logger

  init(logger: Logger) {
    self.logger = logger
  }

  /// The changes from now on.
  func listen() -> AsyncStream<RouteEvent> {
    let (changes, continuation) = AsyncStream.makeStream(
      of: RouteEvent.self, bufferingPolicy: .bufferingNewest(Self.capacity))
    let listener = state.withLock { state in
      state.lastListener += 1
      state.listeners[state.lastListener] = continuation
      return state.lastListener
    }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { $0.listeners[listener] = nil }
    }
    return changes
  }

  /// To be called from one thread at a time, or the order is lost.
  func tell(_ change: RouteEvent) {
    let lost = state.withLock { state -> Int? in
      var isLosing = false
      for listener in state.listeners.values {
        if case .dropped = listener.yield(change) {
          state.lost += 1
          isLosing = true
        }
      }
      guard !isLosing, state.lost > 0 else { return nil }
      defer { state.lost = 0 }
      return state.lost
    }
    if let lost {
      logger.warning("changes came faster than they could be published", metadata: ["lost": "\(lost)"])
    }
  }
}
