import GatewayClient
public import Logging
import ProxyConfig
public import RPC
import Records
import Relay
public import ServiceLifecycle
import Synchronization
public import System

/// Serves the services of tcprouter as its Redis says them: each is a route, and where it has a client's secret a tunnel, of the
/// workload `tcprouter-DOMAIN`.
///
/// Routes and tunnels are the only memory of them: while Redis is away, what there is stays. What somebody sets on the bus goes before
/// what Redis says.
public final class TCPRouter: Service {
  /// What the operator has said.
  public struct Configuration: Sendable {
    /// Where the services are.
    public var server: BrokerURL
    /// Where Traefik listens.
    public var listeners: [ListenAddress]
    /// For trials on one machine.
    public var allowsLoopbackBackends: Bool

    public init(server: BrokerURL, listeners: [ListenAddress], allowsLoopbackBackends: Bool) {
      self.server = server
      self.listeners = listeners
      self.allowsLoopbackBackends = allowsLoopbackBackends
    }
  }

  private typealias Key = TCPRouterTable.Key

  private let configuration: Configuration
  private let values: RedisValues
  private let store: RouteStore
  private let events: RouteEvents
  private let network: PublicNetworkSource
  private let meter: TrafficMeter
  private let tunnels: Tunnels?
  private let logger: Logger
  private let turns = WorkloadTurns()
  private let table = Mutex(TCPRouterTable())
  private let work: AsyncStream<Void>
  private let wake: AsyncStream<Void>.Continuation

  /// How often all services are read.
  private static let interval = Duration.seconds(10)
  /// How many are brought in step at the same time, so that they share syncs of the disk.
  private static let width = 128

  /// - Parameters:
  ///   - store: the routes.
  ///   - events: what becomes of them.
  ///   - network: the node's public network.
  ///   - meter: what went through Traefik.
  ///   - tunnels: nil where there are none.
  public init(
    _ configuration: Configuration, store: RouteStore, events: RouteEvents, network: PublicNetworkSource,
    meter: TrafficMeter, tunnels: Tunnels?, logger: Logger
  ) {
    self.configuration = configuration
    self.store = store
    self.events = events
    self.network = network
    self.meter = meter
    self.tunnels = tunnels
    self.logger = logger
    values = RedisValues(
      .string, at: configuration.server, prefix: TCPRouterName.keyPrefix, every: Self.interval, logger: logger)
    (work, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Follows the services.
  public func run() async {
    await cancelWhenGracefulShutdown { [self] in
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await self.followRoutes(self.events.listen()) }
        group.addTask {
          var node: PublicNetwork?
          for await _ in self.work { node = await self.converge(after: node) }
        }
        group.addTask {
          await self.values.follow(
            wanting: { _ in true }, known: { self.knownKeys }, take: { self.take($0) }, settle: { self.settle() })
        }
      }
    }
  }

  // MARK: What Redis says

  /// The keys of all that there is because of Redis, which may be gone there.
  private var knownKeys: [Key] {
    let user = WorkloadID.tcprouterUser
    let workloads = store.workloads(of: user) + (tunnels?.workloads(of: user) ?? [])
    let made = workloads.compactMap { try? TCPRouterName($0).key }
    return Array(Set(table.withLock { $0.entries.keys }).union(made))
  }

  private func take(_ read: [RedisValues.Entry]) {
    table.withLock { table in
      for (key, content) in read { table.take(content.first, under: key) }
    }
  }

  /// All that was to be read has been.
  private func settle() {
    let entries = table.withLock { table in
      table.complete()
      return table.entries
    }
    // Also what could not be done, and what somebody took away.
    let missing = entries.filter { _, entry in !isThere(entry) }.keys
    table.withLock { _ = $0.look(at: missing) }
    wake.yield()
  }

  /// Whether a service has its route, and its tunnel if it needs one.
  private func isThere(_ entry: TCPRouterTable.Entry) -> Bool {
    guard case .success(let name) = entry.name, store.route(of: name.workload) != nil else { return false }
    return entry.secret.map { tunnels?.holder(of: $0) != nil } ?? true
  }

  // MARK: What is set on the bus

  /// Takes in what becomes of routes.
  private func followRoutes(_ events: AsyncStream<RouteEvent>) async {
    for await event in events {
      let names: [TCPRouterName?]
      if let workload = try? WorkloadID(event.workload), workload.isOfTCPRouter {
        names = [try? TCPRouterName(workload)]
      } else {
        names = [event.domain, event.previous ?? ""].map { try? TCPRouterName($0) }
      }
      let isDue = table.withLock { $0.look(at: names.compactMap { $0?.key }) }
      if isDue || store.hasCatchAll { wake.yield() }
    }
  }

  /// Sets somebody's route for a domain, for which that of a service gives way. When that fails, it is back.
  func giveWay(at domain: Domain?, to set: () async throws -> Void) async throws {
    guard let domain, let name = try? TCPRouterName(domain.rawValue) else { return try await set() }
    table.withLock { $0.beginSetting(domain) }
    defer {
      table.withLock { table in
        table.endSetting(domain)
        table.look(at: [name.key])
      }
      wake.yield()
    }
    // Behind this turn none is set any more.
    let old = try await turns.take(for: name.workload) {
      try await store.withdraw(name.workload, countedBy: meter, beforeWaiting: CurrentCall.releaseWorker)
    }
    do {
      try await set()
    } catch {
      if let old {
        await turns.take(for: name.workload) { _ = try? await store.publish(old, countedBy: meter) }
      }
      throw error
    }
  }

  /// Throws when another workload has the route's domain that would not give way.
  func checkOwner(of route: Route) throws(DomainTaken) {
    if store.owner(of: route.domain)?.isOfTCPRouter == true { return }
    try store.checkOwner(of: route)
  }

  // MARK: Bringing routes and tunnels in step

  /// Why a service is not served.
  private enum Refusal: Error {
    /// By what its key or its value says.
    case fault(InvalidValue)
    /// Somebody else has its domain.
    case givesWay(DomainTaken)
    /// It could not be stored, which has been logged.
    case notStored
  }

  /// - Parameter last: the public network with which the services were judged before.
  /// - Returns: the one with which they have been judged now.
  private func converge(after last: PublicNetwork?) async -> PublicNetwork? {
    await renewCatchAll()
    let node: PublicNetwork
    do throws(PublicNetworkUnknown) {
      node = try await network.current()
    } catch {
      logger.debug("services of tcprouter wait for the node's public network", metadata: ["reason": "\(error)"])
      return last
    }
    var due = table.withLock { table in
      if node != last { table.lookAtAll() }
      return table.takeDue()
    }
    var width = 1
    while !due.isEmpty, !Task.isCancelled {
      let isStored = await withTaskGroup(of: Bool.self) { group in
        for key in due.suffix(width) { group.addTask { await self.converge(key, node) } }
        return await group.reduce(true) { $0 && $1 }
      }
      guard isStored else {
        // The disk does not take it: no need to hear that of each. They are looked at again when Redis is.
        table.withLock { $0.putBack(due) }
        return node
      }
      due.removeLast(min(width, due.count))
      width = Self.width
    }
    await removeTunnels()
    return node
  }

  /// In the route for all others it is said which domains are redirected: that changes with everybody's routes, also while Redis is
  /// away.
  private func renewCatchAll() async {
    guard store.hasCatchAll, let name = try? TCPRouterName(TCPRouterName.catchAll) else { return }
    await turns.take(for: name.workload) {
      do throws(InvalidValue) {
        guard let route = try store.route(of: name.workload)?.redirecting(store.redirected) else { return }
        // What the disk does not take is logged there.
        try? await store.publish(route, countedBy: meter)
      } catch {
        // As the service's fault it is told.
        table.withLock { _ = $0.look(at: [name.key]) }
      }
    }
  }

  /// Brings one service in step.
  ///
  /// - Returns: whether the disk took it.
  private func converge(_ key: Key, _ node: PublicNetwork) async -> Bool {
    let workload: WorkloadID
    do throws(InvalidValue) {
      workload = try TCPRouterName(key: key).workload
    } catch {
      tell(key, .fault(error))
      return true
    }
    return await turns.take(for: workload) {
      do throws(Refusal) {
        if let entry = table.withLock({ $0.entries[key] }) {
          try await serve(entry, node)
          table.withLock { $0.isServed(key) }
        } else {
          try await withdraw(workload)
        }
        return true
      } catch {
        tell(key, error)
        if case .notStored = error { return false }
        return true
      }
    }
  }

  private func serve(_ entry: TCPRouterTable.Entry, _ node: PublicNetwork) async throws(Refusal) {
    let route: Route
    do {
      route = try await self.route(entry.name.get(), entry.service.get(), node)
    } catch let fault as InvalidValue {
      // What the value said before is over.
      if case .success(let name) = entry.name { try await withdraw(name.workload) }
      throw .fault(fault)
    } catch {
      throw .notStored
    }
    do {
      if let domain = route.domain, table.withLock({ $0.isBeingSet(domain) }) { throw DomainTaken(domain: domain) }
      try await store.publish(route, countedBy: meter)
    } catch let taken as DomainTaken {
      throw .givesWay(taken)
    } catch {
      throw .notStored
    }
  }

  private func route(
    _ name: TCPRouterName, _ service: TCPRouterService, _ node: PublicNetwork
  ) async throws -> Route {
    if tunnels != nil, let domain = name.domain, let zone = node.domain,
      domain.rawValue == "\(TunnelEntry.label).\(zone)"
    {
      throw InvalidValue("domain", domain.rawValue, "clients of tunnels dial in under it")
    }
    let tls: String
    let http: String
    var addresses: Backend.Tunnels = [:]
    switch service {
    case .address(let secure, let plain): (tls, http) = ("\(secure)", "\(plain)")
    case .tunnel(let secret):
      guard let tunnels else { throw InvalidValue("a clientsecret needs tunnels: --relay-address is not given") }
      tls = "tunnel:\(try await tunnel(secret, tunnels))"
      http = tls
      addresses = tunnels.addresses(of: [tls], for: name.workload.user)
    }
    return try Route(
      workload: name.workload, domain: name.domain, redirecting: name.domain == nil ? store.redirected : [],
      tls: .passthrough, kind: node.domain.flatMap { name.domain?.isInside($0) } == true ? .named : .fqdn,
      backends: [tls], httpBackends: [http],
      under: .requested(
        nodeAddresses: Set(node.addresses), allowLoopback: configuration.allowsLoopbackBackends,
        traefik: configuration.listeners),
      tunnels: addresses)
  }

  /// Whose tunnel the client with this secret dials in to. Services that share a secret share the tunnel: that of the first by name,
  /// for as long as any of them has the secret.
  private func tunnel(_ secret: TCPRouterService.ClientSecret, _ tunnels: Tunnels) async throws -> WorkloadID {
    if let holder = tunnels.holder(of: secret.digest) {
      guard holder.isOfTCPRouter else {
        throw InvalidValue("clientsecret: secret already registered: \(secret.digest), by \(holder)")
      }
      return holder
    }
    let keys = table.withLock { $0.keys(sharing: secret.digest) }
    guard let first = keys.compactMap({ try? TCPRouterName(key: $0).workload }).min() else {
      throw InvalidValue("clientsecret: it has changed meanwhile")
    }
    let last = tunnels.secret(of: first)
    do {
      _ = try await tunnels.setTunnel(workload: first.rawValue, TunnelRequest(secret: secret.text))
    } catch {
      // On disk it will be served, whatever the relay says now.
      guard tunnels.holder(of: secret.digest) == first else { throw error }
    }
    // Whoever shared that with it needs another one.
    if let last, last != secret.digest {
      table.withLock { table in _ = table.look(at: table.keys(sharing: last)) }
      wake.yield()
    }
    return first
  }

  private func withdraw(_ workload: WorkloadID) async throws(Refusal) {
    do { try await store.withdraw(workload, countedBy: meter) } catch { throw .notStored }
  }

  /// Takes the tunnels away for whose secrets no service has a client any more.
  private func removeTunnels() async {
    guard let tunnels, table.withLock({ $0.takeUnused() }) else { return }
    for workload in tunnels.workloads(of: WorkloadID.tcprouterUser) {
      guard let secret = tunnels.secret(of: workload), table.withLock({ !$0.isUsed(secret) }) else { continue }
      try? await tunnels.deleteTunnel(workload: workload.rawValue)
      // What the disk does not take now, it may take later.
      if tunnels.secret(of: workload) == secret { table.withLock { $0.putBackUnused() } }
    }
  }

  /// Says once why a service is not served.
  private func tell(_ key: Key, _ refusal: Refusal) {
    let name = String(decoding: key.prefix(400), as: UTF8.self)
    switch refusal {
    case .fault(let fault):
      guard table.withLock({ $0.isNews("\(fault)", of: key) }) else { return }
      logger.warning("a service of tcprouter is not served", metadata: ["key": "\(name)", "reason": "\(fault)"])
    case .givesWay(let taken):
      guard table.withLock({ $0.isNews("\(taken)", of: key) }) else { return }
      logger.info("a service of tcprouter gives way", metadata: ["key": "\(name)", "reason": "\(taken)"])
    case .notStored: break
    }
  }
}
