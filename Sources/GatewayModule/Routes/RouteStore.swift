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
    /// What is still to be told of changes that are made and could not be synced: `deleted` of a route whose file is gone.
    var untold: [WorkloadID: RouteChange.Action] = [:]
    /// Whose files have to be written again and could not be.
    var owed: Set<WorkloadID> = []
    /// The files that could not be put away, and why.
    var stuck: [String: FileError] = [:]
    /// Why files were moved to quarantine, by their names there.
    var quarantineReasons: [String: String] = [:]

    /// What a route that is in place means to those who know of `known`; nil for no news.
    func action(_ route: Route, replacing known: Route?) -> RouteChange.Action? {
      // Who was not told that it is gone knows it still.
      if let action = untold[route.workload], action != .deleted { return action }
      return known == nil ? .set : known == route ? nil : .replaced
    }

    /// The workload's file is gone, and may be back after a power cut.
    mutating func leave(_ workload: WorkloadID) {
      index.doubt(workload)
      untold[workload] = .deleted
    }

    func expectation(of workload: WorkloadID) -> Expectation {
      if untold[workload] == .deleted { return .nothing }
      return owed.contains(workload) ? .fileLater : .file
    }
  }

  private enum Job {
    case change(Change, CheckedContinuation<Outcome, Never>)
    case look(Look, CheckedContinuation<Void, Never>)
    case renew([WorkloadID], CheckedContinuation<Void, Never>)

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
    /// What could not be done before.
    case unsettled
    /// The directory is gone as a whole, and to be made again with all routes.
    case loss
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
  ///
  /// A file that cannot be put away is told of, and tried again while a ``RouteWatch`` runs.
  ///
  /// - Parameters:
  ///   - root: where the files are.
  ///   - proxies: whose `Forwarded` header the routes' backends get to see.
  /// - Throws: `FileError` when the root cannot be read or written.
  public static func open(
    _ root: GatewayRoot, trusting proxies: [IPNetwork] = [], logger: Logger
  ) async throws -> RouteStore {
    let clock = ContinuousClock.now
    let directory = RouteDirectory(root: root, trustedProxies: proxies)
    let store = RouteStore(directory: directory, logger: logger)
    try await store.writer.runIfActive {
      try root.prepare()
      try directory.clearStaging()
    }
    let found = try await directory.readAll().sorted { ($0.modified, $0.name) < ($1.modified, $1.name) }
    try await store.writer.runIfActive {
      for file in found { store.reconcile(file, isStart: true) }
      // What an earlier life put there may not be on disk yet.
      try directory.sync()
    }
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

  /// The names that sites whose TLS ends at Traefik want a certificate for, wildcards as `*.DOMAIN`, and since when: when the
  /// oldest of the route files that want it was written, in nanoseconds since the epoch. Those whose file is missing want none.
  var certifiedNames: [String: Int64] {
    state.withLock { state in
      state.index.routes.reduce(into: [:]) { names, route in
        guard case .terminated(let certificate) = route.tls, let stamp = state.index.stamp(of: route.workload) else {
          return
        }
        let name =
          switch certificate {
          case .own: route.domain.rawValue
          case .wildcard(let zone): "*.\(zone)"
          }
        names[name] = min(names[name] ?? .max, stamp.modified)
      }
    }
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

  /// Who gets the requests that Traefik sends to a backend once it ended their TLS, in any order, and whether it speaks TLS
  /// with the backend. Returns nil when nobody does, and for a backend that somebody passes TLS through to.
  func terminatedOwners(of backend: Endpoint) -> (workloads: [WorkloadID], isSecure: Bool)? {
    state.withLock { state in
      guard let workloads = state.index.terminatedOwners[backend], state.index.passthroughOwners[backend] == nil else {
        return nil
      }
      let isSecure = workloads.contains { workload in
        state.index[workload]?.backends.contains { $0.endpoint == backend && $0.scheme == .https } == true
      }
      return (workloads, isSecure)
    }
  }

  /// Whether any connection from Traefik to a backend is somebody's.
  var hasTerminatedRoutes: Bool {
    state.withLock { !$0.index.terminatedOwners.isEmpty }
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
      metadata: ["workload": "\(route.workload)", "domain": "\(route.domain)", "backends": "\(route.backends.count)"]
        .merging(RouteChange.previous(of: old, before: route).map { ["previous": "\($0)"] } ?? [:]) { $1 })
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

  /// Returns once the thread that writes has come to it.
  public func takesTurn() async { await reconcile(.files([])) }

  /// Whether there is something to be tried again, by ``reconcile(_:)``.
  var isUnsettled: Bool {
    state.withLock { !$0.untold.isEmpty || !$0.owed.isEmpty || !$0.stuck.isEmpty }
  }

  /// The workloads whose files are as an earlier version wrote them.
  var outdated: [WorkloadID] { state.withLock { $0.index.outdated } }

  /// Writes the files of those that are as an earlier version wrote them as this version does. To callers nothing changes.
  func renew(_ workloads: [WorkloadID]) async {
    await withCheckedContinuation { continuation in submit(.renew(workloads, continuation)) }
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
    while true {
      let jobs = state.withLock { state in
        let jobs = state.pending
        state.pending = []
        if jobs.isEmpty { state.isWriting = false }
        return jobs
      }
      if jobs.isEmpty { return }
      var changes: [(change: Job.Change, continuation: CheckedContinuation<Outcome, Never>)] = []
      var looks: [(look: Look, continuation: CheckedContinuation<Void, Never>)] = []
      var renewals: [(workloads: [WorkloadID], continuation: CheckedContinuation<Void, Never>)] = []
      for job in jobs {
        switch job {
        case .change(let change, let continuation): changes.append((change, continuation))
        case .look(let look, let continuation): looks.append((look, continuation))
        case .renew(let workloads, let continuation): renewals.append((workloads, continuation))
        }
      }
      if !changes.isEmpty {
        let outcomes = carryOut(changes.map(\.change))
        for (pending, outcome) in zip(changes, outcomes) { pending.continuation.resume(returning: outcome) }
      }
      for pending in looks {
        carryOut(pending.look)
        pending.continuation.resume()
      }
      for pending in renewals {
        carryOutRenewal(pending.workloads)
        pending.continuation.resume()
      }
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
          if let action = state.action(route, replacing: known) {
            news.append(RouteChange(route, action, replacing: known))
          }
          state.untold[route.workload] = nil
          state.owed.remove(route.workload)
        case (.write(let route), .unsynced(let stamp, _)):
          state.index.confirm(route, isDurable: false, stamp: stamp)
          state.untold[route.workload] = state.action(route, replacing: known)
          state.owed.remove(route.workload)
        case (.write(let route), .failed): state.index.abandon(route)
        case (.remove(let workload), .durable):
          state.index.remove(workload)
          state.untold[workload] = nil
          state.owed.remove(workload)
          if let known { news.append(RouteChange(known, .deleted)) }
        // A power cut may bring the file back: the domain stays taken until that is synced.
        case (.remove(let workload), .unsynced): if known != nil { state.leave(workload) }
        case (.remove, .failed): break
        }
      }
    }
    for change in news { self.changes.tell(change) }
    // What was not synced before was now.
    if outcomes.contains(where: { if case .durable = $0 { true } else { false } }) { settle() }
    return outcomes
  }

  /// Tells of the changes that were made and not synced, now that the directory is.
  private func settle() {
    let untold = state.withLock { $0.untold }
    if untold.isEmpty { return }
    let news = untold.compactMap { workload, action -> RouteChange? in
      // One that is back, with the whole directory, was not withdrawn after all.
      let isBack = action == .deleted && directory.has(workload.fileName)
      return state.withLock { state in
        state.untold[workload] = nil
        guard let route = state.index[workload], !isBack else { return nil }
        if action == .deleted { state.index.remove(workload) } else { state.index.trust(workload) }
        return RouteChange(route, action)
      }
    }
    for change in news {
      changes.tell(change)
      logger.info(
        "route \(change.action), and synced now",
        metadata: ["workload": "\(change.workload)", "domain": "\(change.domain)"])
    }
  }

  private func carryOutRenewal(_ workloads: [WorkloadID]) {
    // What somebody else did to a file is seen before it is written over.
    carryOut(.files(workloads.map(\.fileName)))
    let routes = state.withLock { state in
      // Not over a route that was withdrawn, or whose file is to come back first.
      workloads.filter { state.expectation(of: $0) == .file && state.index.isOutdated($0) }
        .compactMap { state.index[$0] }
    }
    for (route, outcome) in zip(routes, directory.apply(routes.map { .write($0, replacing: true) })) {
      switch outcome {
      case .durable(let stamp): state.withLock { $0.index.adopt(route, isDurable: true, stamp: stamp) }
      // The old file or the new one is there after a power cut, and both say the route.
      case .unsynced(let stamp, _): state.withLock { $0.index.adopt(route, isDurable: true, stamp: stamp) }
      case .failed(let error):
        logger.warning(
          "route file not brought up to date", metadata: ["workload": "\(route.workload)", "reason": "\(error)"])
      }
    }
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
      case .unsettled:
        if state.withLock({ !$0.untold.isEmpty }), (try? directory.sync()) != nil { settle() }
        names = state.withLock { Array(Set($0.stuck.keys).union($0.owed.map(\.fileName))) }
      case .loss:
        try directory.make()
        return writeAll()
      }
      let stamps = state.withLock { state in
        names.map { name in Self.workload(of: name).flatMap { state.index.stamp(of: $0) } }
      }
      let found = try directory.look(at: names, known: stamps)
      // A route is not forgotten before it is sure that its file does not come back.
      var unsynced: FileError?
      if found.contains(where: isForgotten) {
        do throws(FileError) { try directory.sync() } catch { unsynced = error }
      }
      for file in found.sorted(by: { ($0.modified, $0.name) < ($1.modified, $1.name) }) {
        reconcile(file, isStart: false, unsynced)
      }
    } catch {
      // Where the whole directory is gone, nothing is known of the files. What was asked for fails by itself.
      logger.debug("cannot look at the route files", metadata: ["reason": "\(error)"])
    }
  }

  /// Whether somebody has removed a route's file.
  private func isForgotten(_ file: RouteDirectory.Found) -> Bool {
    guard file.sighting == .nothing, let workload = Self.workload(of: file.name) else { return false }
    return state.withLock { $0.index[workload] != nil && $0.expectation(of: workload) == .file }
  }

  /// - Parameter unsynced: why what is missing may come back after a power cut; nil when it will not.
  private func reconcile(_ file: RouteDirectory.Found, isStart: Bool, _ unsynced: FileError? = nil) {
    do throws(FileError) {
      try dealWith(file, isStart: isStart, unsynced)
      state.withLock { $0.stuck[file.name] = nil }
    } catch {
      let isNew = state.withLock { $0.stuck.updateValue(error, forKey: file.name) != error }
      guard isNew else { return }
      logger.error(
        "file cannot be moved to quarantine and keeps Traefik from taking in any change: move it away by hand",
        metadata: ["file": "\(directory.path(file.name))", "reason": "\(error)"])
    }
  }

  private func dealWith(_ file: RouteDirectory.Found, isStart: Bool, _ unsynced: FileError?) throws(FileError) {
    let workload = Self.workload(of: file.name)
    let (known, expectation) = state.withLock { state in
      (workload.flatMap { state.index[$0] }, workload.map { state.expectation(of: $0) } ?? .file)
    }
    var owner: WorkloadID?
    if case .route(let route, _, _) = file.sighting { owner = state.withLock { $0.index.owner(of: route.domain) } }
    switch Reconciliation(file.sighting, known: known, expecting: expectation, owner: owner) {
    case .leave:
      guard case .foreign(let reason) = file.sighting else { return }
      logger.debug("left alone a file that is no route", metadata: ["file": "\(file.name)", "reason": "\(reason)"])
    case .adopt(let route, let stamp, let isCurrent):
      // Somebody else's file may not be on disk yet; at the start it has had the time.
      let action = state.withLock { state in
        defer {
          state.untold[route.workload] = nil
          state.owed.remove(route.workload)
        }
        state.index.adopt(route, isDurable: isStart, isCurrent: isCurrent, stamp: stamp)
        return state.action(route, replacing: known)
      }
      if let action { changes.tell(RouteChange(route, action, replacing: known)) }
      if !isStart {
        logger.info(
          "route taken over",
          metadata: ["workload": "\(route.workload)", "domain": "\(route.domain)", "file": "\(file.name)"]
            .merging(RouteChange.previous(of: known, before: route).map { ["previous": "\($0)"] } ?? [:]) { $1 })
      }
    case .forget(let workload):
      if let unsynced {
        state.withLock { $0.leave(workload) }
        logger.error("route not synced", metadata: ["workload": "\(workload)", "reason": "\(unsynced)"])
        return
      }
      state.withLock { state in
        state.index.remove(workload)
        state.untold[workload] = nil
      }
      if let known { changes.tell(RouteChange(known, .deleted)) }
      logger.notice("route gone: its file was removed", metadata: ["workload": "\(workload)", "file": "\(file.name)"])
    case .quarantine(let reason):
      if let path = try directory.quarantine(file.name) { tellOfQuarantine(file, reason, path) }
    case .restore(let route, let reason):
      let (path, outcome) = try directory.replace(file.name, with: route)
      if let path { tellOfQuarantine(file, reason, path) }
      written([route], [outcome])
    case .rewrite(let route):
      written([route], directory.apply([.write(route, replacing: false)]))
    }
  }

  /// Writes the files of all routes, none of which is there any more.
  private func writeAll() {
    let routes = state.withLock { state in
      state.index.routes.filter { state.expectation(of: $0.workload) != .nothing }
    }
    logger.notice("the route files were gone with their directory", metadata: ["routes": "\(routes.count)"])
    written(routes, directory.apply(routes.map { .write($0, replacing: false) }))
  }

  /// Routes that had no file any more were written again, or were not.
  private func written(_ routes: [Route], _ outcomes: [Outcome]) {
    for (route, outcome) in zip(routes, outcomes) {
      let workload = route.workload
      switch outcome {
      case .durable(let stamp):
        state.withLock { state in
          state.index.adopt(route, isDurable: true, stamp: stamp)
          state.owed.remove(workload)
        }
        logger.notice("route written again", metadata: ["workload": "\(workload)", "domain": "\(route.domain)"])
      case .unsynced(let stamp, let error):
        state.withLock { state in
          state.index.adopt(route, isDurable: false, stamp: stamp)
          state.owed.remove(workload)
        }
        logger.error("route not synced", metadata: ["workload": "\(workload)", "reason": "\(error)"])
      case .failed(let error):
        let isNew = state.withLock { state in
          state.index.doubt(workload)
          return state.owed.insert(workload).inserted
        }
        guard isNew else { continue }
        logger.error(
          "route cannot be written again, and is not served until it is",
          metadata: ["workload": "\(workload)", "domain": "\(route.domain)", "reason": "\(error)"])
      }
    }
  }

  /// How many reasons are kept; more files than that are not looked through one by one.
  private static let manyReasons = 1000

  private func tellOfQuarantine(_ file: RouteDirectory.Found, _ reason: String, _ path: String) {
    state.withLock { state in
      let name = path.split(separator: "/").last.map(String.init) ?? path
      if state.quarantineReasons.count < Self.manyReasons { state.quarantineReasons[name] = reason }
    }
    logger.error(
      "file moved to quarantine", metadata: ["file": "\(file.name)", "reason": "\(reason)", "quarantine": "\(path)"])
    var domain = ""
    if case .route(let route, _, _) = file.sighting { domain = route.domain.rawValue }
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
  fileprivate init(_ route: Route, _ action: Action, replacing known: Route? = nil) {
    self.init(
      workload: route.workload.rawValue, domain: route.domain.rawValue, action: action,
      previous: action == .replaced ? Self.previous(of: known, before: route)?.rawValue : nil)
  }

  /// The domain that a workload gave up for that of another route.
  fileprivate static func previous(of known: Route?, before route: Route) -> Domain? {
    known.flatMap { $0.domain == route.domain ? nil : $0.domain }
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
