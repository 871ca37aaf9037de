public import RPC

/// An event of the stream `Changes`: how a route changed. What the gateway did is on disk by then; what others did to a file is
/// reported when the gateway sees it.
///
/// On the wire it is a map of five: `Workload`, `Domain`, `Action` and `Reason` are strings, `Time` is a time, MessagePack's
/// extension −1. It has a sixth, `Previous`, a string, when the workload gave up another domain.
public struct RouteEvent: Hashable, Sendable, Codable {
  /// What was done.
  public enum Action: String, Hashable, Sendable, Codable {
    /// The workload has a route now, and had none.
    case set
    /// The workload has another route now.
    case replaced
    /// The workload has no route any more.
    case deleted
    /// A file was moved out of Traefik's sight. The route that the workload had before, if it had one, stays.
    case quarantined
  }

  /// The workload that has the route; empty for a file in quarantine whose name is no workload's.
  public let workload: String
  /// The route's domain; `*` for what is for no other route's, empty for a file in quarantine that names none.
  public let domain: String
  /// What was done.
  public let action: Action
  /// Of a file in quarantine: its name and why it is there. Empty otherwise.
  public let reason: String
  /// When that was.
  public let time: Timestamp
  /// Of a route that was replaced by one with another domain: the domain that the workload gave up. nil otherwise.
  public let previous: String?

  /// Each parameter is the property of that name.
  public init(
    workload: String, domain: String, action: Action, reason: String = "", time: Timestamp = .now,
    previous: String? = nil
  ) {
    self.workload = workload
    self.domain = domain
    self.action = action
    self.reason = reason
    self.time = time
    self.previous = previous
  }

  /// Writes the map.
  ///
  /// - Throws: what the encoder throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(workload, forKey: .workload)
    try container.encode(domain, forKey: .domain)
    try container.encode(action, forKey: .action)
    try container.encode(reason, forKey: .reason)
    try container.encode(time, forKey: .time)
    // Not as nil: callers know five.
    if let previous { try container.encode(previous, forKey: .previous) }
  }

  private enum CodingKeys: String, CodingKey {
    case workload = "Workload"
    case domain = "Domain"
    case action = "Action"
    case reason = "Reason"
    case time = "Time"
    case previous = "Previous"
  }
}
