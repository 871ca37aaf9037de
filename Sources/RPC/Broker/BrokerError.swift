/// Why the broker cannot be used.
public struct BrokerError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What went wrong; each case has what the system or the broker said.
  public enum Reason: Hashable, Sendable {
    /// No connection could be made, or none was answered.
    case unreachable(String)
    /// The password, the user or the database is wrong. Trying again does not help.
    case denied(String)
    /// A command was answered with an error, such as `OOM` or `READONLY`.
    case refused(String)
    /// The connection broke.
    case closed(String)
  }

  /// The broker's address, without its password.
  public let broker: String
  /// What went wrong.
  public let reason: Reason

  init(_ broker: BrokerURL, _ reason: Reason) {
    self.broker = broker.description
    self.reason = reason
  }

  public var description: String {
    switch reason {
    case .unreachable(let why): "broker \(broker) cannot be reached: \(why)"
    case .denied(let why): "broker \(broker) denies access: \(why)"
    case .refused(let why): "broker \(broker) refuses: \(why)"
    case .closed(let why): "connection to broker \(broker) lost: \(why)"
    }
  }

  /// Whether the broker may become usable without anybody changing this program's configuration.
  var isTransient: Bool {
    if case .denied = reason { false } else { true }
  }
}
