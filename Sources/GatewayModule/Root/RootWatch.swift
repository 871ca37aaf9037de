import Glibc
public import Logging
public import Records
public import ServiceLifecycle
import Synchronization
import System

/// Watches the root for what others do to what this module has in it, other than routes, and puts that right.
///
/// A file that was changed or removed is written again at once. A directory that is missing is made again when it has been so
/// for some seconds: who replaces one with another takes it away first. A root that is gone as a whole is waited for.
public struct RootWatch: Service {
  private static let mask = UInt32(
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF)
  /// How often something that is not as it should be is looked at.
  private static let pause = Duration.seconds(1)
  /// For how long nothing may happen before something is put right; waited for until ``pause`` at most.
  private static let quiet = Duration.milliseconds(200)
  /// How long a directory has to be missing before it is made again.
  static let grace = Duration.seconds(3)

  private let root: GatewayRoot
  private let lock: RootLock
  private let logger: Logger
  private let repair: @Sendable () throws -> Void

  /// - Parameters:
  ///   - lock: taken anew when another directory comes into the root's place.
  ///   - repair: writes what is not as it should be, and touches nothing else; on a thread that it may block.
  public init(_ root: GatewayRoot, lock: RootLock, logger: Logger, repair: @escaping @Sendable () throws -> Void) {
    self.root = root
    self.lock = lock
    self.logger = logger
    self.repair = repair
  }

  /// - Throws: ``RootLock/Taken`` when another gateway serves the directory that came into the root's place.
  public func run() async throws {
    try await cancelWhenGracefulShutdown { [self] in
      let fault = LastFault()
      while !Task.isCancelled {
        do {
          let inotify = try Inotify()
          try await withTaskCancellationHandler {
            try await POSIXThread.run { try watch(inotify, fault, until: $0) }
          } onCancel: {
            inotify.wake()
          }
        } catch let error as RootLock.RootTaken {
          throw error
        } catch {
          if fault.begins("\(error)") {
            logger.error("the root cannot be put right", metadata: ["root": "\(root.path)", "reason": "\(error)"])
          }
          // The sleep ends early only when the service is to end.
          try? await Task.sleep(for: Self.pause)
        }
      }
    }
  }

  /// Looks after everything whenever something happened in the root.
  private func watch(_ inotify: Inotify, _ fault: LastFault, until isCancelled: () -> Bool) throws {
    var missing: [String: ContinuousClock.Instant] = [:]
    while !isCancelled() {
      // A directory that is watched already gets no second watch.
      _ = try inotify.watch(root.path, for: Self.mask)
      _ = try? inotify.watch(root.acme, for: Self.mask)
      // Here also what others may read.
      _ = try? inotify.watch(root.traefik, for: Self.mask | UInt32(IN_ATTRIB))
      try lock.renew()
      try lookAfterDirectories(&missing)
      if missing.isEmpty {
        try repair()
        if fault.ends() { logger.notice("the root is as it should be again", metadata: ["root": "\(root.path)"]) }
      }
      guard try !inotify.read(within: missing.isEmpty ? nil : Self.pause).isEmpty else { continue }
      // Whoever is at it does not have the ground moved under their feet.
      let end = ContinuousClock.now + Self.pause
      while ContinuousClock.now < end, try !inotify.read(within: Self.quiet).isEmpty {}
    }
  }

  /// - Parameter missing: since when each directory is.
  private func lookAfterDirectories(_ missing: inout [String: ContinuousClock.Instant]) throws(FileError) {
    // The routes' own is the RouteStore's.
    for (path, mode) in root.directories where path != root.proxy {
      if (try? FileSystem.status(path)) != nil {
        missing[path] = nil
      } else if let since = missing[path], since + Self.grace < .now {
        try FileSystem.makeDirectory(path, mode: mode)
        missing[path] = nil
        logger.notice("a directory was gone: made again", metadata: ["directory": "\(path)"])
      } else if missing[path] == nil {
        missing[path] = .now
      }
    }
  }

  /// What cannot be put right at the moment.
  private final class LastFault: Sendable {
    private let reason = Mutex<String?>(nil)

    /// Returns whether it is another one.
    func begins(_ new: String) -> Bool {
      reason.withLock { reason in
        defer { reason = new }
        return reason != new
      }
    }

    /// Returns whether there was one.
    func ends() -> Bool {
      reason.withLock { reason in
        defer { reason = nil }
        return reason != nil
      }
    }
  }
}
