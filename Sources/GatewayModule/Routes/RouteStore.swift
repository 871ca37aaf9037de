public import Files
import Glibc
public import Logging
import NIOPosix
public import ProxyConfig
import Synchronization

/// The routes of this node: the files in `<root>/proxy`, an index of them in memory, and the rule that a domain has one
/// owner.
///
/// A change is over when it is on disk. Changes that are asked for while others are being synced wait for those and then
/// share one sync among themselves.
public final class RouteStore: Sendable {
  public enum Change: Equatable, Sendable {
    case unchanged
    case created
    case replaced(Route)
  }

  private struct State {
    var index = RouteIndex()
    var pending: [Pending] = []
    var isWriting = false
  }

  private struct Pending {
    let change: RouteDirectory.Change
    let continuation: CheckedContinuation<RouteDirectory.Outcome, Never>
  }

  private let directory: RouteDirectory
  private let state: Mutex<State>
  private let writer = NIOThreadPool(numberOfThreads: 1)
  private let logger: Logger

  private init(directory: RouteDirectory, index: RouteIndex, logger: Logger) {
    self.directory = directory
    self.logger = logger
    state = Mutex(State(index: index))
    writer.start()
  }

  deinit {
    writer.shutdownGracefully { _ in }
  }

  /// Takes over what is on disk: good routes into the index; files that Traefik cannot read, and the younger of two
  /// that claim one domain, into quarantine; other people's files are left alone.
  public static func open(_ root: GatewayRoot, logger: Logger) async throws(FileError) -> RouteStore {
    let clock = ContinuousClock.now
    try root.prepare()
    let directory = RouteDirectory(root: root)
    try directory.clearStaging()
    var index = RouteIndex()
    var foreign = 0
    let found = try await directory.read().sorted { ($0.modified, $0.name) < ($1.modified, $1.name) }
    for file in found {
      switch file.content {
      case .route(let route):
        do throws(DomainTaken) {
          try index.checkOwner(of: route)
          index.confirm(route, isDurable: true)
        } catch {
          let owner = index.owner(of: route.domain).map { "\($0)" } ?? ""
          try quarantine(file.name, "\(error), by the older \(owner)", directory, logger)
        }
      case .unreadable(let reason): try quarantine(file.name, reason, directory, logger)
      case .foreign(let reason):
        foreign += 1
        logger.debug("left alone a file that is no route", metadata: ["file": "\(file.name)", "reason": "\(reason)"])
      }
    }
    logger.info(
      "routes read",
      metadata: [
        "routes": "\(index.count)", "other-files": "\(foreign)",
        "milliseconds": "\(Int(clock.duration(to: .now) / .milliseconds(1)))",
      ])
    return RouteStore(directory: directory, index: index, logger: logger)
  }

  private static func quarantine(
    _ name: String, _ reason: String, _ directory: RouteDirectory, _ logger: Logger
  ) throws(FileError) {
    try directory.quarantine(name)
    logger.error(
      "file moved to quarantine",
      metadata: ["file": "\(name)", "reason": "\(reason)", "quarantine": "\(directory.root.quarantine)"])
  }

  /// All routes, by workload.
  public var routes: [Route] {
    state.withLock { $0.index.routes }.sorted { $0.workload < $1.workload }
  }

  /// Whether exactly this route is on disk.
  public func contains(_ route: Route) -> Bool {
    state.withLock { $0.index.isDurable(route) }
  }

  /// Throws when another workload has the route's domain.
  public func checkOwner(of route: Route) throws(DomainTaken) {
    try state.withLock { state throws(DomainTaken) in try state.index.checkOwner(of: route) }
  }

  /// Publishes a route, in place of the one that its workload had. Changes to one workload must not overlap.
  ///
  /// - Throws: ``DomainTaken``, or ``RouteStoreError`` when the file cannot be written; the old route then stays.
  public func set(_ route: Route) async throws -> Change {
    guard case .write(let old) = try state.withLock({ try $0.index.claim(route) }) else { return .unchanged }
    let outcome = await carryOut(.write(route, replacing: old != nil))
    state.withLock { state in
      switch outcome {
      case .durable: state.index.confirm(route, isDurable: true)
      case .unsynced: state.index.confirm(route, isDurable: false)
      case .failed: state.index.abandon(route)
      }
    }
    try check(outcome, route.workload)
    logger.info(
      "route \(old == nil ? "set" : "replaced")",
      metadata: ["workload": "\(route.workload)", "domain": "\(route.domain)", "backends": "\(route.backends.count)"])
    return old.map { .replaced($0) } ?? .created
  }

  /// Withdraws the route of a workload and returns it; nil when there is none. Changes to one workload must not overlap.
  ///
  /// - Throws: ``RouteStoreError`` when the file cannot be removed.
  public func delete(_ workload: WorkloadID) async throws -> Route? {
    guard let route = state.withLock({ $0.index[workload] }) else { return nil }
    let outcome = await carryOut(.remove(workload))
    state.withLock { state in
      switch outcome {
      case .durable: state.index.remove(workload)
      // A power cut may bring the file back: the domain stays taken until the call is repeated, and then is synced.
      case .unsynced: state.index.doubt(workload)
      case .failed: break
      }
    }
    try check(outcome, workload)
    logger.info("route deleted", metadata: ["workload": "\(workload)", "domain": "\(route.domain)"])
    return route
  }

  private func check(_ outcome: RouteDirectory.Outcome, _ workload: WorkloadID) throws(RouteStoreError) {
    switch outcome {
    case .durable: return
    case .unsynced(let error), .failed(let error):
      logger.error("route not stored", metadata: ["workload": "\(workload)", "reason": "\(error)"])
      throw RouteStoreError(workload: workload, cause: error)
    }
  }

  private func carryOut(_ change: RouteDirectory.Change) async -> RouteDirectory.Outcome {
    await withCheckedContinuation { continuation in
      let isFirst = state.withLock { state in
        state.pending.append(Pending(change: change, continuation: continuation))
        defer { state.isWriting = true }
        return !state.isWriting
      }
      if isFirst { writer.submit { [self] _ in writePending() } }
    }
  }

  /// Writes until nothing more is asked for.
  private func writePending() {
    while true {
      let batch = state.withLock { state in
        let batch = state.pending
        state.pending = []
        if batch.isEmpty { state.isWriting = false }
        return batch
      }
      if batch.isEmpty { return }
      let outcomes = directory.apply(batch.map(\.change))
      for (pending, outcome) in zip(batch, outcomes) { pending.continuation.resume(returning: outcome) }
    }
  }
}

/// A change that the disk did not take.
public struct RouteStoreError: Error, Hashable, Sendable, CustomStringConvertible {
  public let workload: WorkloadID
  public let cause: FileError

  public var description: String {
    cause.code == EEXIST
      ? "cannot store the route of \(workload): \(cause.path) exists and is not this module's"
      : "cannot store the route of \(workload): \(cause)"
  }
}
