/// What Traefik shows: how much went through it since it started, for each workload it serves HTTP for.
public struct Traffic: Equatable, Sendable {
  /// Bytes of requests by workload.
  public var request: [String: Double]
  /// Bytes of responses by workload.
  public var response: [String: Double]
  /// How many requests over TLS began, by workload. Those that go on are among them, and those that were broken off.
  public var requests: [String: Double]
  /// When Traefik was started, in seconds since the epoch, by what its clock shows now; nil when it does not tell.
  public var started: Double?

  public init(
    request: [String: Double] = [:], response: [String: Double] = [:], requests: [String: Double] = [:],
    started: Double? = nil
  ) {
    self.request = request
    self.response = response
    self.requests = requests
    self.started = started
  }
}
