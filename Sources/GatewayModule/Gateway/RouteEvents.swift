import GatewayClient
public import Logging

/// Hands what becomes of routes on to whoever listens, as events of the bus.
public final class RouteEvents: Sendable {
  /// How many events may wait for a listener.
  static let capacity = 4096

  private let events: EventBroadcast<RouteEvent>

  public init(logger: Logger) {
    events = EventBroadcast(capacity: Self.capacity, logger: logger)
  }

  /// The events from now on.
  func listen() -> AsyncStream<RouteEvent> { events.listen() }

  /// To be called from one thread at a time, or the order is lost.
  public func tell(_ event: RouteStore.Event) { events.tell(RouteEvent(event)) }
}
