/// What a module answers on its status queue: its objects, and what each of its workers does.
public struct ModuleStatus: Hashable, Sendable, Codable {
  /// In the order in which they were registered.
  public let objects: [ObjectID]
  /// As many as the module has.
  public let workers: [Worker]

  /// A status to be sent, or to be compared with.
  public init(objects: [ObjectID], workers: [Worker]) {
    self.objects = objects
    self.workers = workers
  }

  /// One of the calls that a module can serve at the same time.
  public struct Worker: Hashable, Sendable, Codable {
    /// Whether a call keeps it.
    public enum State: String, Hashable, Sendable, Codable {
      /// Waits for a call, or has one. A call that gave its worker back keeps none.
      case free, busy
    }

    /// What it does.
    public let state: State
    /// Since when it has been in this state.
    public let startTime: Timestamp
    /// What a busy one does, as `[object@version].Method()`; empty for a free one.
    public let action: String

    /// - Parameters:
    ///   - state: what it does.
    ///   - startTime: since when.
    ///   - action: empty for a free one.
    public init(state: State, startTime: Timestamp, action: String = "") {
      self.state = state
      self.startTime = startTime
      self.action = action
    }

    private enum CodingKeys: String, CodingKey {
      case state = "State"
      case startTime = "StartTime"
      case action = "Action"
    }
  }

  private enum CodingKeys: String, CodingKey {
    case objects = "Objects"
    case workers = "Workers"
  }
}
