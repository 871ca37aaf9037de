import Dispatch
import Synchronization

/// Work that is done one group after the other, never two at a time: what is asked for while a group is worked on makes up the next
/// one. So what many ask for together costs one sync, and where nobody else asks nobody waits.
package final class GroupWriter<Job: Sendable>: Sendable {
  private enum Phase {
    case idle
    /// A group is worked on; these come next.
    case working(next: [Job])
  }

  /// What blocks there blocks nothing else.
  private let queue: DispatchQueue
  private let phase = Mutex(Phase.idle)

  /// - Parameter name: of its thread, for debuggers.
  package init(_ name: String) {
    queue = DispatchQueue(label: name)
  }

  /// Adds a job, to be worked on by `work` unless the work has begun already; then by that.
  package func submit(_ job: Job, _ work: @escaping @Sendable ([Job]) -> Void) {
    let isFirst = phase.withLock { phase in
      switch phase {
      case .idle:
        phase = .working(next: [job])
        return true
      case .working(var next):
        // Not copied for each job.
        phase = .working(next: [])
        next.append(job)
        phase = .working(next: next)
        return false
      }
    }
    guard isFirst else { return }
    queue.async { [self] in workOn(work) }
  }

  /// One group, so that what is to be run between groups comes between them.
  private func workOn(_ work: @escaping @Sendable ([Job]) -> Void) {
    work(takeGroup())
    if isFinished() { return }
    queue.async { [self] in workOn(work) }
  }

  /// Runs what is to be done before, after or between groups.
  package func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Swift.Result { try body() }) }
    }
  }

  private func takeGroup() -> [Job] {
    phase.withLock { phase in
      guard case .working(let next) = phase else { return [] }
      phase = .working(next: [])
      return next
    }
  }

  private func isFinished() -> Bool {
    phase.withLock { phase in
      guard case .working(let next) = phase, next.isEmpty else { return false }
      phase = .idle
      return true
    }
  }
}
