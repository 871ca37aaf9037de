public import Logging
import NIOPosix
import ProxyConfig
public import Records
import Relay
public import ServiceLifecycle
import Synchronization
public import System

/// What went through Traefik for each workload, as totals that never go back and are on disk before anybody is told.
///
/// Any number of callers share the readings: at most one is taken at a time, and all who ask while it is taken share the
/// next one, which sees everything that was counted before they asked. Without callers there is one every
/// ``interval``.
public actor TrafficMeter: Service {
  private typealias OngoingRead = Task<Result<[String: ByteCount], any Error>, Never>

  /// From the end of one reading to the beginning of the next, when nobody asks.
  public static let interval = Duration.seconds(30)

  private let scrape: TraefikScrape
  /// nil where there are no tunnels and pipes.
  private let relay: RelayClient?
  private let diagnostics: SocketDiagnostics
  private let routes: RouteStore
  private let file: TrafficFile
  private let interval: Duration
  private let logger: Logger

  /// Shared with the event loop that hears of closed connections.
  private let counts: Mutex<Counts>
  private let hasFollowed = Atomic(false)
  private var running: OngoingRead?
  private var next: OngoingRead?

  private var stored: TrafficLedger
  /// From when it is first needed to the end.
  private var closedSockets: ClosedSockets?
  private var subscribing: Task<Void, any Error>?
  private var drops = 0
  private var sharedBackends: Set<Endpoint> = []
  private var lastReading = ContinuousClock.now
  /// What is said once when it begins and once when it is over.
  private var faults: [Trouble: String] = [:]

  private struct Counts: Sendable {
    var ledger: TrafficLedger
    var backends = BackendTraffic()
  }

  private enum Trouble: String {
    case scrape = "traffic through Traefik is not counted"
    case relay = "traffic through the relay is not counted"
    case connections = "connections to backends are not counted"
    case file = "traffic is not stored"
  }

  /// Goes on from what an earlier life stored. A file that cannot be read is kept aside, and counting begins anew.
  ///
  /// - Parameters:
  ///   - scrape: where Traefik tells its counters.
  ///   - namespace: the network namespace that Traefik runs in; `nil` for this process's own.
  ///   - routes: whose traffic it is.
  ///   - relay: where the relay tells its counters; nil where there are no tunnels and pipes.
  ///   - root: where the totals are kept.
  public init(
    _ scrape: TraefikScrape, namespace: NetworkNamespace?, routes: RouteStore, relay: Endpoint?, root: GatewayRoot,
    logger: Logger
  ) {
    self.init(
      scrape, namespace: namespace, routes: routes, relay: relay, root: root, every: Self.interval, logger: logger)
  }

  init(
    _ scrape: TraefikScrape, namespace: NetworkNamespace?, routes: RouteStore, relay: Endpoint? = nil,
    root: GatewayRoot, every interval: Duration, logger: Logger
  ) {
    self.scrape = scrape
    self.relay = relay.map { RelayClient(address: $0) }
    self.routes = routes
    self.interval = interval
    self.logger = logger
    diagnostics = SocketDiagnostics(namespace: namespace)
    file = TrafficFile(root)
    do throws(DamagedFile) {
      stored = try file.load()
    } catch {
      stored = TrafficLedger()
      logger.error("traffic totals are damaged: counting begins anew", metadata: error.metadata)
    }
    counts = Mutex(Counts(ledger: stored))
  }

  /// Takes a reading again and again, and a last one at the end.
  public func run() async {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        _ = try? await self.read()
        // The sleep ends early only when the service is to end.
        try? await Task.sleep(for: self.interval)
      }
    }
    // It may take what is left of the time for stopping: what takes longer is cancelled.
    let last = OngoingRead { await take() }
    await withTaskCancellationHandler {
      _ = await last.value
    } onCancel: {
      last.cancel()
    }
  }

  /// The totals by workload, with everything that was counted before the call.
  ///
  /// - Throws: ``ScrapeError`` when Traefik runs and cannot be read, `FileError` when the totals cannot be stored.
  func read() async throws -> [String: ByteCount] {
    if let next { return try await next.value.get() }
    let previous = running
    let task = OngoingRead {
      if let previous {
        _ = await previous.value
        (running, next) = (next, nil)
      }
      defer { if next == nil { running = nil } }
      return await take()
    }
    if previous == nil { running = task } else { next = task }
    return try await task.value.get()
  }

  /// Sees to it that connections to a route's backends are counted when they are closed, however soon after they were
  /// opened.
  ///
  /// To be called when a route was set.
  nonisolated func follow(_ route: Route) async {
    // Each reading sees to it too. So after the first route there is nothing to wait for, but where the kernel's counts are
    // all there is.
    let isFirst = !hasFollowed.exchange(true, ordering: .relaxed)
    if isFirst || route.tls == .passthrough { await beginFollowing() }
  }

  private func beginFollowing() async {
    if closedSockets?.isCurrent != true { await lookAtConnections() }
  }

  /// Counts the open connections to a workload's backends, which are then its own until they are closed, whatever becomes of
  /// its route.
  ///
  /// - Parameter route: what the workload is about to get; nil when it is about to lose what it has.
  nonisolated func settle(_ workload: WorkloadID, before route: Route? = nil) async {
    guard routes.tls(of: workload) == .passthrough, route.map(routes.contains) != true else { return }
    await lookAtConnections()
  }

  // MARK: - A reading

  private func take() async -> Result<[String: ByteCount], any Error> {
    // In this order: what Traefik counted, the kernel counted before.
    let reading = await lookAtTraefik()
    await lookAtConnections()
    let carried = await lookAtRelay()
    let owners = terminatedOwners
    counts.withLock { [routes, relay] in
      if relay == nil { $0.ledger.forgetRelay() }
      if let carried {
        $0.ledger.take(carried) { text in
          guard let workload = try? WorkloadID(text) else { return false }
          return routes.route(of: workload)?.tunnels[workload] == nil
        }
      }
      switch reading {
      case .success(let (traffic, start)): $0.ledger.take(traffic, start: start, &$0.backends, owners: owners)
      case .failure(let failure): if failure.reason == .notRunning { $0.backends.traefikIsNotRunning() }
      }
    }
    let now = ContinuousClock.now
    let elapsed = lastReading.duration(to: now) / .seconds(1)
    lastReading = now
    let state = counts.withLock { [routes] counts in
      counts.backends.age(by: elapsed)
      counts.ledger.age(by: elapsed) { (try? WorkloadID($0)).flatMap(routes.tls) != nil }
      return counts.ledger
    }
    do {
      try await store(state)
    } catch {
      return .failure(error)
    }
    if case .failure(let failure) = reading, failure.reason != .notRunning { return .failure(failure) }
    return .success(state.totals)
  }

  private func store(_ state: TrafficLedger) async throws {
    guard state != stored else { return }
    do {
      try await POSIXThread.run { [file] _ in try file.store(state) }
      stored = state
      isOver(.file)
    } catch {
      began(.file, "\(error)")
      throw error
    }
  }

  /// What Traefik shows, and when it was started, in seconds after the machine.
  private func lookAtTraefik() async -> Result<(Traffic, start: Double?), ScrapeError> {
    let bootTime = BootClock.bootTime
    do throws(ScrapeError) {
      let reading = try await scrape.read()
      // A clock that was set meanwhile makes the start look like another one's.
      let isSteady = BootClock.bootTime == bootTime
      let start = isSteady ? bootTime.flatMap { bootTime in reading.started.map { $0 - bootTime } } : nil
      isOver(.scrape)
      return .success((reading, start))
    } catch {
      // At the start of a node this module comes first.
      if error.reason != .cancelled { began(.scrape, "\(error)", error.reason == .notRunning ? .info : .warning) }
      return .failure(error)
    }
  }

  /// What the relay shows; nil when it shows nothing.
  private func lookAtRelay() async -> TrafficLedger.RelayReading? {
    guard let relay else { return nil }
    do throws(RelayClient.Failure) {
      let state = try await relay.state()
      isOver(.relay)
      return TrafficLedger.RelayReading(
        start: state.start, pipes: state.pipes.mapValues { ByteCount($0.traffic) },
        tunnels: state.tunnels.mapValues { ByteCount($0.traffic) })
    } catch {
      if case .notRunning = error { began(.relay, "\(error)", .info) } else { began(.relay, "\(error)") }
      return nil
    }
  }

  // MARK: - Connections to backends

  /// The workloads that have the other end of a connection as a backend.
  private nonisolated var owners: @Sendable (TCPSocket) -> [String] {
    { [routes] socket in routes.backendOwners { $0.passthrough[socket.remote] ?? [] }.map(\.rawValue) }
  }

  /// The workloads that have a backend for requests whose TLS Traefik ends.
  private nonisolated var terminatedOwners: @Sendable (Endpoint) -> BackendTraffic.Owners? {
    { [routes] endpoint in
      routes.backendOwners { $0.terminated(at: endpoint) }.map {
        BackendTraffic.Owners(workloads: $0.workloads.map(\.rawValue), isSecure: $0.isSecure)
      }
    }
  }

  private nonisolated var isBackend: @Sendable (TCPSocket) -> Bool {
    { [routes] socket in routes.backendOwners { $0.terminated(at: socket.remote) != nil } }
  }

  private func lookAtConnections() async {
    let (owned, hasTerminated) = routes.backendOwners { ($0.passthrough, $0.hasTerminated) }
    report(sharing: owned.filter { $0.value.count > 1 })
    let isNeeded =
      !owned.isEmpty || hasTerminated || closedSockets != nil
      || counts.withLock { $0.ledger.hasConnections }
    guard isNeeded else { return }
    do {
      // First, so that none is closed unseen.
      try await followClosedSockets()
      counts.withLock {
        $0.ledger.beginLook()
        $0.backends.beginLook()
      }
      do {
        let sockets = try await NIOThreadPool.singleton.runIfActive { [self] in
          try diagnostics.openSockets { socket in
            isBackend(socket) || !owners(socket).isEmpty
              || counts.withLock { $0.ledger.isKnown(socket) || $0.backends.isKnown(socket) }
          }
        }
        endLook(sockets)
      } catch {
        endLook(nil)
        throw error
      }
      isOver(.connections)
    } catch {
      began(.connections, "\(error)")
    }
    if let dropped = closedSockets?.drops, dropped != drops {
      logger.warning(
        "closed connections were not counted: too many at once", metadata: ["connections": "\(dropped - drops)"])
      drops = dropped
    }
  }

  private func endLook(_ sockets: [TCPSocket]?) {
    counts.withLock {
      $0.ledger.endLook(sockets, owners: owners)
      $0.backends.endLook(sockets, isCounted: isBackend)
    }
  }

  private func followClosedSockets() async throws {
    // Never two at the same time, which would count each connection twice.
    if let subscribing { return try await subscribing.value }
    guard closedSockets?.isCurrent != true else { return }
    let task = Task {
      defer { subscribing = nil }
      let subscription = try await ClosedSockets.follow(diagnostics) { [weak self] socket in
        guard let self else { return }
        counts.withLock {
          $0.ledger.close(socket, owners: owners)
          $0.backends.close(socket, isCounted: isBackend)
        }
      }
      (closedSockets, drops) = (subscription, 0)
    }
    subscribing = task
    try await task.value
  }

  private func report(sharing shared: [Endpoint: [WorkloadID]]) {
    for (backend, workloads) in shared where !sharedBackends.contains(backend) {
      // Of services of tcprouter it may be thousands.
      let shown = workloads.sorted().prefix(10).map(\.rawValue).joined(separator: " ")
      let more = workloads.count > 10 ? " and \(workloads.count - 10) more" : ""
      logger.warning(
        "workloads share a backend: its bytes are split evenly among them",
        metadata: ["backend": "\(backend)", "workloads": "\(shown)\(more)"])
    }
    sharedBackends = Set(shared.keys)
  }

  // MARK: - Faults

  private func began(_ fault: Trouble, _ reason: String, _ level: Logger.Level = .warning) {
    guard faults.updateValue(reason, forKey: fault) != reason else { return }
    logger.log(level: level, "\(fault.rawValue)", metadata: ["reason": "\(reason)"])
  }

  private func isOver(_ fault: Trouble) {
    guard faults.removeValue(forKey: fault) != nil else { return }
    logger.info("over: \(fault.rawValue)")
  }
}

extension ByteCount {
  fileprivate init(_ traffic: RelayState.Traffic) {
    self.init(request: Double(traffic.sent), response: Double(traffic.received))
  }
}
