public import Files
public import Logging
import NIOPosix
import ProxyConfig
public import ServiceLifecycle
import Synchronization

/// What went through Traefik for each workload, as totals that never go back and are on disk before anybody is told.
///
/// Any number of callers share the readings: at most one is taken at a time, and all who ask while it is taken share the
/// next one, which sees everything that was counted before they asked. Without callers there is one every
/// ``interval``.
public actor TrafficMeter: Service {
  private typealias Reading = Task<Result<[String: ByteCount], any Error>, Never>

  /// From the end of one reading to the beginning of the next, when nobody asks.
  public static let interval = Duration.seconds(30)

  private let scrape: TraefikScrape
  private let diagnostics: SocketDiagnostics
  private let routes: RouteStore
  private let file: TrafficFile
  private let interval: Duration
  private let logger: Logger

  /// Shared with the event loop that hears of closed connections.
  private let ledger: Mutex<TrafficLedger>
  private var running: Reading?
  private var next: Reading?

  private var stored: TrafficLedger
  /// From when it is first needed to the end.
  private var closedSockets: ClosedSockets?
  private var subscribing: Task<Void, any Error>?
  private var drops = 0
  private var sharedBackends: Set<Endpoint> = []
  private var lastReading = ContinuousClock.now
  /// What is said once when it begins and once when it is over.
  private var faults: [Fault: String] = [:]

  private enum Fault: String {
    case scrape = "traffic through Traefik is not counted"
    case connections = "TLS passed through is not counted"
    case file = "traffic is not stored"
  }

  /// Goes on from what an earlier life stored. A file that cannot be read is kept aside, and counting begins anew.
  ///
  /// - Parameters:
  ///   - scrape: where Traefik tells its counters.
  ///   - namespace: the network namespace that Traefik runs in; `nil` for this process's own.
  ///   - routes: whose traffic it is.
  ///   - root: where the totals are kept.
  public init(
    _ scrape: TraefikScrape, namespace: NetworkNamespace?, routes: RouteStore, root: GatewayRoot, logger: Logger
  ) {
    self.init(scrape, namespace: namespace, routes: routes, root: root, every: Self.interval, logger: logger)
  }

  init(
    _ scrape: TraefikScrape, namespace: NetworkNamespace?, routes: RouteStore, root: GatewayRoot,
    every interval: Duration, logger: Logger
  ) {
    self.scrape = scrape
    self.routes = routes
    self.interval = interval
    self.logger = logger
    diagnostics = SocketDiagnostics(namespace: namespace)
    file = TrafficFile(root)
    do throws(TrafficFile.Damage) {
      stored = try file.load()
    } catch {
      stored = TrafficLedger()
      var metadata: Logger.Metadata = ["file": "\(root.traffic)", "reason": "\(error.reason)"]
      switch error.outcome {
      case .success(let place): metadata["kept"] = "\(place)"
      case .failure(let failure): metadata["not-kept"] = "\(failure)"
      }
      logger.error("traffic totals are damaged: counting begins anew", metadata: metadata)
    }
    ledger = Mutex(stored)
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
    let last = Reading { await take() }
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
    let task = Reading {
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

  /// Sees to it that connections to backends are counted when they are closed, however soon after they were opened.
  ///
  /// To be called when a route that passes TLS through was set.
  func follow() async {
    do {
      try await followClosedSockets()
      isOver(.connections)
    } catch {
      began(.connections, "\(error)")
    }
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
    await lookAtConnections()
    let failure = await lookAtTraefik()
    let now = ContinuousClock.now
    let elapsed = lastReading.duration(to: now) / .seconds(1)
    lastReading = now
    let state = ledger.withLock { [routes] ledger in
      ledger.age(by: elapsed) { (try? WorkloadID($0)).flatMap(routes.tls) != nil }
      return ledger
    }
    do {
      try await store(state)
    } catch {
      return .failure(error)
    }
    if let failure, failure.reason != .notRunning { return .failure(failure) }
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

  private func lookAtTraefik() async -> ScrapeError? {
    let bootTime = BootClock.bootTime
    do throws(ScrapeError) {
      let reading = try await scrape.read()
      // A clock that was set meanwhile makes the start look like another one's.
      let isSteady = BootClock.bootTime == bootTime
      let start = isSteady ? bootTime.flatMap { bootTime in reading.started.map { $0 - bootTime } } : nil
      ledger.withLock { $0.take(reading, start: start) }
      isOver(.scrape)
      return nil
    } catch {
      // At the start of a node this module comes first.
      if error.reason != .cancelled { began(.scrape, "\(error)", error.reason == .notRunning ? .info : .warning) }
      return error
    }
  }

  // MARK: - TLS passed through

  /// The workloads that have the other end of a connection as a backend.
  private nonisolated var owners: @Sendable (TCPSocket) -> [String] {
    { [routes] socket in routes.passthroughOwners(of: socket.remote).map(\.rawValue) }
  }

  private func lookAtConnections() async {
    let owned = routes.passthroughOwners
    report(sharing: owned.filter { $0.value.count > 1 })
    let isNeeded = !owned.isEmpty || closedSockets != nil || ledger.withLock { $0.hasConnections }
    guard isNeeded else { return }
    do {
      // First, so that none is closed unseen.
      try await followClosedSockets()
      ledger.withLock { $0.beginLook() }
      do {
        let sockets = try await NIOThreadPool.singleton.runIfActive { [self] in
          try diagnostics.openSockets { socket in
            !owners(socket).isEmpty || ledger.withLock { $0.isKnown(socket) }
          }
        }
        ledger.withLock { $0.endLook(sockets, owners: owners) }
      } catch {
        ledger.withLock { $0.endLook(nil, owners: owners) }
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

  private func followClosedSockets() async throws {
    // Never two at the same time, which would count each connection twice.
    if let subscribing { return try await subscribing.value }
    guard closedSockets?.isCurrent != true else { return }
    let task = Task {
      defer { subscribing = nil }
      let subscription = try await ClosedSockets.follow(diagnostics) { [weak self] socket in
        guard let self else { return }
        ledger.withLock { $0.close(socket, owners: owners) }
      }
      (closedSockets, drops) = (subscription, 0)
    }
    subscribing = task
    try await task.value
  }

  private func report(sharing shared: [Endpoint: [WorkloadID]]) {
    for (backend, workloads) in shared where !sharedBackends.contains(backend) {
      logger.warning(
        "workloads share a backend: its bytes are split evenly among them",
        metadata: [
          "backend": "\(backend)", "workloads": "\(workloads.sorted().map(\.rawValue).joined(separator: " "))",
        ])
    }
    sharedBackends = Set(shared.keys)
  }

  // MARK: - Faults

  private func began(_ fault: Fault, _ reason: String, _ level: Logger.Level = .warning) {
    guard faults.updateValue(reason, forKey: fault) != reason else { return }
    logger.log(level: level, "\(fault.rawValue)", metadata: ["reason": "\(reason)"])
  }

  private func isOver(_ fault: Fault) {
    guard faults.removeValue(forKey: fault) != nil else { return }
    logger.info("over: \(fault.rawValue)")
  }
}
