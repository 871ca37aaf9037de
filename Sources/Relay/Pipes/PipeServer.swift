import Logging
import NIOCore
import Records
import Synchronization
import System

/// Listens where pipes do, and carries what comes there to where they lead.
final class PipeServer: Sendable {
  /// Why the last connection was not carried.
  struct Problem: Sendable {
    let reason: String
    let time: UTCTime
  }

  /// A pipe that is served.
  private struct Entry {
    var pipe: Pipe
    /// nil while it cannot listen.
    var listener: Listeners.Listener?
    /// Of the namespace in which that is; nil for the process's own.
    var inode: UInt64?
    let traffic: Traffic
    var problem: Problem?
  }

  /// What goes through a pipe.
  private final class Traffic: Sendable {
    let counters = StreamCounters()
    /// With those that are being connected.
    let places: Places
    /// Of host names, that are going on.
    let lookups = Places(limit: 32)
    /// What ends each connection; nil once the pipe is gone.
    private let ends = Mutex<[ObjectIdentifier: @Sendable () -> Void]?>([:])

    init(limit: Int) { places = Places(limit: limit) }

    /// - Throws: ``RelayFault`` when the pipe is gone.
    func add(_ channel: any Channel) throws(RelayFault) {
      guard add(ObjectIdentifier(channel), { channel.close(promise: nil) }) else {
        throw RelayFault(description: "the pipe is gone")
      }
      channel.closeFuture.whenComplete { [self] _ in remove(ObjectIdentifier(channel)) }
    }

    func add(_ connection: Carrier.Connection, of carrier: Carrier) {
      let isThere = add(ObjectIdentifier(connection)) { carrier.cut(connection) }
      connection.whenOver { [self, id = ObjectIdentifier(connection)] in remove(id) }
      carrier.carry(connection)
      if !isThere { carrier.cut(connection) }
    }

    /// Whether the pipe is there.
    private func add(_ id: ObjectIdentifier, _ end: @escaping @Sendable () -> Void) -> Bool {
      ends.withLock { ends in
        ends?[id] = end
        return ends != nil
      }
    }

    private func remove(_ id: ObjectIdentifier) { ends.withLock { _ = $0?.removeValue(forKey: id) } }

    func close() {
      let open = ends.withLock { ends in
        defer { ends = nil }
        return ends.map { Array($0.values) } ?? []
      }
      for end in open { end() }
    }
  }

  private let entries = Mutex<[WorkloadID: Entry]>([:])
  private let listeners: Listeners
  private let connector: Connector
  private let carriers: Carriers
  private let lookup: NameLookup
  private let connections: Connections
  private let tunnels: TunnelTable
  private let tunnelServer: TunnelServer
  private let group: any EventLoopGroup
  private let limits: RelayLimits
  /// Where pipes are that are in no private network; nil for the process's own.
  private let namespace: NetworkNamespace?
  private let allowsLoopback: Bool
  private let logger: Logger

  /// - Parameters:
  ///   - namespace: where pipes are that are in no private network, which is where Traefik is; nil for the process's own.
  ///   - allowsLoopback: whether pipes may lead to this machine itself, for trials on one machine.
  init(
    _ listeners: Listeners, _ connector: Connector, _ carriers: Carriers, connections: Connections,
    tunnels: TunnelTable, _ tunnelServer: TunnelServer, group: any EventLoopGroup, limits: RelayLimits,
    namespace: NetworkNamespace?, allowsLoopback: Bool, logger: Logger
  ) {
    lookup = NameLookup(group)
    self.namespace = namespace
    self.listeners = listeners
    self.connector = connector
    self.carriers = carriers
    self.connections = connections
    self.tunnels = tunnels
    self.tunnelServer = tunnelServer
    self.group = group
    self.limits = limits
    self.allowsLoopback = allowsLoopback
    self.logger = logger
  }

  // MARK: What is to be

  /// A pipe's file says this now; nil for nothing. What is open through a pipe goes on when it is changed, and ends when it is
  /// taken away.
  ///
  /// - Throws: ``RelayFault`` when it cannot listen there; then it stays as it was.
  func set(_ pipe: Pipe?, of workload: WorkloadID) throws(RelayFault) {
    let ended = try entries.withLock { entries throws(RelayFault) -> Traffic? in
      guard let pipe else {
        guard let old = entries.removeValue(forKey: workload) else { return nil }
        if let listener = old.listener { listeners.close(listener) }
        return old.traffic
      }
      guard var entry = entries[workload] else {
        let inode = namespace(of: pipe.listener.network)?.inode
        entries[workload] = Entry(
          pipe: pipe, listener: try listen(pipe), inode: inode, traffic: Traffic(limit: limits.connectionsOfPipe))
        return nil
      }
      defer { entries[workload] = entry }
      if entry.listener == nil || entry.pipe.listener != pipe.listener { try move(&entry, to: pipe) }
      entry.pipe = pipe
      return nil
    }
    ended?.close()
  }

  /// Looks whether a pipe can listen where it is to, as far as that can be told now.
  ///
  /// - Throws: ``RelayFault`` when it cannot.
  func probe(_ pipe: Pipe) throws(RelayFault) {
    try entries.withLock { entries throws(RelayFault) in
      if let entry = entries[pipe.workload], entry.listener != nil, entry.pipe.listener.overlaps(pipe.listener) {
        return
      }
      listeners.close(try listen(pipe))
    }
  }

  /// Leaves networks that are gone, and listens again in those that have been made anew.
  func followNetworks() {
    let pipes = entries.withLock { entries in
      for (workload, entry) in entries {
        guard let namespace = namespace(of: entry.pipe.listener.network), let listener = entry.listener,
          namespace.inode != entry.inode
        else { continue }
        // Which also lets the old one go.
        listeners.close(listener)
        entries[workload]?.listener = nil
      }
      return entries.values.filter { $0.listener == nil }.map(\.pipe)
    }
    for pipe in pipes {
      if let namespace = namespace(of: pipe.listener.network), namespace.inode == nil {
        note("cannot listen at \(pipe.listener): there is no network namespace \(namespace)", at: pipe.workload)
        continue
      }
      do throws(RelayFault) {
        try set(pipe, of: pipe.workload)
        logger.notice("pipe listens again", metadata: ["workload": "\(pipe.workload)", "at": "\(pipe.listener)"])
      } catch {
        note("\(error)", at: pipe.workload)
      }
    }
  }

  private func namespace(of network: Pipe.Network?) -> NetworkNamespace? { network?.namespace ?? namespace }

  private func listen(_ pipe: Pipe) throws(RelayFault) -> Listeners.Listener {
    let workload = pipe.workload
    do {
      let address = try ListenAddress("\(pipe.listener.endpoint)")
      return try listeners.listen(on: address, in: namespace(of: pipe.listener.network)) { [weak self] in
        guard let self else { return Connections.refuse($0.socket) }
        take($0, for: workload)
      }
    } catch {
      throw RelayFault(description: "cannot listen at \(pipe.listener): \(error)")
    }
  }

  /// Moves a pipe's listener; what is there stays when that fails.
  private func move(_ entry: inout Entry, to pipe: Pipe) throws(RelayFault) {
    let old = entry.listener
    do throws(RelayFault) {
      entry.listener = try listen(pipe)
      if let old { listeners.close(old) }
    } catch {
      guard let old, entry.pipe.listener.overlaps(pipe.listener) else { throw error }
      // Its own is in the way.
      listeners.close(old)
      do throws(RelayFault) {
        entry.listener = try listen(pipe)
      } catch {
        entry.listener = try? listen(entry.pipe)
        throw error
      }
    }
    entry.inode = namespace(of: pipe.listener.network)?.inode
  }

  // MARK: Connections

  private func take(_ accepted: Listeners.Accepted, for workload: WorkloadID) {
    guard let (pipe, traffic) = entries.withLock({ $0[workload].map { ($0.pipe, $0.traffic) } }) else {
      return Connections.refuse(accepted.socket)
    }
    func refuse(_ reason: String) {
      note(reason, at: workload)
      Connections.refuse(accepted.socket)
    }
    guard let place = connections.places.take() else { return refuse("the relay has as many connections as it may") }
    guard let own = traffic.places.take() else {
      return refuse("it has \(limits.connectionsOfPipe) connections, as many as it may")
    }
    let user = User(socket: accepted.socket, traffic: traffic, held: [place, own])
    switch pipe.target {
    case .tunnel(let tunnel):
      guard let session = tunnels.session(of: tunnel) else {
        return refuse("no client of the tunnel \(tunnel) is connected")
      }
      tunnelServer.carry(
        user.socket, to: session, counting: [traffic.counters], holding: user.held, onChannel: traffic.add)
    case .address(let endpoint): connect(user, to: [endpoint], of: pipe)
    case .host(let host, let port):
      guard let lookupPlace = traffic.lookups.take() else { return refuse("\(host): too many lookups") }
      lookup.addresses(of: host.rawValue, port: port, in: namespace(of: pipe.targetNetwork)) { [self] result in
        defer { withExtendedLifetime(lookupPlace) {} }
        do {
          connect(user, to: try allowed(result.get(), of: host), of: pipe)
        } catch {
          note("\(error)", at: workload)
          Connections.refuse(user.socket)
        }
      }
    }
  }

  /// Somebody who has come to a pipe, and is not carried yet.
  private struct User: Sendable {
    let socket: CInt
    let traffic: Traffic
    let held: [Places.Place]
  }

  /// Those of a name's addresses to which a pipe may lead, as for an address that is asked for.
  private func allowed(_ endpoints: [Endpoint], of host: Domain) throws(RelayFault) -> [Endpoint] {
    let allowed = endpoints.filter { $0.address.faultAsTarget(allowsLoopback: allowsLoopback) == nil }
    guard !allowed.isEmpty else {
      let list = endpoints.map { "\($0.address)" }.joined(separator: ", ")
      throw RelayFault(description: "\(host): no pipe may lead to \(list)")
    }
    return allowed
  }

  private func connect(_ user: User, to endpoints: [Endpoint], of pipe: Pipe) {
    connector.connect(to: endpoints, in: namespace(of: pipe.targetNetwork)) { [self] result in
      do {
        let target = try result.get()
        guard allowsLoopback || pipe.targetNetwork != nil || !Self.isOwn(target) else {
          Connections.refuse(target)
          throw RelayFault(description: "\(pipe.target): the address is one of this node's own")
        }
        join(user, target)
      } catch {
        note("\(error)", at: pipe.workload)
        Connections.refuse(user.socket)
      }
    }
  }

  /// Whether a connection leads to the machine on which it begins: a pipe that leads to itself would fill all there is.
  private static func isOwn(_ socket: CInt) -> Bool {
    guard let near = Endpoint(near: socket), let far = Endpoint(far: socket) else { return false }
    return near.address == far.address
  }

  /// Carries between two connected sockets from now on.
  private func join(_ user: User, _ target: CInt) {
    let connection = Carrier.Connection(
      user: user.socket, target: target, counting: user.traffic.counters, idle: limits.idle, holding: user.held)
    user.traffic.add(connection, of: carriers.next())
  }

  // MARK: What is told

  /// Why a connection was not carried.
  private func note(_ reason: String, at workload: WorkloadID) {
    let isNew = entries.withLock { entries in
      let old = entries[workload]?.problem
      entries[workload]?.problem = Problem(reason: reason, time: .now)
      return old?.reason != reason
    }
    let message: Logger.Message = "pipe leads nowhere"
    let metadata: Logger.Metadata = ["workload": "\(workload)", "reason": "\(reason)"]
    if isNew { logger.warning(message, metadata: metadata) } else { logger.debug(message, metadata: metadata) }
  }

  /// What there is of a pipe.
  struct State: Sendable {
    let pipe: Pipe
    let isListening: Bool
    let counters: StreamCounters
    let problem: Problem?
  }

  /// All that are served, by workload.
  var overview: [State] {
    entries.withLock { entries in
      entries.values.map {
        State(pipe: $0.pipe, isListening: $0.listener != nil, counters: $0.traffic.counters, problem: $0.problem)
      }
    }
    .sorted { $0.pipe.workload < $1.pipe.workload }
  }
}
