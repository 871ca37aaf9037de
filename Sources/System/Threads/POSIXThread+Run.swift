import Glibc
import Synchronization

extension POSIXThread {
  /// Runs `body`, which may block for as long as it likes, on a thread of its own, and returns what that returned. So it
  /// holds up neither the tasks, whose threads are few, nor other work that blocks.
  ///
  /// - Parameter body: is given a function that tells whether the task was cancelled meanwhile, to end early then.
  package static func run<Result: Sendable>(
    _ body: @escaping @Sendable (_ isCancelled: () -> Bool) throws -> Result
  ) async throws -> Result {
    let flag = CancelFlag()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        do {
          let thread = try POSIXThread {
            continuation.resume(with: Swift.Result { try body { flag.isSet.load(ordering: .relaxed) } })
          }
          thread.detach()
        } catch {
          continuation.resume(throwing: error)
        }
      }
    } onCancel: {
      flag.isSet.store(true, ordering: .relaxed)
    }
  }

  private final class CancelFlag: Sendable {
    let isSet = Atomic(false)
  }
}
