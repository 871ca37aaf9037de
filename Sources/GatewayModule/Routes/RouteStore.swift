import Glibc
public import Logging
import NIOPosix
public import ProxyConfig
public import Records
import Synchronization
public import System

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
    var untold: [WorkloadID: Event.Action] = [:]
    /// Whose files have to be written again and could not be.
    var owed: Set<WorkloadID> = []
    /// The files that could not be put away, and why.
    var stuck: [String: FileError] = [:]
    /// Why files were moved to quarantine, by their names there.
    var quarantineReasons: [String: String] = [:]
    /// The names on hold: Traefik is to ask for no certificate for them.
    var held: Set<String> = []
    /// Those of them that somebody set a route for.
    var wanted: Set<String> = []

    /// What a route that is in place means to those who know of `known`; nil for no news.
    func action(_ route: Route, replacing known: Route?) -> Event.Action? {
      // Who was not told that it is gone knows it still.
      if let action = untold[route.workload], action != .deleted { return action }
      return known == nil ? .set : known == route ? nil : .replaced
    }

    /// How the file of a route is to be written. When its name is on hold, only a file by which it is tried stays as it is.
    func writing(_ route: Route) -> RouteDirectory.Writing {
      guard let name = route.certifiedName, held.contains(name) else { return RouteDirectory.Writing(route: route) }
      let isTried = index[route.workload]?.certifiedName == name && !index.isOnHold(route.workload)
      return RouteDirectory.Writing(route: route, isOnHold: !isTried)
    }

    /// Whose files are not in the form that they are to have.
    func workloads(of rewrite: Rewrite) -> [WorkloadID] {
      var found: [WorkloadID] = []
      switch rewrite {
      case .renew(let workloads):
        found = workloads.filter { index.isOutdated($0) || index.isOnHold($0) && !isHeld($0) }
      case .hold(let names):
        index.forEachCertified { name, route, isOnHold, _ in
          if !isOnHold, found.count < RouteStore.rewriteBatch, names.contains(name) { found.append(route.workload) }
        }
      case .retry(let names):
        var waiting: [String: Waiting] = [:]
        index.forEachCertified { name, route, isOnHold, stamp in
          guard names.contains(name), let stamp else { return }
          waiting[name, default: Waiting()].add(route.workload, isOnHold, stamp.modified)
        }
        found = waiting.values.compactMap { $0.asking == nil ? $0.onHold : nil }
      }
      return found
    }

    private func isHeld(_ workload: WorkloadID) -> Bool {
      index[workload]?.certifiedName.map(held.contains) == true
    }

    /// Somebody wants a certificate for the route now.
    mutating func want(_ route: Route) {
      if let name = route.certifiedName, held.contains(name) { wanted.insert(name) }
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
    case rewrite(Rewrite, CheckedContinuation<(written: Int, fault: FileError?), Never>)

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

  /// How many files are written before calls have their turn.
  static let rewriteBatch = 128

  /// Which files say their routes in another form than they are to.
  enum Rewrite: Sendable {
    /// Those of these workloads that are outdated.
    case renew([WorkloadID])
    /// Those that ask for a certificate for one of these names, at most ``rewriteBatch`` of them.
    case hold(Set<String>)
    /// One for each of these names, which then asks for its certificate.
    case retry(Set<String>)
  }

  private typealias Outcome = RouteDirectory.Outcome

  private let directory: RouteDirectory
  private let state: Mutex<State>
  /// On its one thread the index and the disk agree: nowhere else is either changed.
  private let writer = NIOThreadPool(numberOfThreads: 1)
  private let logger: Logger
  /// Takes what became of routes, on the writer's thread.
  private let onEvent: @Sendable (Event) -> Void

  private init(directory: RouteDirectory, logger: Logger, onEvent: @escaping @Sendable (Event) -> Void) {
    self.directory = directory
    self.logger = logger
    self.onEvent = onEvent
    state = Mutex(State())
    writer.start()
  }

  deinit {
    writer.shutdownGracefully { _ in }
  }

  /// Takes over what is on disk: good routes into the index; files that keep Traefik from reading any, and the younger of
  /// two that claim one domain, into quarantine; other people's files are left alone.
  ///
  /// A file that cannot be put away is reported in the log, and tried again while a ``RouteWatch`` runs.
  ///
  /// - Parameters:
  ///   - root: where the files are.
  ///   - proxies: whose `Forwarded` header the routes' backends get to see.
  ///   - onEvent: takes what becomes of routes, one event after the other. It must not wait.
  /// - Throws: `FileError` when the root cannot be read or written.
  public static func open(
    _ root: GatewayRoot, trusting proxies: [IPNetwork] = [], logger: Logger,
    onEvent: @escaping @Sendable (Event) -> Void = { _ in }
  ) async throws -> RouteStore {
    let clock = ContinuousClock.now
    let directory = RouteDirectory(root: root, trustedProxies: proxies)
    let store = RouteStore(directory: directory, logger: logger, onEvent: onEvent)
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

  /// What waits for the certificate of a name.
  struct Waiting: Equatable {
    /// When the oldest of the route files that want it was written, in nanoseconds since the epoch.
    var since = Int64.max
    /// Whose file is the oldest of those that ask for it, and of those that are on hold; nil for none.
    var asking: WorkloadID?
    var onHold: WorkloadID?
    private var oldestAsking = Int64.max
    private var oldestOnHold = Int64.max

    fileprivate mutating func add(_ workload: WorkloadID, _ isOnHold: Bool, _ modified: Int64) {
      since = min(since, modified)
      if isOnHold, onHold == nil || modified < oldestOnHold { (onHold, oldestOnHold) = (workload, modified) }
      if !isOnHold, asking == nil || modified < oldestAsking { (asking, oldestAsking) = (workload, modified) }
    }
  }

  /// The names that sites whose TLS ends at Traefik want a certificate for, wildcards as `*.DOMAIN`, without those that there
  /// is one for. Those whose file is missing want none.
  func waiting(for stored: Set<String>) -> [String: Waiting] {
    state.withLock { state in
      var waiting: [String: Waiting] = [:]
      state.index.forEachCertified { name, route, isOnHold, stamp in
        guard let stamp, !stored.contains(name) else { return }
        waiting[name, default: Waiting()].add(route.workload, isOnHold, stamp.modified)
      }
      return waiting
    }
  }

  /// For each of these names a workload whose route wants a certificate for it.
  func workloads(wanting names: Set<String>) -> [String: WorkloadID] {
    state.withLock { state in
      var workloads: [String: WorkloadID] = [:]
      state.index.forEachCertified { name, route, _, _ in
        if names.contains(name) { workloads[name] = min(workloads[name] ?? route.workload, route.workload) }
      }
      return workloads
    }
  }

  /// Another one after each change of any route or file.
  var revision: Int { state.withLock { $0.index.revision } }

  /// The names on hold: Traefik is to ask for no certificate for them.
  var held: Set<String> { state.withLock { $0.held } }

  /// The names on hold that a route was set for since this was last asked.
  func takeWanted() -> Set<String> {
    state.withLock { state in
      defer { state.wanted = [] }
      return state.wanted
    }
  }

  /// Names are no longer on hold. Their files are outdated from now on.
  func release(_ names: Set<String>) {
    state.withLock { state in
      state.held.subtract(names)
      state.wanted.subtract(names)
    }
  }

  /// Somebody wants a certificate for a route that is there already.
  func want(_ route: Route) { state.withLock { $0.want(route) } }

  /// When the file of a workload got its present form, in nanoseconds since the epoch; nil when it cannot be seen.
  func changed(_ workload: WorkloadID) -> Int64? {
    (try? FileSystem.status(directory.path(workload.fileName)))?.changed
  }

  /// How many routes there are.
  var count: Int { state.withLock { $0.index.count } }

  /// The route of a workload.
  func route(of workload: WorkloadID) -> Route? { state.withLock { $0.index[workload] } }

  /// The files in quarantine: how many there are, and the first ones by name. Reads them, so it may wait for the disk.
  func quarantine(limit: Int) -> (count: Int, files: [(name: String, reason: String)]) {
    let names = directory.quarantined.sorted()
    // Of those that were taken away nothing is kept.
    let reasons = state.withLock { state in
      state.quarantineReasons = state.quarantineReasons.filter { names.contains($0.key) }
      return state.quarantineReasons
    }
    let files = names.prefix(limit).map { name in
      (name: name, reason: reasons[name] ?? directory.reason(ofQuarantined: name) ?? "")
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

  /// Whose traffic is what goes from Traefik to a backend.
  func backendOwners<Result>(_ body: (BackendOwners) -> Result) -> Result {
    state.withLock { body($0.index.backendOwners) }
  }

  /// Throws when another workload has the route's domain.
  public func checkOwner(of route: Route) throws(DomainTaken) {
    try state.withLock { state throws(DomainTaken) in try state.index.checkOwner(of: route) }
  }

  /// Publishes a route, in place of the one that its workload had. Changes to one workload must not overlap.
  ///
  /// - Throws: ``DomainTaken``, or ``RouteStoreError`` when the file cannot be written; the old route then stays.
  public func set(_ route: Route) async throws -> Change {
    let claim = try state.withLock { state in
      let claim = try state.index.claim(route)
      state.want(route)
      return claim
    }
    guard case .write(let old) = claim else { return .unchanged }
    try check(await carryOut(.write(route)), route.workload)
    logger.info(
      "route \(old == nil ? "set" : "replaced")",
      metadata: ["workload": "\(route.workload)", "domain": "\(route.domain)", "backends": "\(route.backends.count)"]
        .merging(Event.previous(of: old, before: route).map { ["previous": "\($0)"] } ?? [:]) { $1 })
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

  /// The workloads, at most so many, whose files are on hold though their names no longer are.
  func released(atMost count: Int) -> [WorkloadID] {
    state.withLock { state in
      var released: [WorkloadID] = []
      state.index.forEachCertified { name, route, isOnHold, _ in
        if isOnHold, released.count < count, !state.held.contains(name) { released.append(route.workload) }
      }
      return released
    }
  }

  /// Writes files in the form that they are to have. To callers nothing changes.
  ///
  /// - Returns: how many were written, and why others could not be.
  @discardableResult
  func rewrite(_ rewrite: Rewrite) async -> (written: Int, fault: FileError?) {
    await withCheckedContinuation { continuation in submit(.rewrite(rewrite, continuation)) }
  }

  private func carryOut(_ change: Job.Change) async -> Outcome {
    await withCheckedContinuation { continuation in submit(.change(change, continuation)) }
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
      var rewrites: [(rewrite: Rewrite, continuation: CheckedContinuation<(written: Int, fault: FileError?), Never>)] =
        []
      for job in jobs {
        switch job {
        case .change(let change, let continuation): changes.append((change, continuation))
        case .look(let look, let continuation): looks.append((look, continuation))
        case .rewrite(let rewrite, let continuation): rewrites.append((rewrite, continuation))
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
      for pending in rewrites {
        pending.continuation.resume(returning: carryOut(pending.rewrite))
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
        case .write(let route): .write(state.writing(route), replacing: isKnown)
        // What is not known is not this module's to remove; but that its file is gone must last.
        case .remove(let workload): isKnown ? .remove(workload) : .none
        }
      }
    }
    let outcomes = directory.apply(steps)
    var news: [Event] = []
    state.withLock { state in
      for ((change, step), outcome) in zip(zip(changes, steps), outcomes) {
        let known = state.index[change.workload]
        let isOnHold = if case .write(let file, _) = step { file.isOnHold } else { false }
        switch (change, outcome) {
        case (.write(let route), .durable(let stamp)):
          state.index.confirm(route, isDurable: true, isOnHold: isOnHold, stamp: stamp)
          if let action = state.action(route, replacing: known) {
            news.append(Event(route, action, replacing: known))
          }
          state.untold[route.workload] = nil
          state.owed.remove(route.workload)
        case (.write(let route), .unsynced(let stamp, _)):
          state.index.confirm(route, isDurable: false, isOnHold: isOnHold, stamp: stamp)
          state.untold[route.workload] = state.action(route, replacing: known)
          state.owed.remove(route.workload)
        case (.write(let route), .failed): state.index.abandon(route)
        case (.remove(let workload), .durable):
          state.index.remove(workload)
          state.untold[workload] = nil
          state.owed.remove(workload)
          if let known { news.append(Event(known, .deleted)) }
        // A power cut may bring the file back: the domain stays taken until that is synced.
        case (.remove(let workload), .unsynced): if known != nil { state.leave(workload) }
        case (.remove, .failed): break
        }
      }
    }
    for event in news { onEvent(event) }
    // What was not synced before was now.
    if outcomes.contains(where: { if case .durable = $0 { true } else { false } }) { settle() }
    return outcomes
  }

  /// Tells of the changes that were made and not synced, now that the directory is.
  private func settle() {
    let untold = state.withLock { $0.untold }
    if untold.isEmpty { return }
    let news = untold.compactMap { workload, action -> Event? in
      // One that is back, with the whole directory, was not withdrawn after all.
      let isBack = action == .deleted && directory.has(workload.fileName)
      return state.withLock { state in
        state.untold[workload] = nil
        guard let route = state.index[workload], !isBack else { return nil }
        if action == .deleted { state.index.remove(workload) } else { state.index.trust(workload) }
        return Event(route, action)
      }
    }
    for event in news {
      onEvent(event)
      logger.info(
        "route \(event.action), and synced now",
        metadata: [
          "workload": "\(event.workload.map { "\($0)" } ?? "")", "domain": "\(event.domain.map { "\($0)" } ?? "")",
        ])
    }
  }

  private func carryOut(_ rewrite: Rewrite) -> (written: Int, fault: FileError?) {
    // What somebody else did to a file is seen before it is written over.
    carryOut(.files(state.withLock { $0.workloads(of: rewrite) }.map(\.fileName)))
    let files = state.withLock { state in
      // Now that it is known who else has to be looked at.
      if case .hold(let names) = rewrite { state.held.formUnion(names) }
      return state.workloads(of: rewrite).compactMap { workload -> RouteDirectory.Writing? in
        // Not over a route that was withdrawn, or whose file is to come back first.
        guard let route = state.index[workload], state.expectation(of: workload) == .file else { return nil }
        var file = state.writing(route)
        switch rewrite {
        case .renew: break
        case .hold: file.isOnHold = true
        case .retry: file.isOnHold = false
        }
        // How long a site has waited is still known by its file.
        if file.isOnHold || state.index.isOnHold(workload) { file.modified = state.index.stamp(of: workload)?.modified }
        return file
      }
    }
    var result: (written: Int, fault: FileError?) = (0, nil)
    // The files are written together, so that Traefik, which takes them in some times each second, does it once.
    for (file, outcome) in zip(files, directory.apply(files.map { .write($0, replacing: true) })) {
      switch outcome {
      case .durable(let stamp):
        state.withLock { $0.index.adopt(file.route, isDurable: true, isOnHold: file.isOnHold, stamp: stamp) }
        result.written += 1
      // The old file or the new one is there after a power cut, and both say the route: if the old one is.
      case .unsynced(let stamp, _):
        state.withLock { state in
          let isDurable = state.index.isDurable(file.route)
          state.index.adopt(file.route, isDurable: isDurable, isOnHold: file.isOnHold, stamp: stamp)
        }
        result.written += 1
      case .failed(let error): result.fault = error
      }
    }
    return result
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
    if case .route(let route, _, _, _) = file.sighting { owner = state.withLock { $0.index.owner(of: route.domain) } }
    switch Reconciliation(file.sighting, known: known, expecting: expectation, owner: owner) {
    case .leave:
      guard case .foreign(let reason) = file.sighting else { return }
      logger.debug("left alone a file that is no route", metadata: ["file": "\(file.name)", "reason": "\(reason)"])
    case .adopt(let route, let stamp, let isCurrent, let isOnHold):
      // Somebody else's file may not be on disk yet; at the start it has had the time.
      let action = state.withLock { state in
        defer {
          state.untold[route.workload] = nil
          state.owed.remove(route.workload)
        }
        state.index.adopt(route, isDurable: isStart, isCurrent: isCurrent, isOnHold: isOnHold, stamp: stamp)
        if isOnHold, let name = route.certifiedName { state.held.insert(name) }
        return state.action(route, replacing: known)
      }
      if let action { onEvent(Event(route, action, replacing: known)) }
      if !isStart {
        logger.info(
          "route taken over",
          metadata: ["workload": "\(route.workload)", "domain": "\(route.domain)", "file": "\(file.name)"]
            .merging(Event.previous(of: known, before: route).map { ["previous": "\($0)"] } ?? [:]) { $1 })
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
      if let known { onEvent(Event(known, .deleted)) }
      logger.notice("route gone: its file was removed", metadata: ["workload": "\(workload)", "file": "\(file.name)"])
    case .quarantine(let reason):
      if let path = try directory.quarantine(file.name) { tellOfQuarantine(file, reason, path) }
    case .restore(let route, let reason):
      let writing = state.withLock { $0.writing(route) }
      let (path, outcome) = try directory.replace(file.name, with: writing)
      if let path { tellOfQuarantine(file, reason, path) }
      written([writing], [outcome])
    case .rewrite(let route):
      let writing = state.withLock { $0.writing(route) }
      written([writing], directory.apply([.write(writing, replacing: false)]))
    }
  }

  /// Writes the files of all routes, none of which is there any more.
  private func writeAll() {
    let files = state.withLock { state in
      state.index.routes.filter { state.expectation(of: $0.workload) != .nothing }.map { state.writing($0) }
    }
    logger.notice("the route files were gone with their directory", metadata: ["routes": "\(files.count)"])
    written(files, directory.apply(files.map { .write($0, replacing: false) }))
  }

  /// Routes that had no file any more were written again, or were not.
  private func written(_ files: [RouteDirectory.Writing], _ outcomes: [Outcome]) {
    for (file, outcome) in zip(files, outcomes) {
      let route = file.route
      let workload = route.workload
      switch outcome {
      case .durable(let stamp):
        state.withLock { state in
          state.index.adopt(route, isDurable: true, isOnHold: file.isOnHold, stamp: stamp)
          state.owed.remove(workload)
        }
        logger.notice("route written again", metadata: ["workload": "\(workload)", "domain": "\(route.domain)"])
      case .unsynced(let stamp, let error):
        state.withLock { state in
          state.index.adopt(route, isDurable: false, isOnHold: file.isOnHold, stamp: stamp)
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
    var domain: Domain?
    if case .route(let route, _, _, _) = file.sighting { domain = route.domain }
    onEvent(
      Event(quarantined: Self.workload(of: file.name), domain: domain, reason: "\(file.name): \(reason)"))
  }

  private static func workload(of name: String) -> WorkloadID? {
    name.hasSuffix(".yaml") ? try? WorkloadID(String(name.dropLast(5))) : nil
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
