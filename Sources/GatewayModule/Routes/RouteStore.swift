public import Files
import Glibc
public import Logging
import NIOPosix
public import ProxyConfig
import RPC
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
    var pending: [Job] = []
    var isWriting = false
    /// What is still to be told of routes that are in place and could not be synced.
    var untold: [WorkloadID: RouteChange.Action] = [:]
    /// Why files were moved to quarantine, by their names there.
    var quarantineReasons: [String: String] = [:]

    /// What a route that is in place means to those who know of `known`; nil for no news.
    func action(_ route: Route, replacing known: Route?) -> RouteChange.Action? {
      untold[route.workload] ?? (known == nil ? .set : known == route ? nil : .replaced)
    }
  }

  private enum Job {
    case change(Change, CheckedContinuation<Outcome, Never>)
    case look(Look, CheckedContinuation<Void, Never>)

    enum Change {
      case write(Route)
      case remove(WorkloadID)

      var workload: WorkloadID {
        switch self {
        case .write(let route): route.workload
        case .remove(let workload): workload
        }
      }
    }
  }

  /// What in the directory may have been changed by others.
  enum Look: Sendable {
    case files([String])
    case everything
  }

  private typealias Outcome = RouteDirectory.Outcome

  private let directory: RouteDirectory
  private let state: Mutex<State>
  /// On its one thread the index and the disk agree: nowhere else is either changed.
  private let writer = NIOThreadPool(numberOfThreads: 1)
  private let logger: Logger
  /// What became of routes, told from the writer's thread.
  let changes: Changes

  private init(directory: RouteDirectory, logger: Logger) {
    self.directory = directory
    self.logger = logger
    changes = Changes(logger: logger)
    state = Mutex(State())
    writer.start()
  }

  deinit {
    writer.shutdownGracefully { _ in }
  }

  /// Takes over what is on disk: good routes into the index; files that keep Traefik from reading any, and the younger of
  /// two that claim one domain, into quarantine; other people's files are left alone.
  public static func open(_ root: GatewayRoot, logger: Logger) async throws(FileError) -> RouteStore {
    let clock = ContinuousClock.now
    try root.prepare()
    let directory = RouteDirectory(root: root)
    try directory.clearStaging()
    let store = RouteStore(directory: directory, logger: logger)
    let found = try await directory.readAll().sorted { ($0.modified, $0.name) < ($1.modified, $1.name) }
    for file in found { try store.reconcile(file, isStart: true) }
    // What an earlier life put there may not be on disk yet.
    try FileSystem.syncDirectory(root.proxy)
    let routes = store.state.withLock { $0.index.count }
    logger.info(
      "routes read",
      metadata: [
        "routes": "\(routes)",
        "other-files": "\(found.count { if case .foreign = $0.sighting { true } else { false } })",
        "milliseconds": "\(Int(clock.duration(to: .now) / .milliseconds(1)))",
      ])
    return store
  }

  /// All routes, by workload.
  public var routes: [Route] {
    state.withLock { $0.index.routes }.sorted { $0.workload < $1.workload }
  }

  /// How many routes there are.
  var count: Int { state.withLock { $0.index.count } }

  /// The route of a workload.
  func route(of workload: WorkloadID) -> Route? { state.withLock { $0.index[workload] } }

  /// The files in quarantine: how many there are, and the first ones by name. Reads them, so it may wait for the disk.
  func quarantine(limit: Int) -> (count: Int, files: [QuarantinedFile]) {
    let names = directory.quarantined.sorted()
    // Of those that were taken away nothing is kept.
    let reasons = state.withLock { state in
      state.quarantineReasons = state.quarantineReasons.filter { names.contains($0.key) }
      return state.quarantineReasons
    }
    let files = names.prefix(limit).map { name in
      QuarantinedFile(name: name, reason: reasons[name] ?? directory.reason(ofQuarantined: name) ?? "")
    }
    return (names.count, files)
  }

  /// Whether exactly this route is on disk.
  public func contains(_ route: Route) -> Bool {
    state.withLock { $0.index.isDurable(route) }
  }

  /// Whether the workload has a route, and whether TLS is passed through by it.
  func tls(of workload: WorkloadID) -> TLSMode? {
    state.withLock { $0.index[workload]?.tls.mode }
  }

  /// The workloads that pass TLS through to a backend, in any order.
  func passthroughOwners(of backend: Endpoint) -> [WorkloadID] {
    state.withLock { $0.index.passthroughOwners[backend] ?? [] }
  }

  /// Who passes TLS through to which backend.
  var passthroughOwners: [Endpoint: [WorkloadID]] {
    state.withLock { $0.index.passthroughOwners }
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
    try check(await carryOut(.write(route)), route.workload)
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
    try check(await carryOut(.remove(workload)), workload)
    logger.info("route deleted", metadata: ["workload": "\(workload)", "domain": "\(route.domain)"])
    return route
  }

  private func check(_ outcome: Outcome, _ workload: WorkloadID) throws(RouteStoreError) {
    switch outcome {
    case .durable: return
    case .unsynced(_, let error), .failed(let error):
      logger.error("route not stored", metadata: ["workload": "\(workload)", "reason": "\(error)"])
      throw RouteStoreError(workload: workload, cause: error)
    }
  }

  /// Brings the index and the directory together again where others may have changed that. Returns when that is done.
  func reconcile(_ look: Look) async {
    await withCheckedContinuation { continuation in submit(.look(look, continuation)) }
  }

  private func carryOut(_ change: Job.Change) async -> Outcome {
    // As many calls as there are share the sync that is to come, not only as many as there are workers.
    await CurrentCall.releaseWorker()
    return await withCheckedContinuation { continuation in submit(.change(change, continuation)) }
  }

  private func submit(_ job: Job) {
    let isFirst = state.withLock { state in
      state.pending.append(job)
      defer { state.isWriting = true }
      return !state.isWriting
    }
    if isFirst { writer.submit { [self] _ in workOff() } }
  }

  // MARK: On the writer's thread

  /// Works until nothing more is asked for.
  private func workOff() {
    var last = 0
    while true {
      if last >= Self.manyChanges { gather() }
      let jobs = state.withLock { state in
        let jobs = state.pending
        state.pending = []
        if jobs.isEmpty { state.isWriting = false }
        return jobs
      }
      if jobs.isEmpty { return }
      var changes: [(change: Job.Change, continuation: CheckedContinuation<Outcome, Never>)] = []
      var looks: [(look: Look, continuation: CheckedContinuation<Void, Never>)] = []
      for job in jobs {
        switch job {
        case .change(let change, let continuation): changes.append((change, continuation))
        case .look(let look, let continuation): looks.append((look, continuation))
        }
      }
      last = changes.count
      if !changes.isEmpty {
        let outcomes = carryOut(changes.map(\.change))
        for (pending, outcome) in zip(changes, outcomes) { pending.continuation.resume(returning: outcome) }
      }
      for pending in looks {
        carryOut(pending.look)
        pending.continuation.resume()
      }
    }
  }

  /// After how many changes at once more are to be expected.
  private static let manyChanges = 8

  /// Waits for the callers who were just answered to come back, as long as they do: one sync for all of them takes less
  /// time than one for them and one for those who came meanwhile. At most 2 ms.
  private func gather() {
    let end = ContinuousClock.now + .milliseconds(2)
    var count = -1
    while ContinuousClock.now < end {
      let pending = state.withLock { $0.pending.count }
      if pending == count { return }
      count = pending
      usleep(250)
    }
  }

  private func carryOut(_ changes: [Job.Change]) -> [Outcome] {
    // What somebody else did to a file is seen before it is written over or removed.
    carryOut(.files(changes.map(\.workload.fileName)))
    let steps = state.withLock { state in
      changes.map { change -> RouteDirectory.Change in
        let isKnown = state.index[change.workload] != nil
        return switch change {
        case .write(let route): .write(route, replacing: isKnown)
        // What is not known is not this module's to remove; but that its file is gone must last.
        case .remove(let workload): isKnown ? .remove(workload) : .none
        }
      }
    }
    let outcomes = directory.apply(steps)
    var news: [RouteChange] = []
    state.withLock { state in
      for (change, outcome) in zip(changes, outcomes) {
        let known = state.index[change.workload]
        switch (change, outcome) {
        case (.write(let route), .durable(let stamp)):
          state.index.confirm(route, isDurable: true, stamp: stamp)
          if let action = state.action(route, replacing: known) { news.append(RouteChange(route, action)) }
          state.untold[route.workload] = nil
        case (.write(let route), .unsynced(let stamp, _)):
          state.index.confirm(route, isDurable: false, stamp: stamp)
          state.untold[route.workload] = state.action(route, replacing: known)
        case (.write(let route), .failed): state.index.abandon(route)
        case (.remove(let workload), .durable):
          state.index.remove(workload)
          state.untold[workload] = nil
          if let known { news.append(RouteChange(known, .deleted)) }
        // A power cut may bring the file back: the domain stays taken until the call is repeated, and then is synced.
        case (.remove(let workload), .unsynced): state.index.doubt(workload)
        case (.remove, .failed): break
        }
      }
    }
    for change in news { self.changes.tell(change) }
    return outcomes
  }

  /// Files that vanished come first, so that their domains are free, and then the older ones.
  private func carryOut(_ look: Look) {
    do throws(FileError) {
      let names: [String]
      switch look {
      case .files(let files): names = files
      case .everything:
        let known = state.withLock { $0.index.routes.map(\.fileName) }
        names = Array(Set(try directory.names().files).union(known))
      }
      var found: [RouteDirectory.Found] = []
      for name in names {
        let stamp = Self.workload(of: name).flatMap { workload in state.withLock { $0.index.stamp(of: workload) } }
        let file = try directory.look(at: name, known: stamp)
        if file.sighting != .unchanged { found.append(file) }
      }
      for file in found.sorted(by: { ($0.modified, $0.name) < ($1.modified, $1.name) }) {
        do throws(FileError) {
          try reconcile(file, isStart: false)
        } catch {
          logger.error("file not dealt with", metadata: ["file": "\(file.name)", "reason": "\(error)"])
        }
      }
    } catch {
      // Where the whole directory is gone, nothing is known of the files. What was asked for fails by itself.
      logger.debug("cannot look at the route files", metadata: ["reason": "\(error)"])
    }
  }

  private func reconcile(_ file: RouteDirectory.Found, isStart: Bool) throws(FileError) {
    let known = Self.workload(of: file.name).flatMap { workload in state.withLock { $0.index[workload] } }
    var owner: WorkloadID?
    if case .route(let route, _) = file.sighting { owner = state.withLock { $0.index.owner(of: route.domain) } }
    switch Reconciliation(file.sighting, known: known, owner: owner) {
    case .leave:
      guard case .foreign(let reason) = file.sighting else { return }
      logger.debug("left alone a file that is no route", metadata: ["file": "\(file.name)", "reason": "\(reason)"])
    case .adopt(let route, let stamp):
      // Somebody else's file may not be on disk yet; at the start it has had the time.
      let action = state.withLock { state in
        defer { state.untold[route.workload] = nil }
        state.index.adopt(route, isDurable: isStart, stamp: stamp)
        return state.action(route, replacing: known)
      }
      if let action { changes.tell(RouteChange(route, action)) }
      if !isStart {
        logger.info(
          "route taken over",
          metadata: ["workload": "\(route.workload)", "domain": "\(route.domain)", "file": "\(file.name)"])
      }
    case .forget(let workload):
      state.withLock { state in
        state.index.remove(workload)
        state.untold[workload] = nil
      }
      if let known { changes.tell(RouteChange(known, .deleted)) }
      logger.notice("route gone: its file was removed", metadata: ["workload": "\(workload)", "file": "\(file.name)"])
    case .quarantine(let reason):
      try quarantine(file, reason)
    case .restore(let route, let reason):
      try quarantine(file, reason)
      switch directory.apply([.write(route, replacing: false)])[0] {
      case .durable(let stamp):
        state.withLock { $0.index.adopt(route, isDurable: true, stamp: stamp) }
        logger.notice("route written again", metadata: ["workload": "\(route.workload)", "domain": "\(route.domain)"])
      case .unsynced(let stamp, let error):
        state.withLock { $0.index.adopt(route, isDurable: false, stamp: stamp) }
        logger.error("route not synced", metadata: ["workload": "\(route.workload)", "reason": "\(error)"])
      case .failed(let error):
        throw error
      }
    }
  }

  /// How many reasons are kept; more files than that are not looked through one by one.
  private static let manyReasons = 1000

  private func quarantine(_ file: RouteDirectory.Found, _ reason: String) throws(FileError) {
    let path = try directory.quarantine(file.name)
    state.withLock { state in
      let name = path.split(separator: "/").last.map(String.init) ?? path
      if state.quarantineReasons.count < Self.manyReasons { state.quarantineReasons[name] = reason }
    }
    logger.error(
      "file moved to quarantine", metadata: ["file": "\(file.name)", "reason": "\(reason)", "quarantine": "\(path)"])
    var domain = ""
    if case .route(let route, _) = file.sighting { domain = route.domain.rawValue }
    changes.tell(
      RouteChange(
        workload: Self.workload(of: file.name)?.rawValue ?? "", domain: domain, action: .quarantined,
        reason: "\(file.name): \(reason)"))
  }

  private static func workload(of name: String) -> WorkloadID? {
    name.hasSuffix(".yaml") ? try? WorkloadID(String(name.dropLast(5))) : nil
  }
}

extension RouteChange {
  fileprivate init(_ route: Route, _ action: Action) {
    self.init(workload: route.workload.rawValue, domain: route.domain.rawValue, action: action)
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
