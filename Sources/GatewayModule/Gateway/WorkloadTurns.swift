import ProxyConfig
import RPC
import Synchronization

/// Gives calls for one workload their turns, in the order in which they ask for them.
final class WorkloadTurns: Sendable {
  /// The workloads whose turn is taken, and who waits for the next one.
  private let queues = Mutex<[WorkloadID: [Turn]]>([:])

  /// Runs `body` when every earlier call for the workload is over. A place in the queue is taken before this function
  /// first suspends.
  func take<Result>(for workload: WorkloadID, _ body: () async throws -> Result) async rethrows -> Result {
    if let turn = queueUp(workload) {
      // A slow call, and all that wait behind it, must not keep the workers from calls for other workloads.
      await CurrentCall.releaseWorker()
      await turn.wait()
    }
    defer { pass(workload) }
    return try await body()
  }

  /// Returns the turn to wait for; nil when it has come already.
  private func queueUp(_ workload: WorkloadID) -> Turn? {
    queues.withLock { queues in
      guard queues[workload] != nil else {
        queues[workload] = []
        return nil
      }
      let turn = Turn()
      queues[workload]?.append(turn)
      return turn
    }
  }

  private func pass(_ workload: WorkloadID) {
    let next = queues.withLock { queues -> Turn? in
      guard queues[workload]?.isEmpty == false else {
        queues[workload] = nil
        return nil
      }
      return queues[workload]?.removeFirst()
    }
    next?.begin()
  }
}

/// A place in a queue, for one to wait at.
private final class Turn: Sendable {
  private enum TurnState {
    case ahead
    case awaited(CheckedContinuation<Void, Never>)
    case begun
  }

  private let state = Mutex(TurnState.ahead)

  func wait() async {
    await withCheckedContinuation { continuation in
      let hasBegun = state.withLock { state in
        if case .begun = state { return true }
        state = .awaited(continuation)
        return false
      }
      if hasBegun { continuation.resume() }
    }
  }

  func begin() {
    let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
      defer { state = .begun }
      return if case .awaited(let waiter) = state { waiter } else { nil }
    }
    waiter?.resume()
  }
}
