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
  private let store: RecordStore<Tunnel>
  private let relay: RelayClient
  private let routes: RouteStore
  private let network: PublicNetworkSource
  private let events: EventBroadcast<TunnelEvent>
  private let logger: Logger
  private let turns = WorkloadTurns()
  private let coming = ComingAddresses()

  /// Takes over what is on disk.
  ///
  /// - Parameters:
  ///   - routes: which go through tunnels.
  ///   - network: the node's public network, where clients dial in.
  /// - Throws: `FileError` when the root cannot be read or written.
  public init(
    _ configuration: Configuration, root: GatewayRoot, routes: RouteStore, network: PublicNetworkSource, logger: Logger
  ) throws {
    let events = EventBroadcast<TunnelEvent>(logger: logger)
    self.configuration = configuration
    self.routes = routes
    self.network = network
    self.events = events
    self.logger = logger
    relay = RelayClient(address: configuration.relay)
    store = try RecordStore<Tunnel>(root, directory: root.tunnels, kind: "tunnel", mode: 0o600, logger: logger) {
      event in
      events.tell(TunnelEvent(event))
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
        let address = try old?.address ?? coming.reserve { try newAddress(for: workload, notIn: $0) }
        defer { if old == nil { coming.release(address) } }
        try await store.set(Tunnel(workload: workload, secret: secret.digest, address: address))
      }
      try await serve(workload)
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
        }, streams: live.streams, received: live.received, sent: live.sent)
    }
  }

  /// What becomes of tunnels from now on.
  func changes() -> AsyncStream<TunnelEvent> { events.listen() }

  /// Has the relay serve what is on disk; where it does not run, it will by itself.
  private func serve(_ workload: WorkloadID) async throws {
    do {
      try await relay.apply(tunnelOf: workload)
    } catch {
      switch error {
      case .notRunning: logger.debug("the relay is not running", metadata: ["workload": "\(workload)"])
      case .refused, .other: throw CallError("the tunnel of \(workload) is stored, and not served yet: \(error)")
      }
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
  private func newAddress(for workload: WorkloadID, notIn coming: Set<IPAddress>) throws -> Endpoint {
    var taken = coming.union(store.records.map(\.address.address))
    for route in routes.routes {
      for (name, endpoint) in route.tunnels {
        if name == workload, !taken.contains(endpoint.address) { return endpoint }
        taken.insert(endpoint.address)
      }
    }
    guard let address = TunnelAddress.free(for: workload, taken: taken.contains) else {
      throw CallError("all addresses of the loopback for tunnels are taken")
    }
    return Endpoint(address: address, port: configuration.port)
  }

  // MARK: In the background

  /// Takes in what others do to the files, until the task is cancelled.
  func followFiles() async { await store.watch() }

  /// Returns once the thread that writes has come to it.
  public func takesTurn() async { await store.takesTurn() }
}

/// The addresses of tunnels that are being written.
private final class ComingAddresses: Sendable {
  private let addresses = Mutex<Set<IPAddress>>([])

  func reserve(_ choose: (Set<IPAddress>) throws -> Endpoint) rethrows -> Endpoint {
    try addresses.withLock { addresses in
      let endpoint = try choose(addresses)
      addresses.insert(endpoint.address)
      return endpoint
    }
  }

  func release(_ endpoint: Endpoint) { addresses.withLock { _ = $0.remove(endpoint.address) } }
}

extension TunnelEvent {
  fileprivate init(_ event: RecordStore<Tunnel>.Event) {
    switch event {
    case .set(let tunnel, let old):
      self.init(workload: tunnel.workload.rawValue, action: old == nil ? .set : .replaced)
    case .deleted(let tunnel): self.init(workload: tunnel.workload.rawValue, action: .deleted)
    case .quarantined(let workload, let reason):
      self.init(workload: workload?.rawValue ?? "", action: .quarantined, reason: reason)
    }
  }
}
