import ProxyConfig

// Routes whose traffic is counted from the first byte to the last.
extension RouteStore {
  /// Publishes a route, as ``set(_:beforeWaiting:)`` does.
  func publish(_ route: Route, countedBy meter: TrafficMeter, beforeWaiting: () async -> Void = {}) async throws {
    await meter.settle(route.workload, before: route)
    _ = try await set(route, beforeWaiting: beforeWaiting)
    await meter.follow(route)
  }

  /// Withdraws the route of a workload, as ``delete(_:beforeWaiting:)`` does.
  @discardableResult
  func withdraw(
    _ workload: WorkloadID, countedBy meter: TrafficMeter, beforeWaiting: () async -> Void = {}
  ) async throws -> Route? {
    await meter.settle(workload)
    return try await delete(workload, beforeWaiting: beforeWaiting)
  }
}
