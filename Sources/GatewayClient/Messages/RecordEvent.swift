public import RPC

/// An event of the stream `Changes` of the objects for tunnels and for pipes.
public struct RecordEvent: Hashable, Sendable, Codable {
  /// What was done.
  public enum Action: String, Hashable, Sendable, Codable {
    /// The workload has a tunnel or a pipe now, and had none.
    case set
    /// It has another one now: a tunnel with another secret, or a pipe that leads elsewhere.
    case replaced
    /// It has none any more.
    case deleted
    /// A file was moved out of the way. What the workload had before stays.
    case quarantined
  }

  /// The workload whose it is; empty for a file in quarantine whose name is no workload's.
  public let workload: String
  /// What was done.
  public let action: Action
  /// Of a file in quarantine: its name and why it is there. Empty otherwise.
  public let reason: String
  /// When that was.
  public let time: Timestamp

  /// Each parameter is the property of that name.
  public init(workload: String, action: Action, reason: String = "", time: Timestamp = .now) {
    self.workload = workload
    self.action = action
    self.reason = reason
    self.time = time
  }

  private enum CodingKeys: String, CodingKey {
    case workload = "Workload"
    case action = "Action"
    case reason = "Reason"
    case time = "Time"
  }
}
