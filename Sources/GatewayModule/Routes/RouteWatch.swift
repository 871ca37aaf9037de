import Glibc
public import Logging
import NIOPosix
import ProxyConfig
public import Records
public import ServiceLifecycle
import System

/// Watches `<root>/proxy` for what others do there, and has the ``RouteStore`` make the best of it at once.
///
/// Traefik reads the folders in there too, though it does not watch them: what breaks it there does so at the next change of
/// any route. What is no file is judged when it appears; a file when it is closed after writing, or moved there, never while
/// it is being written.
public struct RouteWatch: Service {
  private static let mask = UInt32(
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF)
  /// How many files are looked at before calls have their turn.
  private static let share = 100
  /// How often a directory that is gone is looked for.
  private static let pause = Duration.seconds(1)
  /// How long it has to be gone before it is made again: who replaces it with another takes it away first.
  private static let grace = Duration.seconds(3)

  private let store: RouteStore
  private let directory: RouteDirectory
  private let logger: Logger

  public init(_ store: RouteStore, root: GatewayRoot, logger: Logger) {
    self.store = store
    directory = RouteDirectory(root: root)
    self.logger = logger
  }

  public func run() async throws {
    let waiter = NIOThreadPool(numberOfThreads: 1)
    waiter.start()
    await cancelWhenGracefulShutdown {
      var reported: String?
      var missing: ContinuousClock.Instant?
      while !Task.isCancelled {
        do {
          try await watch(on: waiter) {
            if reported != nil { logger.notice("route files are watched again") }
            (reported, missing) = (nil, nil)
          }
        } catch {
          if reported == nil, !Task.isCancelled {
            reported = "\(error)"
            logger.error("route files are not watched", metadata: ["reason": "\(error)"])
          }
          missing = directory.files.isMissing ? missing ?? .now : nil
          if let since = missing, since + Self.grace < .now { await store.reconcile(.loss) }
          try? await Task.sleep(for: Self.pause)
        }
      }
    }
    try await waiter.shutdownGracefully()
  }

  /// Watches until something happens that calls for new watches: a folder came or went, or events were lost.
  private func watch(on waiter: NIOThreadPool, didBegin: () -> Void) async throws {
    let inotify = try Inotify()
    var folders: [CInt: String] = [try inotify.watch(directory.root.proxy, for: Self.mask): ""]
    // Moved with the root, the directory itself does not notice.
    _ = try inotify.watch(directory.root.path, for: UInt32(IN_DELETE_SELF | IN_MOVE_SELF))
    for folder in try directory.names().folders {
      // One that vanished meanwhile has been told of as an event of the folder it was in.
      guard let watch = try? inotify.watch(directory.path(folder), for: Self.mask) else { continue }
      folders[watch] = "\(folder)/"
    }
    didBegin()
    // What happened before there was a watch.
    await store.reconcile(.everything)
    while !Task.isCancelled {
      // What could not be done is tried again.
      let limit = store.isUnsettled ? Self.pause : nil
      let events = try await withTaskCancellationHandler {
        try await waiter.runIfActive { try inotify.read(within: limit) }
      } onCancel: {
        inotify.wake()
      }
      if limit != nil { await store.reconcile(.unsettled) }
      var names: [String] = []
      for event in events {
        guard !event.callsForNewWatches, let folder = folders[event.watch] else { return }
        let name = folder + event.name
        if RouteFile.isRead(name), names.last != name, isComplete(name, event) { names.append(name) }
      }
      for start in stride(from: 0, to: names.count, by: Self.share) {
        await store.reconcile(.files(Array(names[start..<min(start + Self.share, names.count)])))
      }
    }
  }

  /// Whether what an event tells of can be judged. Of a file that was just made more is to come, unless it came by link(2); of
  /// a symbolic link, a pipe and the like nothing more will.
  private func isComplete(_ name: String, _ event: Inotify.FileEvent) -> Bool {
    guard event.mask & UInt32(IN_CREATE) != 0, let status = try? FileSystem.status(directory.path(name)) else {
      return true
    }
    return status.kind != .regular || status.links > 1
  }
}

extension Inotify.FileEvent {
  fileprivate var callsForNewWatches: Bool {
    mask & UInt32(IN_ISDIR | IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF) != 0
  }
}
