public import Logging
import Synchronization

/// Hands what happens on to whoever listens, in the order in which it came.
///
/// A listener that does not keep up loses the oldest of the events that wait for it, and nobody waits for a listener.
public final class EventBroadcast<Event: Sendable>: Sendable {
  private struct Listeners {
    var listeners: [Int: AsyncStream<Event>.Continuation] = [:]
    var lastListener = 0
    /// Since events began to be lost.
    var lost = 0
  }

  /// How many events may wait for a listener.
  private let capacity: Int
  private let state = Mutex(Listeners())
  private let logger: Logger

  public init(capacity: Int = 4096, logger: Logger) {
    self.capacity = capacity
    self.logger = logger
  }

  /// The events from now on.
  func listen() -> AsyncStream<Event> {
    let (events, continuation) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingNewest(capacity))
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
  func tell(_ event: Event) {
    // Not under the lock: to hand an event over takes the lock of the task that waits for it, and who cancels that task holds that
    // one while `onTermination` waits for this one.
    let listeners = state.withLock { Array($0.listeners.values) }
    let dropped = listeners.count { if case .dropped = $0.yield(event) { true } else { false } }
    let lost = state.withLock { state in
      state.lost += dropped
      guard dropped == 0 else { return 0 }
      defer { state.lost = 0 }
      return state.lost
    }
    if lost > 0 {
      logger.warning("changes came faster than they could be published", metadata: ["lost": "\(lost)"])
    }
  }
}
