import GatewayClient
public import Logging
import Synchronization

/// Hands what becomes of routes on to whoever listens, in the order in which it came.
///
/// A listener that does not keep up loses the oldest of the events that wait for it, and nobody waits for a listener.
public final class RouteEvents: Sendable {
  /// How many events may wait for a listener.
  static let capacity = 4096

  private struct Listeners {
    var listeners: [Int: AsyncStream<RouteEvent>.Continuation] = [:]
    var lastListener = 0
    /// Since events began to be lost.
    var lost = 0
  }

  private let state = Mutex(Listeners())
  private let logger: Logger

  public init(logger: Logger) {
    self.logger = logger
  }

  /// The events from now on.
  func listen() -> AsyncStream<RouteEvent> {
    let (events, continuation) = AsyncStream.makeStream(
      of: RouteEvent.self, bufferingPolicy: .bufferingNewest(Self.capacity))
    let listener = state.withLock { state in
      state.lastListener += 1
      state.listeners[state.lastListener] = continuation
      return state.lastListener
    }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { $0.listeners[listener] = nil }
    }
    return events
  }

  /// To be called from one thread at a time, or the order is lost.
  public func tell(_ event: RouteStore.Event) {
    let event = RouteEvent(event)
    let lost = state.withLock { state -> Int? in
      var isLosing = false
      for listener in state.listeners.values {
        if case .dropped = listener.yield(event) {
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
