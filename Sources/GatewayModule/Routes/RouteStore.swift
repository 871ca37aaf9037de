import Glibc
public import Logging
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
  /// What became of a route that was set.
  public enum SetResult: Equatable, Sendable {
    case unchanged
    case created
    case replaced(Route)
  }

  /// A change of one route that a caller asked for.
  enum Edit {
    case write(Route)
    case remove(WorkloadID)

    var workload: WorkloadID {
      switch self {
      case .write(let route): route.workload
      case .remove(let workload): workload
      }
    }
  }

  /// What the writer's thread is asked for, and who waits for it.
  enum Job {
    case edit(Edit, CheckedContinuation<RouteDirectory.EditOutcome, Never>)
    case scan(Scan, CheckedContinuation<Void, Never>)
    case rewrite(Rewrite, CheckedContinuation<(written: Int, fault: FileError?), Never>)
  }

  /// What in the directory may have been changed by others.
  enum Scan: Sendable {
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

  // What follows is for the store's own files, RouteStore+….swift.
  let directory: RouteDirectory
  let state: Mutex<Contents>
  /// On its one thread the index and the disk agree: nowhere else is either changed.
  private let writer = GroupWriter<Job>("routes")
  let logger: Logger
  /// Takes what became of routes, on the writer's thread.
  let onEvent: @Sendable (Event) -> Void

  private init(directory: RouteDirectory, logger: Logger, onEvent: @escaping @Sendable (Event) -> Void) {
    self.directory = directory
    self.logger = logger
    self.onEvent = onEvent
    state = Mutex(Contents())
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
    try await store.writer.run {
      try root.prepare()
      try directory.files.clearStaging()
    }
    let found = try await directory.readAll().sorted { ($0.modified, $0.name) < ($1.modified, $1.name) }
    try await store.writer.run {
      for file in found { store.reconcile(file, isStart: true) }
      // What an earlier life put there may not be on disk yet.
      try directory.files.sync()
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

  /// The workloads of a user that have a route.
  func workloads(of user: String) -> [WorkloadID] {
    state.withLock { $0.index.routes.lazy.map(\.workload).filter { $0.user == user } }
  }

  /// Whether some workload gets whatever is for no other route's domain.
  var hasCatchAll: Bool { owner(of: nil) != nil }

  /// The domains whose plain HTTP is redirected to HTTPS.
  var redirected: Set<Domain> {
    state.withLock { Set($0.index.routes.lazy.filter { $0.httpBackends == nil }.compactMap(\.domain)) }
  }

  /// Whose route a domain leads to; without a domain, who has whatever is for no other route's.
  func owner(of domain: Domain?) -> WorkloadID? { state.withLock { $0.index.owner(of: domain) } }

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
  /// - Parameter beforeWaiting: called when there is something to write, which waits for the disk.
  /// - Throws: ``DomainTaken``, or ``RouteStoreError`` when the file cannot be written; the old route then stays.
  public func set(_ route: Route, beforeWaiting: () async -> Void = {}) async throws -> SetResult {
    let claim = try state.withLock { state in
      let claim = try state.index.claim(route)
      state.want(route)
      return claim
    }
    guard case .write(let old) = claim else { return .unchanged }
    await beforeWaiting()
    try check(await commit(.write(route)), route.workload)
    logger.info(
      "route \(old == nil ? "set" : "replaced")",
      metadata: [
        "workload": "\(route.workload)", "domain": "\(route.domainName)", "backends": "\(route.backends.count)",
      ].merging(Event.previous(of: old, before: route).map { ["previous": "\($0)"] } ?? [:]) { $1 })
    return old.map { .replaced($0) } ?? .created
  }

  /// Withdraws the route of a workload and returns it; nil when there is none. Changes to one workload must not overlap.
  ///
  /// - Parameter beforeWaiting: called when there is something to remove, which waits for the disk.
  /// - Throws: ``RouteStoreError`` when the file cannot be removed.
  public func delete(_ workload: WorkloadID, beforeWaiting: () async -> Void = {}) async throws -> Route? {
    guard let route = state.withLock({ $0.index[workload] }) else { return nil }
    await beforeWaiting()
    try check(await commit(.remove(workload)), workload)
    logger.info("route deleted", metadata: ["workload": "\(workload)", "domain": "\(route.domainName)"])
    return route
  }

  private func check(_ outcome: RouteDirectory.EditOutcome, _ workload: WorkloadID) throws(RouteStoreError) {
    switch outcome {
    case .durable: return
    case .unsynced(_, let error), .failed(let error):
      logger.error("route not stored", metadata: ["workload": "\(workload)", "reason": "\(error)"])
      throw RouteStoreError(workload: workload, cause: error)
    }
  }

  /// Brings the index and the directory together again where others may have changed that. Returns when that is done.
  func reconcile(_ scan: Scan) async {
    await withCheckedContinuation { continuation in submit(.scan(scan, continuation)) }
  }

  /// Returns once the thread that writes has come to it.
  public func takesTurn() async { await reconcile(.files([])) }

  /// Whether there is something to be tried again, by ``reconcile(_:)``.
  var isUnsettled: Bool {
    state.withLock { !$0.debts.isEmpty || !$0.stuck.isEmpty }
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

  private func commit(_ edit: Edit) async -> RouteDirectory.EditOutcome {
    await withCheckedContinuation { continuation in submit(.edit(edit, continuation)) }
  }

  private func submit(_ job: Job) {
    writer.submit(job) { [self] in work($0) }
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
