public import RPC

/// An event of the stream `Changes` of the object for DNS: how a zone or the records of a name changed.
public struct DNSEvent: Hashable, Sendable, Codable {
  /// What was done.
  public enum Action: String, Hashable, Sendable, Codable {
    /// The workload has the zone or the records now, and had none.
    case set
    /// The workload has another zone, or other records, now.
    case replaced
    /// The workload has none any more.
    case deleted
    /// A file was moved out of the way. What the workload had before stays.
    case quarantined
  }

  /// What has changed.
  public enum Kind: String, Hashable, Sendable, Codable {
    /// A zone that was delegated to the gateway.
    case zone
    /// The records of a name.
    case records
  }

  /// The workload whose it is; empty for a file in quarantine whose name is no workload's.
  public let workload: String
  /// The zone's domain, or the records' name; empty for a file in quarantine.
  public let name: String
  /// What has changed.
  public let kind: Kind
  /// What was done.
  public let action: Action
  /// Of a file in quarantine: its name and why it is there. Empty otherwise.
  public let reason: String
  /// When that was.
  public let time: Timestamp

  /// Each parameter is the property of that name.
  public init(
    workload: String, name: String, kind: Kind, action: Action, reason: String = "", time: Timestamp = .now
  ) {
    self.workload = workload
    self.name = name
    self.kind = kind
    self.action = action
    self.reason = reason
    self.time = time
  }

  private enum CodingKeys: String, CodingKey {
    case workload = "Workload"
    case name = "Name"
    case kind = "Kind"
    case action = "Action"
    case reason = "Reason"
    case time = "Time"
  }
}
