public import Logging
public import ServiceLifecycle
import System

/// Work to be done at the start and then again and again, which may block its thread and does not hold up anything.
public struct Housekeeping: Service {
  private let name: String
  private let interval: Duration
  private let logger: Logger
  private let work: @Sendable (() -> Bool) throws -> Void

  /// - Parameters:
  ///   - name: what it is, for the log, when it fails.
  ///   - interval: from the end of one time to the beginning of the next.
  ///   - work: is given a function that tells whether it is to end early, because the service ends.
  public init(
    _ name: String, every interval: Duration, logger: Logger,
    work: @escaping @Sendable (_ isCancelled: () -> Bool) throws -> Void
  ) {
    self.name = name
    self.interval = interval
    self.logger = logger
    self.work = work
  }

  public func run() async {
    await cancelWhenGracefulShutdown {
      repeat {
        do {
          try await POSIXThread.run(work)
        } catch {
          guard !Task.isCancelled else { return }
          logger.warning("\(name) failed", metadata: ["reason": "\(error)"])
        }
        // The sleep ends early only when the service is to end.
        try? await Task.sleep(for: interval)
      } while !Task.isCancelled
    }
  }
}
