import GatewayClient
import ProxyConfig
import RPC

/// The rules by which routes are set and withdrawn: what the object on the bus does.
///
/// Calls for one workload take effect in the order in which they begin.
public struct Gateway: Sendable {
  private let store: RouteStore
  private let events: RouteEvents
  private let network: PublicNetworkSource
  private let domainCheck: DomainCheck?
  private let meter: TrafficMeter
  private let description: NodeDescription
  private let dns: DNS?
  private let tunnels: Tunnels?
  private let tcprouter: TCPRouter?
  private let allowsLoopbackBackends: Bool
  private let turns = WorkloadTurns()

  /// - Parameters:
  ///   - store: the routes.
  ///   - events: what becomes of them, as the store says.
  ///   - network: the node's public network.
  ///   - domainCheck: looks up where an FQDN points; nil lets every FQDN pass.
  ///   - meter: what went through Traefik.
  ///   - description: what it was started with.
  ///   - dns: in which others may hold a name; nil where the node serves no names.
  ///   - tunnels: through which routes may lead; nil where there are none.
  ///   - tcprouter: whose routes give way; nil where there are none.
  ///   - allowsLoopbackBackends: for trials on one machine.
  public init(
    store: RouteStore, events: RouteEvents, network: PublicNetworkSource, domainCheck: DomainCheck?,
    meter: TrafficMeter,
    description: NodeDescription, dns: DNS? = nil, tunnels: Tunnels? = nil, tcprouter: TCPRouter? = nil,
    allowsLoopbackBackends: Bool = false
  ) {
    self.store = store
    self.events = events
    self.network = network
    self.domainCheck = domainCheck
    self.meter = meter
    self.description = description
    self.dns = dns
    self.tunnels = tunnels
    self.tcprouter = tcprouter
    self.allowsLoopbackBackends = allowsLoopbackBackends
  }

  /// Publishes a name inside the node's domain and returns the whole name.
  func setNamedProxy(workload: String, _ request: RouteRequest) async throws -> String {
    let workload = try WorkloadID(setByCall: workload)
    return try await turns.take(for: workload) {
      try refusePrivateNetwork(request.network)
      let name = try Label(request.name.label)
      let node = try await publicNetwork()
      guard let zone = node.domain else {
        throw CallError("this node has no domain: a named proxy needs one, use SetFQDNProxy")
      }
      guard tunnels == nil || name.rawValue != TunnelEntry.label else {
        throw InvalidValue("name", name.rawValue, "clients of tunnels dial in under it")
      }
      let domain = try Domain(name, in: zone)
      let route = try Route(
        workload: workload, domain: domain,
        tls: request.passesTLSThrough ? .passthrough : .terminated(.wildcard(of: zone)), kind: .named,
        backends: request.backends,
        httpBackends: request.httpBackends ?? [], under: policy(node), tunnels: tunnels(in: request, for: workload))
      try dns?.checkIsFree(domain, for: workload)
      try await publish(route)
      return domain.rawValue
    }
  }

  /// Publishes a domain of somebody else's, which must point to this node.
  func setFQDNProxy(workload: String, _ request: RouteRequest) async throws {
    let workload = try WorkloadID(setByCall: workload)
    try await turns.take(for: workload) {
      try refusePrivateNetwork(request.network)
      let domain = try Domain(request.name.fqdn)
      let node = try await publicNetwork()
      guard !node.addresses.isEmpty else {
        throw CallError("this node has no public address: an FQDN proxy needs one")
      }
      if let zone = node.domain, domain.isInside(zone) {
        throw CallError("domain \(domain) is inside this node's domain \(zone): use SetNamedProxy")
      }
      let route = try Route(
        workload: workload, domain: domain, tls: request.passesTLSThrough ? .passthrough : .terminated(.own),
        kind: .fqdn,
        backends: request.backends, httpBackends: request.httpBackends ?? [], under: policy(node),
        tunnels: tunnels(in: request, for: workload))
      if store.contains(route) { return store.want(route) }
      try checkOwner(of: route)
      if let domainCheck {
        await CurrentCall.releaseWorker()
        try await domainCheck.verify(domain, pointsTo: node.addresses)
      }
      try await publish(route)
    }
  }

  /// Withdraws whatever the workload published.
  func deleteNamedProxy(workload: String) async throws {
    let workload = try WorkloadID(workload)
    try await turns.take(for: workload) {
      _ = try await store.withdraw(workload, countedBy: meter, beforeWaiting: CurrentCall.releaseWorker)
    }
  }

  /// The bytes that went through Traefik for each workload; those counted so far when Traefik is not running.
  func metrics() async throws -> TrafficTotals {
    await CurrentCall.releaseWorker()
    do {
      return TrafficTotals(try await meter.read())
    } catch {
      throw CallError("failed to get metrics: \(error)")
    }
  }

  /// All routes, by workload.
  func routes() async -> [RouteInfo] {
    let routes = store.routes
    // What earlier versions wrote does not say which of the routes with TLS passed through are named ones.
    let needsZone = routes.contains { $0.kind == nil }
    let zone = needsZone ? try? await publicNetwork().domain : nil
    return routes.map { RouteInfo($0, zone: zone) }
  }

  /// The route of one workload, if it has one.
  func routes(of workload: String) async throws -> [RouteInfo] {
    guard let route = store.route(of: try WorkloadID(workload)) else { return [] }
    let zone = route.kind == nil ? try? await publicNetwork().domain : nil
    return [RouteInfo(route, zone: zone)]
  }

  /// What is known of this gateway, its node and Traefik.
  func node() async -> NodeInfo {
    await CurrentCall.releaseWorker()
    let network: Result<PublicNetwork, PublicNetworkUnknown>
    do throws(PublicNetworkUnknown) {
      network = .success(try await self.network.last())
    } catch {
      network = .failure(error)
    }
    async let relay = tunnels?.relayInfo
    var info = await description.info(network, store)
    info.dns = dns?.info
    info.relay = await relay
    return info
  }

  /// What becomes of routes from now on.
  func changes() -> AsyncStream<RouteEvent> { events.listen() }

  /// Throws when another workload has the route's domain that would not give way.
  private func checkOwner(of route: Route) throws(DomainTaken) {
    if let tcprouter { return try tcprouter.checkOwner(of: route) }
    try store.checkOwner(of: route)
  }

  private func publish(_ route: Route) async throws {
    guard let tcprouter, !store.contains(route) else { return try await set(route) }
    try await tcprouter.giveWay(at: route.domain) { try await set(route) }
  }

  private func set(_ route: Route) async throws {
    // As many calls as there are share the sync that is to come, not only as many as there are workers.
    try await store.publish(route, countedBy: meter, beforeWaiting: CurrentCall.releaseWorker)
  }

  private func publicNetwork() async throws(PublicNetworkUnknown) -> PublicNetwork {
    if case .bus = network { await CurrentCall.releaseWorker() }
    return try await network.current()
  }

  private func policy(_ node: PublicNetwork) -> AddressPolicy {
    .requested(
      nodeAddresses: Set(node.addresses), allowLoopback: allowsLoopbackBackends, traefik: description.listeners)
  }

  private func tunnels(in request: RouteRequest, for workload: WorkloadID) -> Backend.Tunnels {
    tunnels?.addresses(of: request.backends + (request.httpBackends ?? []), for: workload.user) ?? [:]
  }

  private func refusePrivateNetwork(_ network: String?) throws {
    guard let network, !network.isEmpty else { return }
    throw CallError("private network \(String(reflecting: network)): backends in private networks are not supported")
  }
}

/// The name that a method takes. One that a caller gave to the other method in its place is not there, and so empty.
extension RouteRequest.Name {
  fileprivate var label: String { if case .label(let text) = self { text } else { "" } }
  fileprivate var fqdn: String { if case .fqdn(let text) = self { text } else { "" } }
}
