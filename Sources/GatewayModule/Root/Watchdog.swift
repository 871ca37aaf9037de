public import Logging
public import ServiceLifecycle
import Synchronization
import System

/// Tells the service manager that this process is alive, for as long as it can do its work, so that one that cannot is
/// started anew. Does nothing where the service manager does not ask for that.
///
/// That it cannot reach the broker is no reason: another start would not help.
public struct Watchdog: Service {
  private let interval: Duration?
  private let logger: Logger
  private let work: @Sendable () async -> Void

  /// - Parameter work: comes back once all that calls need has had its turn.
  public init(logger: Logger, work: @escaping @Sendable () async -> Void) {
    interval = ServiceManager.watchdogInterval
    self.logger = logger
    self.work = work
  }

  public func run() async {
    await cancelWhenGracefulShutdown { [self] in
      guard let interval else { return await Self.forever() }
      let isDone = Done()
      var reported: String?
      while !Task.isCancelled {
        // While it does not come back, nothing is told.
        if isDone.value.exchange(false, ordering: .sequentiallyConsistent) {
          do {
            try ServiceManager.tellAlive()
            reported = nil
          } catch {
            if reported != "\(error)" {
              logger.warning("cannot tell the service manager that all is well", metadata: ["reason": "\(error)"])
            }
            reported = "\(error)"
          }
          // Not waited for: the end of the service must not be held up by what hangs.
          Task { [work] in
            await work()
            isDone.value.store(true, ordering: .sequentiallyConsistent)
          }
        }
        // The sleep ends early only when the service is to end.
        try? await Task.sleep(for: interval / 4)
      }
    }
  }

  private static func forever() async {
    while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
  }

  private final class Done: Sendable {
    let value = Atomic(true)
  }
}
