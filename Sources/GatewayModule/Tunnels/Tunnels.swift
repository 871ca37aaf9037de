import GatewayClient
public import Logging
import ProxyConfig
import RPC
public import Records
import Relay
import Synchronization
public import System

/// The rules by which tunnels are set and taken away: what the object `tunnel` on the bus does.
///
/// What is on disk is what the relay serves. A call only has it look at once.
public struct Tunnels: Sendable {
  /// What the operator has said.
  public struct Configuration: Sendable {
    /// Where the relay tells of itself.
    public var relay: Endpoint
    /// The port of the loopback at which tunnels are.
    public var port: UInt16
    /// Where clients dial in, in clear; empty for nowhere.
    public var clients: [ListenAddress]
    /// Where Traefik takes TLS.
    public var https: ListenAddress

    public init(relay: Endpoint, port: UInt16, clients: [ListenAddress], https: ListenAddress) {
      self.relay = relay
      self.port = port
      self.clients = clients
      self.https = https
    }
  }

  private let configuration: Configuration
  private let root: GatewayRoot
  private let store: RecordStore<Tunnel>
  private let relay: RelayClient
  private let routes: RouteStore
  private let network: PublicNetworkSource
  private let events: EventBroadcast<RecordEvent>
  private let logger: Logger
  private let turns = WorkloadTurns()
  private let reserved: ReservedAddresses

  /// Takes over what is on disk.
  ///
  /// - Parameters:
  ///   - routes: which go through tunnels.
  ///   - network: the node's public network, where clients dial in.
  /// - Throws: `FileError` when the root cannot be read or written.
  public init(
    _ configuration: Configuration, root: GatewayRoot, routes: RouteStore, network: PublicNetworkSource, logger: Logger
  ) throws {
    let events = EventBroadcast<RecordEvent>(logger: logger)
    let reserved = ReservedAddresses()
    self.reserved = reserved
    self.configuration = configuration
    self.root = root
    self.routes = routes
    self.network = network
    self.events = events
    self.logger = logger
    relay = RelayClient(address: configuration.relay)
    store = try RecordStore<Tunnel>(root, directory: root.tunnels, kind: "tunnel", mode: 0o600, logger: logger) {
      event in
      if case .deleted(let tunnel) = event { reserved.keep(tunnel.address, for: tunnel.workload) }
      events.tell(RecordEvent(event))
    }
  }

  /// Where the relay takes clients that come by way of Traefik.
  public static func door(at port: UInt16) -> Endpoint { Endpoint(address: TunnelAddress.door, port: port) }

  /// Where a user's tunnels are, of those that are named as backends.
  func addresses(of backends: [String], for user: Substring) -> Backend.Tunnels {
    Dictionary(
      backends.compactMap(Backend.tunnel(namedBy:)).filter { $0.user == user }.compactMap { workload in
        store[workload].map { (workload, $0.address) }
      }, uniquingKeysWith: { first, _ in first })
  }

  /// Whether it is one of a user's.
  func isTunnel(_ workload: WorkloadID, of user: Substring) -> Bool {
    workload.user == user && store[workload] != nil
  }

  /// The ports of the loopback at which they are.
  var ports: Set<UInt16> { Set(store.records.map(\.address.port)) }

  /// The workloads of a user that have a tunnel.
  func workloads(of user: String) -> [WorkloadID] { store.records.map(\.workload).filter { $0.user == user } }

  /// Whose tunnel has a secret.
  func holder(of secret: TunnelSecret.Digest) -> WorkloadID? { store.record(claiming: secret)?.workload }

  /// That of a workload's tunnel.
  func secret(of workload: WorkloadID) -> TunnelSecret.Digest? { store[workload]?.secret }

  // MARK: Calls

  /// Sets a workload's tunnel.
  func setTunnel(workload: String, _ request: TunnelRequest) async throws -> TunnelAccess {
    let workload = try WorkloadID(workload)
    return try await turns.take(for: workload) {
      let old = store[workload]
      let given = try request.secret.flatMap { $0.isEmpty ? nil : $0 }.map { try TunnelSecret($0.utf8) }
      let made = given == nil && old == nil ? TunnelSecret.random() : nil
      await CurrentCall.releaseWorker()
      if let secret = given ?? made?.secret {
        let address = try old?.address ?? reserved.reserve(for: workload) { try newAddress(for: workload, notIn: $0) }
        defer { if old == nil { reserved.release(address) } }
        try await store.set(Tunnel(workload: workload, secret: secret.digest, address: address))
      }
      do {
        try await serve(workload)
      } catch  where made != nil {
        // It is stored and will be served, and the secret is told this once.
        logger.error(
          "tunnel is stored, and not served yet", metadata: ["workload": "\(workload)", "reason": "\(error)"])
      }
      return TunnelAccess(servers: await servers(), secret: made?.text ?? "")
    }
  }

  /// Takes a workload's tunnel away.
  func deleteTunnel(workload: String) async throws {
    let workload = try WorkloadID(workload)
    try await turns.take(for: workload) {
      await CurrentCall.releaseWorker()
      try await store.delete(workload)
      try await serve(workload)
    }
  }

  /// All tunnels, by workload.
  func tunnels() async -> [TunnelInfo] {
    await CurrentCall.releaseWorker()
    let state = try? await relay.state()
    return store.records.sorted { $0.workload < $1.workload }.map { tunnel in
      let live = state?.tunnels[tunnel.workload.rawValue] ?? RelayState.Tunnel()
      return TunnelInfo(
        workload: tunnel.workload.rawValue, connected: state == nil ? nil : !live.sessions.isEmpty,
        sessions: live.sessions.map {
          .init(since: Timestamp(seconds: Int64($0.since), nanoseconds: 0), remote: "\($0.remote)", version: $0.version)
        }, streams: live.traffic.streams, received: live.traffic.received,
        sent: live.traffic.sent)
    }
  }

  /// What is seen of the relay.
  var relayInfo: RelayInfo {
    get async {
      var info = RelayInfo(address: "\(configuration.relay)")
      do throws(RelayClient.Failure) {
        let state = try await relay.state()
        let whole = state.start.rounded(.down)
        info.started = Int64(exactly: whole).map {
          Timestamp(seconds: $0, nanoseconds: UInt32((state.start - whole) * 1e9))
        }
        info.tunnels = state.tunnels.count
        info.connected = state.tunnels.values.count { !$0.sessions.isEmpty }
        info.pipes = state.pipes.count
        info.listening = state.pipes.values.count { $0.isListening }
        if state.root != root.path { info.fault = "it serves another root: \(state.root)" }
      } catch {
        info.fault = "\(error)"
      }
      return info
    }
  }

  /// What becomes of tunnels from now on.
  func changes() -> AsyncStream<RecordEvent> { events.listen() }

  /// Has the relay serve what is on disk.
  private func serve(_ workload: WorkloadID) async throws {
    try await relay.order(else: "the tunnel of \(workload) is stored, and not served yet", logger) {
      () throws(RelayClient.Failure) in try await relay.apply(tunnelOf: workload)
    }
  }

  /// Where clients may dial in, as far as is known.
  private func servers() async -> [String] {
    guard let network = try? await network.last() else { return [] }
    let tls = network.domain.map { ["tls://\(TunnelEntry.label).\($0):\(configuration.https.port)"] } ?? []
    let clear = configuration.clients.flatMap { listener in
      (listener.address.flatMap { $0.isUnspecified ? nil : [$0] } ?? network.addresses).map {
        "tcp://\(Endpoint(address: $0, port: listener.port))"
      }
    }
    return tls + clear
  }

  /// Where Traefik is to find a new tunnel: at an address that no route has for another one, since a route stays when the
  /// tunnel goes that it leads to.
  private func newAddress(for workload: WorkloadID, notIn reserved: Set<IPAddress>) throws -> Endpoint {
    let used = reserved.union(store.records.map(\.address.address))
    var own: [Endpoint] = []
    var others: Set<IPAddress> = []
    for (name, endpoint) in routes.routes.flatMap(\.tunnels) {
      if name == workload { own.append(endpoint) } else { others.insert(endpoint.address) }
    }
    let taken = used.union(others)
    if let known = own.first(where: { !taken.contains($0.address) }) { return known }
    guard let address = TunnelAddress.free(for: workload, taken: taken.contains) else {
      throw CallError("all addresses of the loopback for tunnels are taken")
    }
    return Endpoint(address: address, port: configuration.port)
  }

  // MARK: In the background

  /// Takes in what others do to the files, until the task is cancelled.
  public func followFiles() async { await store.watch() }

  /// Returns once the thread that writes has come to it.
  public func takesTurn() async { await store.takesTurn() }
}

/// The addresses that no tunnel has, and none may be given but that of the same workload: of those that are being written, and for
/// some time of those that are gone, since a route to one may still be on its way to the disk.
private final class ReservedAddresses: Sendable {
  private struct Reservation {
    let workload: WorkloadID
    /// nil while a tunnel is written that has it.
    var end: ContinuousClock.Instant?
  }

  /// How long an address is kept after its tunnel: longer than any call takes.
  private static let duration = Duration.seconds(600)

  private let reservations = Mutex<[IPAddress: Reservation]>([:])

  func reserve(for workload: WorkloadID, _ choose: (Set<IPAddress>) throws -> Endpoint) rethrows -> Endpoint {
    try reservations.withLock { reservations in
      let now = ContinuousClock.now
      reservations = reservations.filter { $0.value.end.map { $0 > now } ?? true }
      let endpoint = try choose(Set(reservations.filter { $0.value.workload != workload }.keys))
      reservations[endpoint.address] = Reservation(workload: workload)
      return endpoint
    }
  }

  func release(_ endpoint: Endpoint) { reservations.withLock { _ = $0.removeValue(forKey: endpoint.address) } }

  func keep(_ endpoint: Endpoint, for workload: WorkloadID) {
    reservations.withLock {
      $0[endpoint.address] = Reservation(workload: workload, end: .now + Self.duration)
    }
  }
}
