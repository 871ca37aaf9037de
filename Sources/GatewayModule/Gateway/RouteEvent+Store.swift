import GatewayClient

extension RouteEvent {
  /// The event of the store as it goes out on the bus.
  init(_ event: RouteStore.Event) {
    let action: Action =
      switch event.action {
      case .set: .set
      case .replaced: .replaced
      case .deleted: .deleted
      case .quarantined: .quarantined
      }
    self.init(
      workload: event.workload?.rawValue ?? "",
      domain: event.domain?.rawValue ?? (event.action == .quarantined ? "" : "*"), action: action,
      reason: event.reason, previous: event.previous?.rawValue)
  }
}
