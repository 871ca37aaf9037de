/// The result of `Metrics`: bytes by workload since it was first set. They never go back, and are reported for another
/// hour after it was deleted.
public struct TrafficTotals: Hashable, Sendable, Codable {
  /// Bytes that backends got: bodies of requests where TLS ends at Traefik, all that was sent where it is passed through.
  public var request: [String: Double]
  /// Bytes that backends sent, in the same way.
  public var response: [String: Double]

  /// - Parameters:
  ///   - request: bytes that backends got, by workload.
  ///   - response: bytes that backends sent, by workload.
  public init(request: [String: Double], response: [String: Double]) {
    self.request = request
    self.response = response
  }

  /// The same, with nothing for workloads that are not there.
  public func including(_ workloads: [String]) -> TrafficTotals {
    var totals = self
    for workload in workloads {
      totals.request[workload, default: 0] += 0
      totals.response[workload, default: 0] += 0
    }
    return totals
  }

  /// The workloads of which anything is known.
  public var workloads: Set<String> { Set(request.keys).union(response.keys) }

  private enum CodingKeys: String, CodingKey {
    case request = "Request"
    case response = "Response"
  }
}
