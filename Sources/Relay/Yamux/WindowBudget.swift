import Synchronization

/// How much the windows of streams may grow together beyond those that they begin with, in bytes: what a window allows is held in
/// memory when nobody reads it.
public final class WindowBudget: Sendable {
  /// Of all sessions of a process: 256 MiB.
  static let process = WindowBudget(256 << 20)

  private let limit: Int
  private let parent: WindowBudget?
  private let used = Atomic<Int>(0)

  /// - Parameters:
  ///   - limit: in bytes.
  ///   - parent: out of which this one's is.
  public init(_ limit: Int, of parent: WindowBudget? = nil) {
    self.limit = limit
    self.parent = parent
  }

  deinit { parent?.giveBack(used.load(ordering: .relaxed)) }

  /// Whether there was as much.
  func take(_ count: Int) -> Bool {
    guard used.add(count, ordering: .relaxed).newValue <= limit, parent?.take(count) ?? true else {
      used.subtract(count, ordering: .relaxed)
      return false
    }
    return true
  }

  func giveBack(_ count: Int) {
    guard count > 0 else { return }
    used.subtract(count, ordering: .relaxed)
    parent?.giveBack(count)
  }
}
