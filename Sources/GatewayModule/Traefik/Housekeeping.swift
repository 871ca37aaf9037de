public import Logging
import NIOPosix
public import ServiceLifecycle

/// Work to be done at the start and then again and again, which may block a thread and does not hold up anything.
public struct Housekeeping: Service {
  private let name: String
  private let interval: Duration
  private let logger: Logger
  private let work: @Sendable () throws -> Void

  /// - Parameters:
  ///   - name: what it is, for the log, when it fails.
  ///   - interval: from the end of one time to the beginning of the next.
  public init(_ name: String, every interval: Duration, logger: Logger, work: @escaping @Sendable () throws -> Void) {
    self.name = name
    self.interval = interval
    self.logger = logger
    self.work = work
  }

  public func run() async {
    await cancelWhenGracefulShutdown {
      repeat {
        do {
          try await NIOThreadPool.singleton.runIfActive(work)
        } catch {
          logger.warning("\(name) failed", metadata: ["reason": "\(error)"])
        }
        // The sleep ends early only when the service is to end.
        try? await Task.sleep(for: interval)
      } while !Task.isCancelled
    }
  }
}
