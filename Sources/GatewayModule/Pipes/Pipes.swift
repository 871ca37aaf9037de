import GatewayClient
public import Logging
import ProxyConfig
import RPC
public import Records
import Relay
public import System

/// The rules by which pipes are set and taken away: what the object `pipe` on the bus does.
///
/// What is on disk is what the relay serves. A call only has it look at once.
public struct Pipes: Sendable {
  /// What the operator has said.
  public struct Configuration: Sendable {
    /// Where the relay tells of itself.
    public var relay: Endpoint
    /// The ports of the node itself at which workloads may listen.
    public var ports: ClosedRange<UInt16>
    /// Whether pipes may be at addresses of the loopback, for trials on one machine.
    public var allowsLoopback: Bool
    /// Where Traefik listens.
    public var traefik: [ListenAddress]
    /// The relay's own ports.
    public var reserved: Set<UInt16>

    public init(
      relay: Endpoint, ports: ClosedRange<UInt16>, reserved: Set<UInt16>, allowsLoopback: Bool,
      traefik: [ListenAddress]
    ) {
      self.relay = relay
      self.ports = ports
      self.reserved = reserved
      self.allowsLoopback = allowsLoopback
      self.traefik = traefik
    }
  }

  private let configuration: Configuration
  private let store: RecordStore<Pipe>
  private let relay: RelayClient
  private let tunnels: Tunnels
  private let network: PublicNetworkSource
  private let privateNetworks: PrivateNetworks
  private let events: EventBroadcast<RecordEvent>
  private let logger: Logger
  private let turns = WorkloadTurns()

  /// Takes over what is on disk.
  ///
  /// - Parameters:
  ///   - tunnels: to which pipes may lead.
  ///   - network: the node's public network.
  ///   - privateNetworks: in which pipes may listen, and to which they may lead.
  /// - Throws: `FileError` when the root cannot be read or written.
  public init(
    _ configuration: Configuration, root: GatewayRoot, tunnels: Tunnels, network: PublicNetworkSource,
    privateNetworks: PrivateNetworks, logger: Logger
  ) throws {
    let events = EventBroadcast<RecordEvent>(logger: logger)
    self.configuration = configuration
    self.tunnels = tunnels
    self.network = network
    self.privateNetworks = privateNetworks
    self.events = events
    self.logger = logger
    relay = RelayClient(address: configuration.relay)
    store = try RecordStore<Pipe>(root, directory: root.pipes, kind: "pipe", logger: logger) {
      events.tell(RecordEvent($0))
    }
  }

  // MARK: Calls

  /// Sets a workload's pipe.
  func setPipe(workload: String, _ request: PipeRequest) async throws {
    let workload = try WorkloadID(workload)
    try await turns.take(for: workload) {
      await CurrentCall.releaseWorker()
      let pipe = try await pipe(request, for: workload)
      if !store.contains(pipe) {
        try checkOwner(of: pipe)
        // Before anything is written, so that what is refused changes nothing.
        try await relay.order(else: "the pipe of \(workload) is not set", logger) { () throws(RelayClient.Failure) in
          try await relay.probe(pipe)
        }
      }
      try await store.set(pipe)
      try await relay.order(else: "the pipe of \(workload) is stored, and not served yet", logger) {
        () throws(RelayClient.Failure) in
        try await relay.apply(pipeOf: workload)
      }
    }
  }

  /// Throws when another pipe listens there, or would be in the way: which of them would be served after the relay's next start would
  /// be chance.
  private func checkOwner(of pipe: Pipe) throws(ClaimTaken) {
    for other in store.records where other.workload != pipe.workload && other.listener.overlaps(pipe.listener) {
      throw ClaimTaken(description: "\(Pipe.claimKind) already registered: \(other.listener)")
    }
  }

  /// Takes a workload's pipe away.
  func deletePipe(workload: String) async throws {
    let workload = try WorkloadID(workload)
    try await turns.take(for: workload) {
      await CurrentCall.releaseWorker()
      try await store.delete(workload)
      try await relay.order(else: "the pipe of \(workload) is deleted, and still served", logger) {
        () throws(RelayClient.Failure) in try await relay.apply(pipeOf: workload)
      }
    }
  }

  /// All pipes, by workload.
  func pipes() async -> [PipeInfo] {
    await CurrentCall.releaseWorker()
    let state = try? await relay.state()
    return store.records.map { pipe in
      let live = state?.pipes[pipe.workload.rawValue] ?? RelayState.Pipe()
      return PipeInfo(
        workload: pipe.workload.rawValue, listen: "\(pipe.listener.endpoint)",
        network: pipe.listener.network?.name ?? "", remote: "\(pipe.target)",
        remoteNetwork: pipe.targetNetwork?.name ?? "", listening: state.map { _ in live.isListening },
        streams: live.traffic.streams, received: live.traffic.received, sent: live.traffic.sent,
        error: live.fault ?? live.problem?.reason ?? "",
        errorTime: live.fault == nil
          ? live.problem.map { Timestamp(seconds: Int64($0.time), nanoseconds: 0) } : nil)
    }
  }

  /// What becomes of pipes from now on.
  func changes() -> AsyncStream<RecordEvent> { events.listen() }

  // MARK: What may be asked for

  private func pipe(_ request: PipeRequest, for workload: WorkloadID) async throws -> Pipe {
    let network = try await network(request.network, of: workload)
    let targetNetwork = try await self.network(request.remoteNetwork, of: workload)
    let listener = Pipe.Listener(endpoint: try Endpoint(request.listen), network: network)
    if let reason = fault(listener) { throw InvalidValue("listening address", request.listen, reason) }
    let target = try Pipe.Target(request.remote)
    switch target {
    case .address(let endpoint):
      // In a network of its own a workload may go where it likes, but to the node's loopback, which is not there.
      let own = targetNetwork == nil ? Set((try? await self.network.last().addresses) ?? []) : []
      let policy = AddressPolicy.requested(
        nodeAddresses: own, allowLoopback: configuration.allowsLoopback, traefik: configuration.traefik)
      if let reason = policy.fault(endpoint) { throw InvalidValue("remote", request.remote, reason) }
    case .host: break
    case .tunnel(let tunnel):
      guard tunnels.isTunnel(tunnel, of: workload.user) else {
        throw InvalidValue("remote", request.remote, "this user has no such tunnel")
      }
    }
    return try Pipe(workload: workload, listener: listener, target: target, targetNetwork: targetNetwork)
  }

  private func network(_ name: String?, of workload: WorkloadID) async throws -> Pipe.Network? {
    guard let name, !name.isEmpty else { return nil }
    return Pipe.Network(name: name, namespace: try await privateNetworks.namespace(of: name, user: workload.user))
  }

  /// Why no pipe may listen there; nil when one may.
  private func fault(_ listener: Pipe.Listener) -> String? {
    let address = listener.endpoint.address
    if address.isMulticast || address.isBroadcast { return "nobody can listen at it" }
    guard listener.network == nil else { return nil }
    if address.isLoopback, !configuration.allowsLoopback { return "the address is loopback" }
    if address.isLinkLocal { return "the address is link-local" }
    guard configuration.ports.contains(listener.endpoint.port) else {
      return "the port must be from \(configuration.ports.lowerBound) to \(configuration.ports.upperBound)"
    }
    if configuration.reserved.contains(listener.endpoint.port) || tunnels.ports.contains(listener.endpoint.port) {
      return "the port is the relay's own, for tunnels"
    }
    return nil
  }

  // MARK: In the background

  /// Takes in what others do to the files, until the task is cancelled.
  public func followFiles() async { await store.watch() }

  /// Returns once the thread that writes has come to it.
  public func takesTurn() async { await store.takesTurn() }
}
