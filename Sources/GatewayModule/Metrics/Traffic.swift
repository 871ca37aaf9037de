/// How much went through Traefik since it started, for each workload it serves HTTP for.
public struct Traffic: Equatable, Sendable {
  /// Bytes of requests by workload.
  public var request: [String: Double]
  /// Bytes of responses by workload.
  public var response: [String: Double]

  public init(request: [String: Double] = [:], response: [String: Double] = [:]) {
    self.request = request
    self.response = response
  }
}
