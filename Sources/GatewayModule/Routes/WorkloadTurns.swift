import NIOCore
import ProxyConfig
import Synchronization

/// Gives calls for one workload their turns, in the order in which they ask for them.
final class WorkloadTurns: Sendable {
  private typealias Waiter = CheckedContinuation<Void, Never>

  /// The workloads whose turn is taken, and who waits for the next one.
  private let queues = Mutex<[WorkloadID: CircularBuffer<Waiter>]>([:])

  /// Runs `body` when every earlier call for the workload is over. A place in the queue is taken before this function
  /// first suspends.
  func take<Result>(for workload: WorkloadID, _ body: () async throws -> Result) async rethrows -> Result {
    await wait(workload)
    defer { pass(workload) }
    return try await body()
  }

  private func wait(_ workload: WorkloadID) async {
    let isFree = queues.withLock { queues in
      guard queues[workload] == nil else { return false }
      queues[workload] = []
      return true
    }
    if isFree { return }
    await withCheckedContinuation { continuation in
      let isFree = queues.withLock { queues in
        guard queues[workload] != nil else {
          queues[workload] = []
          return true
        }
        queues[workload]?.append(continuation)
        return false
      }
      if isFree { continuation.resume() }
    }
  }

  private func pass(_ workload: WorkloadID) {
    let next = queues.withLock { queues -> Waiter? in
      guard let next = queues[workload]?.popFirst() else {
        queues[workload] = nil
        return nil
      }
      return next
    }
    next?.resume()
  }
}
