import Logging
import NIOCore
import Records
import Synchronization
import System

/// A live session of a tunnel's client, for whoever is on another event loop.
final class SessionHandle: Sendable {
  /// Whose tunnel it is.
  let workload: WorkloadID
  let number: Int
  let eventLoop: any EventLoop
  let channel: any Channel
  let remote: Endpoint
  let version: TunnelHandshake.Version
  let since: UTCTime
  /// The streams that there are, with those that are about to be opened.
  let streams = Places()
  let counters: StreamCounters
  private let connection: NIOLoopBound<YamuxConnection>

  init(
    workload: WorkloadID, number: Int, connection: YamuxConnection, channel: any Channel, remote: Endpoint,
    version: TunnelHandshake.Version, counters: StreamCounters
  ) {
    self.workload = workload
    self.number = number
    self.channel = channel
    eventLoop = channel.eventLoop
    self.remote = remote
    self.version = version
    since = .now
    self.counters = counters
    self.connection = NIOLoopBound(connection, eventLoop: channel.eventLoop)
  }

  /// Only on the event loop.
  var onLoop: YamuxConnection { connection.value }
}

/// The tunnels as they are to be, and the sessions of their clients.
final class TunnelTable: Sendable {
  private struct Entry {
    var tunnel: Tunnel
    let counters: StreamCounters
    var sessions: [SessionHandle] = []
  }

  private struct State {
    var tunnels: [WorkloadID: Entry] = [:]
    var secrets: [TunnelSecret.Digest: WorkloadID] = [:]
    var addresses: [Endpoint: WorkloadID] = [:]
    var isDraining = false
    var lastNumber = 0
    var delays = FailureDelays()
    var strangers = StrangerCounts()
  }

  /// How many sessions of one tunnel there may be.
  static let maximumSessions = 16

  private let limits: RelayLimits
  private let state = Mutex(State())
  private let logger: Logger

  init(limits: RelayLimits, logger: Logger) {
    self.limits = limits
    self.logger = logger
  }

  // MARK: What is to be

  /// A tunnel's file says this now; nil for nothing. Sessions of what is no more end at once.
  ///
  /// - Throws: ``TunnelConflict`` when another tunnel has its secret or its address.
  func set(_ tunnel: Tunnel?, of workload: WorkloadID) throws(TunnelConflict) {
    let ended = try state.withLock { state throws(TunnelConflict) -> [SessionHandle] in
      let old = state.tunnels[workload]
      guard old?.tunnel != tunnel else { return [] }
      if let tunnel {
        if let holder = state.secrets[tunnel.secret], holder != workload {
          throw TunnelConflict(description: "the secret is \(holder)'s")
        }
        if let holder = state.addresses[tunnel.address], holder != workload {
          throw TunnelConflict(description: "the address \(tunnel.address) is \(holder)'s")
        }
      }
      if let old {
        state.secrets[old.tunnel.secret] = nil
        state.addresses[old.tunnel.address] = nil
      }
      guard let tunnel else {
        state.tunnels[workload] = nil
        return old?.sessions ?? []
      }
      let keepsSessions = old?.tunnel.secret == tunnel.secret
      state.secrets[tunnel.secret] = workload
      state.addresses[tunnel.address] = workload
      state.tunnels[workload] = Entry(
        tunnel: tunnel, counters: old?.counters ?? StreamCounters(), sessions: keepsSessions ? old?.sessions ?? [] : [])
      return keepsSessions ? [] : old?.sessions ?? []
    }
    for session in ended { session.channel.close(promise: nil) }
  }

  /// The tunnels' ports on the loopback.
  var ports: Set<UInt16> { state.withLock { Set($0.addresses.keys.map(\.port)) } }

  // MARK: Sessions

  /// A client whose secret is not known yet, or wrong, for as long as this is kept.
  final class Stranger: Sendable {
    private let table: TunnelTable
    private let origin: Origin

    fileprivate init(_ table: TunnelTable, _ origin: Origin) {
      self.table = table
      self.origin = origin
    }

    deinit { table.state.withLock { $0.strangers.remove(origin) } }
  }

  /// Counts a client that has dialled in; nil when there are too many, of its address or in all.
  func stranger(from address: IPAddress) -> Stranger? {
    let origin = Origin(address)
    let isAdded = state.withLock { $0.strangers.add(origin, limits: limits) }
    return isAdded ? Stranger(self, origin) : nil
  }

  enum Admission {
    case accepted(SessionHandle)
    /// To be told after this time.
    case refused(TunnelHandshake.Answer, after: TimeAmount)
  }

  /// Lets a client in whose secret is a tunnel's.
  func admit(
    _ handshake: TunnelHandshake.Outcome, _ connection: YamuxConnection, on channel: any Channel, from remote: Endpoint
  ) -> Admission {
    let digest = handshake.secret.digest
    let now = NIODeadline.now()
    return state.withLock { state in
      guard !state.isDraining else { return .refused(.goingAway, after: .zero) }
      guard let workload = state.secrets[digest], let entry = state.tunnels[workload], entry.tunnel.secret == digest
      else { return .refused(.unknownSecret, after: state.delays.delay(for: remote.address, now: now)) }
      guard entry.sessions.count < Self.maximumSessions else { return .refused(.tooManySessions, after: .zero) }
      state.delays.forget(remote.address)
      state.lastNumber += 1
      let handle = SessionHandle(
        workload: workload, number: state.lastNumber, connection: connection, channel: channel, remote: remote,
        version: handshake.version, counters: entry.counters)
      state.tunnels[workload]?.sessions.append(handle)
      logger.info(
        "client connected",
        metadata: ["tunnel": "\(workload)", "from": "\(remote)", "handshake": "\(handshake.version.number)"])
      return .accepted(handle)
    }
  }

  /// A session takes no further streams.
  func remove(_ session: SessionHandle, because reason: String) {
    let wasThere = state.withLock { state in
      guard let index = state.tunnels[session.workload]?.sessions.firstIndex(where: { $0 === session }) else {
        return false
      }
      state.tunnels[session.workload]?.sessions.remove(at: index)
      return true
    }
    guard wasThere else {
      logger.debug(
        "session is over",
        metadata: ["tunnel": "\(session.workload)", "from": "\(session.remote)", "reason": "\(reason)"])
      return
    }
    logger.info(
      "client gone", metadata: ["tunnel": "\(session.workload)", "from": "\(session.remote)", "reason": "\(reason)"])
  }

  /// A session that was chosen for a stream, which it counts from here on.
  struct Chosen: Sendable {
    let handle: SessionHandle
    let place: Places.Place
  }

  /// The session that a connection to an address goes to. Nil when there is none.
  func session(behind address: Endpoint) -> Chosen? {
    state.withLock { state in state.addresses[address].flatMap { Self.choose(from: state.tunnels[$0]) } }
  }

  /// The session that a connection for a workload's tunnel goes to. Nil when there is none.
  func session(of workload: WorkloadID) -> Chosen? { state.withLock { Self.choose(from: $0.tunnels[workload]) } }

  /// The least busy one.
  private static func choose(from tunnel: Entry?) -> Chosen? {
    guard let session = tunnel?.sessions.min(by: { $0.streams.count < $1.streams.count }) else { return nil }
    return session.streams.take().map { Chosen(handle: session, place: $0) }
  }

  /// Lets nobody in any more; the sessions that there are.
  func drain() -> [SessionHandle] {
    state.withLock { state in
      state.isDraining = true
      return state.tunnels.values.flatMap(\.sessions)
    }
  }

  /// What there is, by workload.
  var overview: [(tunnel: Tunnel, counters: StreamCounters, sessions: [SessionHandle])] {
    state.withLock { state in
      state.tunnels.values.map { ($0.tunnel, $0.counters, $0.sessions) }
    }
    .sorted { $0.tunnel.workload < $1.tunnel.workload }
  }
}

/// What two tunnels cannot both have.
struct TunnelConflict: Error, CustomStringConvertible {
  let description: String
}
