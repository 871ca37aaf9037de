public import GatewayClient
import GatewayModule

/// What Traefik's counters, read from time to time, say of each workload: how much went through, how fast it goes, and how
/// fast it went.
public struct TrafficHistory: Sendable {
  /// How many rates are kept of each workload.
  public static let length = 64

  public struct Workload: Hashable, Sendable, Encodable {
    public let workload: String
    /// Bytes that clients sent and got since the workload was first set.
    public fileprivate(set) var request = 0.0
    public fileprivate(set) var response = 0.0
    /// The same in bytes a second, since the reading before; 0 at the first one.
    public fileprivate(set) var requestRate = 0.0
    public fileprivate(set) var responseRate = 0.0
    /// The rates of both directions together, the newest one last.
    public fileprivate(set) var rates: [Double] = []

    /// In both directions together.
    public var rate: Double { requestRate + responseRate }

    private enum CodingKeys: String, CodingKey {
      case workload = "Workload"
      case request = "Request"
      case response = "Response"
      case requestRate = "RequestRate"
      case responseRate = "ResponseRate"
    }
  }

  private var known: [String: Workload] = [:]
  private var lastReading: ContinuousClock.Instant?

  public init() {}

  /// Takes a reading. A counter that is lower than before began again, from zero.
  public mutating func add(_ metrics: TrafficTotals, at time: ContinuousClock.Instant = .now) {
    let seconds = lastReading.map { $0.duration(to: time) / .seconds(1) } ?? 0
    lastReading = time
    func rate(_ old: Double?, _ new: Double) -> Double {
      guard seconds > 0 else { return 0 }
      guard let old, old <= new else { return new / seconds }
      return (new - old) / seconds
    }
    // A workload that Traefik no longer tells of has gone.
    known = Dictionary(
      uniqueKeysWithValues: metrics.workloads.map { name in
        let old = known[name]
        var workload = old ?? Workload(workload: name)
        workload.request = metrics.request[name] ?? 0
        workload.response = metrics.response[name] ?? 0
        workload.requestRate = rate(old?.request, workload.request)
        workload.responseRate = rate(old?.response, workload.response)
        if seconds > 0 { workload.rates = (workload.rates + [workload.rate]).suffix(Self.length) }
        return (name, workload)
      })
  }

  /// The busiest ones first, then those through which most went, and those by name.
  public var workloads: [Workload] {
    known.values.sorted {
      ($1.rate, $1.request + $1.response, $0.workload) < ($0.rate, $0.request + $0.response, $1.workload)
    }
  }
}
