import Glibc
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
    var listener: Listeners.Listener
    /// Of the namespace in which that is.
    var inode: UInt64?
    let traffic: Traffic
    var problem: Problem?
  }

  /// What goes through a pipe.
  private final class Traffic: Sendable {
    let counters = StreamCounters()
    /// With those that are being connected.
    let places: Places
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    init(limit: Int) { places = Places(limit: limit) }

    func add(_ channel: any Channel) {
      channels.withLock { $0[ObjectIdentifier(channel)] = channel }
      channel.closeFuture.whenComplete { [self] _ in
        channels.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(channel)) }
      }
    }

    func close() { for channel in channels.withLock({ Array($0.values) }) { channel.close(promise: nil) } }
  }

  private let entries = Mutex<[WorkloadID: Entry]>([:])
  private let listeners: Listeners
  private let connector: Connector
  private let lookup = NameLookup()
  private let connections: Connections
  private let tunnels: TunnelTable
  private let tunnelServer: TunnelServer
  private let group: any EventLoopGroup
  private let limits: RelayLimits
  private let allowsLoopback: Bool
  private let logger: Logger

  /// - Parameter allowsLoopback: whether host names may have addresses of the loopback, for trials on one machine.
  init(
    _ listeners: Listeners, _ connector: Connector, connections: Connections, tunnels: TunnelTable,
    _ tunnelServer: TunnelServer, group: any EventLoopGroup, limits: RelayLimits, allowsLoopback: Bool, logger: Logger
  ) {
    self.listeners = listeners
    self.connector = connector
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
        listeners.close(old.listener)
        return old.traffic
      }
      let inode = pipe.listener.network?.namespace.inode
      guard var entry = entries[workload] else {
        entries[workload] = Entry(
          pipe: pipe, listener: try listen(pipe), inode: inode, traffic: Traffic(limit: limits.connectionsOfPipe))
        return nil
      }
      defer { entries[workload] = entry }
      if entry.pipe.listener != pipe.listener || entry.inode != inode {
        try move(&entry, to: pipe)
        entry.inode = inode
      }
      entry.pipe = pipe
      return nil
    }
    ended?.close()
  }

  /// Listens again in networks that were made anew.
  func followNetworks() {
    let pipes = entries.withLock { entries in
      entries.values.filter { $0.pipe.listener.network?.namespace.inode != $0.inode }.map(\.pipe)
    }
    for pipe in pipes {
      do throws(RelayFault) {
        try set(pipe, of: pipe.workload)
        logger.notice("pipe listens again", metadata: ["workload": "\(pipe.workload)", "at": "\(pipe.listener)"])
      } catch {
        note("\(error)", at: pipe.workload)
      }
    }
  }

  private func listen(_ pipe: Pipe) throws(RelayFault) -> Listeners.Listener {
    let workload = pipe.workload
    let endpoint = pipe.listener.endpoint
    do {
      return try listeners.listen(on: ListenAddress("\(endpoint)"), in: pipe.listener.network?.namespace) {
        [weak self] in
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
      listeners.close(old)
    } catch {
      guard entry.pipe.listener.endpoint.port == pipe.listener.endpoint.port else { throw error }
      // Its own listener may be in the way: all addresses at a port are also each of them.
      listeners.close(old)
      do throws(RelayFault) {
        entry.listener = try listen(pipe)
      } catch {
        if let back = try? listen(entry.pipe) { entry.listener = back }
        throw error
      }
    }
  }

  // MARK: Connections

  private func take(_ accepted: Listeners.Accepted, for workload: WorkloadID) {
    guard let (pipe, traffic) = entries.withLock({ $0[workload].map { ($0.pipe, $0.traffic) } }),
      let place = connections.places.take()
    else { return Connections.refuse(accepted.socket) }
    guard let own = traffic.places.take() else {
      note("it has \(limits.connectionsOfPipe) connections, as many as it may", at: workload)
      return Connections.refuse(accepted.socket)
    }
    let held = [place, own]
    switch pipe.target {
    case .tunnel(let tunnel):
      guard let session = tunnels.session(of: tunnel) else {
        note("no client of the tunnel \(tunnel) is connected", at: workload)
        return Connections.refuse(accepted.socket)
      }
      tunnelServer.carry(
        accepted.socket, to: session, counting: [traffic.counters], holding: held, onChannel: traffic.add)
    case .address(let endpoint): connect([endpoint], pipe, accepted.socket, traffic, held)
    case .host(let host, let port):
      lookup.addresses(of: host.rawValue, port: port, in: pipe.targetNetwork?.namespace) { [self] result in
        do {
          connect(try allowed(result.get(), of: host), pipe, accepted.socket, traffic, held)
        } catch {
          note("\(error)", at: workload)
          Connections.refuse(accepted.socket)
        }
      }
    }
  }

  /// Those of a name's addresses to which a pipe may lead, as for an address that is asked for.
  private func allowed(_ endpoints: [Endpoint], of host: Domain) throws(RelayFault) -> [Endpoint] {
    let allowed = endpoints.filter { endpoint in
      let address = endpoint.address
      if address.isLoopback { return allowsLoopback }
      return !(address.isUnspecified || address.isLinkLocal || address.isMulticast || address.isBroadcast)
    }
    guard !allowed.isEmpty else {
      let list = endpoints.map { "\($0.address)" }.joined(separator: ", ")
      throw RelayFault(description: "\(host): no pipe may lead to \(list)")
    }
    return allowed
  }

  private func connect(
    _ endpoints: [Endpoint], _ pipe: Pipe, _ user: CInt, _ traffic: Traffic, _ held: [Places.Place]
  ) {
    connector.connect(to: endpoints, in: pipe.targetNetwork?.namespace) { [self] result in
      do throws(Connector.Fault) {
        join(user, try result.get(), traffic, held)
      } catch {
        note("\(error)", at: pipe.workload)
        Connections.refuse(user)
      }
    }
  }

  /// Carries between two connected sockets from now on.
  private func join(_ user: CInt, _ target: CInt, _ traffic: Traffic, _ held: [Places.Place]) {
    let eventLoop = group.next()
    eventLoop.execute { [connections, limits] in
      let near = SocketEnd(counters: [traffic.counters], idle: limits.idle)
      let far = SocketEnd(counters: [])
      let ends = NIOLoopBound((near, far), eventLoop: eventLoop)
      connections.adopt(user, as: .stream, on: eventLoop, holding: held) { channel in
        try channel.pipeline.syncOperations.addHandler(ends.value.0)
        traffic.add(channel)
      }
      connections.adopt(target, as: .stream, on: eventLoop, holding: []) { channel in
        try channel.pipeline.syncOperations.addHandler(ends.value.1)
      }
      .whenFailure { _ in ends.value.0.reset() }
      near.join(far)
      far.join(near)
    }
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

  /// What there is, by workload.
  var overview: [(pipe: Pipe, counters: StreamCounters, problem: Problem?)] {
    entries.withLock { $0.values.map { ($0.pipe, $0.traffic.counters, $0.problem) } }
      .sorted { $0.pipe.workload < $1.pipe.workload }
  }
}
