import ProxyConfig
import System

/// What the kernel counted on connections from Traefik to backends, for requests whose TLS Traefik ends: what of it Traefik
/// does not tell. A value without I/O and clock.
///
/// Traefik counts a body when the request is over, and never when the client went before the response was whole, nor what a
/// WebSocket carries. What came over the wire beyond what Traefik told is such traffic, but for headers, TLS and framing: for
/// those ``overhead(of:handshakes:carrying:)`` is taken off. When Traefik tells of a body later that was counted here, the
/// count is withdrawn: so the sum is the greater of both, never their sum.
struct BackendTraffic: Sendable {
  /// What Traefik told of a workload since the last time.
  struct Told: Equatable, Sendable {
    /// Of bodies.
    var bytes = ByteCount()
    /// How many requests began; nil when Traefik does not tell.
    var requests: Double?
  }

  /// Who has a backend.
  struct Owners: Equatable, Sendable {
    /// At least one.
    let workloads: [String]
    /// Whether Traefik speaks TLS with it.
    let isSecure: Bool
  }

  private struct BackendConnection: Sendable {
    var bytes: ByteCount
    /// Whether the last look did not find it.
    var isMissing = false
    /// For how long that has been so, in seconds; nil until time went by.
    var absence: Double?
  }

  private struct WireBytes: Sendable {
    var bytes = ByteCount()
    /// How many connections were new.
    var connections = 0
  }

  /// By cookie.
  private var connections: [UInt64: BackendConnection] = [:]
  /// What was closed during the looks that are going on: they may still show it as open.
  private var look = (count: 0, closed: Set<UInt64>())
  /// Whether there was a look, so that what is not known is new.
  private var hasLooked = false
  /// Whether Traefik may tell of what came over the wire while nobody looked.
  private var isFirst = true
  /// What came over the wire since the last time.
  private var wire: [Endpoint: WireBytes] = [:]
  /// What Traefik told and the wire did not, yet: a closed connection is told of a moment later.
  private var debts: [String: ByteCount] = [:]

  // MARK: The kernel's counts

  /// Whether a socket is followed.
  func isKnown(_ socket: TCPSocket) -> Bool {
    connections[socket.cookie] != nil
  }

  /// A look at all open sockets begins. Several may go on at the same time.
  mutating func beginLook() {
    look.count += 1
  }

  /// A look at all open sockets is over.
  ///
  /// - Parameters:
  ///   - sockets: what it found; nil when it failed.
  ///   - isCounted: whether a socket's remote end is a backend.
  mutating func endLook(_ sockets: [TCPSocket]?, isCounted: (TCPSocket) -> Bool) {
    defer {
      look.count -= 1
      if look.count == 0 { look.closed = [] }
    }
    guard let sockets else { return }
    var found: Set<UInt64> = []
    for socket in sockets where !look.closed.contains(socket.cookie) && (isKnown(socket) || isCounted(socket)) {
      found.insert(socket.cookie)
      connections[socket.cookie] = BackendConnection(bytes: count(socket))
    }
    for cookie in connections.keys where !found.contains(cookie) { connections[cookie]?.isMissing = true }
    hasLooked = true
  }

  /// Time went by, in seconds since the last time: what has been missing for ``TrafficLedger/closingTime`` was closed while
  /// nobody listened.
  mutating func age(by seconds: Double) {
    for (cookie, connection) in connections where connection.isMissing {
      let absence = connection.absence.map { $0 + seconds } ?? 0
      connections[cookie]?.absence = absence
      if absence >= TrafficLedger.closingTime { connections[cookie] = nil }
    }
  }

  /// A socket was closed for good; these are its last counts.
  mutating func close(_ socket: TCPSocket, isCounted: (TCPSocket) -> Bool) {
    if isKnown(socket) || isCounted(socket) { _ = count(socket) }
    connections[socket.cookie] = nil
    if look.count > 0 { look.closed.insert(socket.cookie) }
  }

  /// Adds what is new, and returns what the connection carried so far.
  private mutating func count(_ socket: TCPSocket) -> ByteCount {
    let earlier = connections[socket.cookie]?.bytes
    let bytes = socket.readBytes
    let latest = ByteCount(
      request: max(bytes.request, earlier?.request ?? 0), response: max(bytes.response, earlier?.response ?? 0))
    // What it carried before anybody looked was told by Traefik long ago, or lost.
    guard earlier != nil || hasLooked else { return latest }
    let rise = latest.rise(since: earlier ?? .init())
    guard earlier == nil || rise != ByteCount() else { return latest }
    wire[socket.remote, default: .init()].bytes = (wire[socket.remote]?.bytes ?? .init()) + rise
    if earlier == nil { wire[socket.remote, default: .init()].connections += 1 }
    return latest
  }

  // MARK: Against what Traefik told

  /// There is no Traefik: whatever one will tell of is still to come.
  mutating func traefikIsNotRunning() {
    isFirst = false
  }

  /// Traefik was started anew: what it did not tell is lost, as all that it counted since it was last asked.
  mutating func traefikRestarted() {
    (wire, debts) = ([:], [:])
  }

  /// How far the wire is above what Traefik told, or below it, as far as it was counted already.
  ///
  /// - Parameters:
  ///   - told: by workload.
  ///   - ahead: what was counted for a workload so far that Traefik may still tell of.
  ///   - owners: who has a backend.
  /// - Returns: by how much to raise what is counted beyond what Traefik told, by workload. Where it is negative, it is
  ///   neither more than what was told now, nor than what was ahead.
  mutating func take(
    _ told: [String: Told], ahead: (String) -> ByteCount, owners: (Endpoint) -> Owners?
  ) -> [String: ByteCount] {
    let shares = share(told, owners)
    var changes: [String: ByteCount] = [:]
    var debts: [String: ByteCount] = [:]
    for workload in Set(told.keys).union(shares.keys).union(self.debts.keys) {
      guard let told = told[workload], let requests = told.requests else { continue }
      let (carried, handshakes) = shares[workload] ?? (.init(), 0)
      let overhead = Self.overhead(of: requests, handshakes: handshakes, carrying: carried)
      let debt = self.debts[workload] ?? .init()
      func settle(_ direction: KeyPath<ByteCount, Double>) -> (change: Double, debt: Double) {
        let surplus = carried[keyPath: direction] - told.bytes[keyPath: direction] - debt[keyPath: direction]
        guard surplus < 0 else { return (max(0, surplus - overhead[keyPath: direction]), 0) }
        let withdrawn = min(-surplus, told.bytes[keyPath: direction], ahead(workload)[keyPath: direction])
        return (-withdrawn, -surplus - withdrawn)
      }
      let (request, response) = (settle(\.request), settle(\.response))
      changes[workload] = ByteCount(request: request.change, response: response.change)
      // When there was nothing at all, nothing is on its way.
      if requests > 0 || carried != ByteCount() || told.bytes != ByteCount() {
        debts[workload] = ByteCount(request: request.debt, response: response.debt)
      }
    }
    // What came over the wire before the first look never will be known.
    self.debts = isFirst ? [:] : debts
    if hasLooked { isFirst = false }
    wire = [:]
    return changes
  }

  /// What came over the wire, by workload. Of a backend that several have, each gets what Traefik told of it; the rest is
  /// split evenly among those who had requests.
  private func share(
    _ told: [String: Told], _ owners: (Endpoint) -> Owners?
  ) -> [String: (bytes: ByteCount, handshakes: Double)] {
    var shares: [String: (bytes: ByteCount, handshakes: Double)] = [:]
    func add(_ bytes: ByteCount, _ handshakes: Double, to workload: String) {
      let sum = shares[workload] ?? (.init(), 0)
      shares[workload] = (sum.bytes + bytes, sum.handshakes + handshakes)
    }
    var shared: [(wire: WireBytes, owners: Owners)] = []
    for (endpoint, wire) in wire {
      guard let owners = owners(endpoint) else { continue }
      if owners.workloads.count == 1 {
        add(wire.bytes, owners.isSecure ? Double(wire.connections) : 0, to: owners.workloads[0])
      } else {
        shared.append((wire, owners))
      }
    }
    for (wire, owners) in shared {
      var rest = wire.bytes
      for workload in owners.workloads {
        guard let told = told[workload]?.bytes else { continue }
        let has = shares[workload]?.bytes ?? .init()
        let part = ByteCount(
          request: min(rest.request, max(0, told.request - has.request)),
          response: min(rest.response, max(0, told.response - has.response)))
        add(part, 0, to: workload)
        rest = rest.rise(since: part)
      }
      let active = owners.workloads.filter { (told[$0]?.requests ?? 0) > 0 }
      let takers = active.isEmpty ? owners.workloads.filter { told[$0]?.requests != nil } : active
      let handshakes = owners.isSecure ? Double(wire.connections) : 0
      for workload in takers {
        add(rest.share(among: takers.count), handshakes / Double(takers.count), to: workload)
      }
    }
    return shares
  }

  /// What is taken for headers, TLS and framing, in bytes: 2 KiB for the headers of a request and 1 KiB for those of its
  /// response; 1 KiB and 6 KiB for a TLS handshake; a 256th of everything.
  static func overhead(of requests: Double, handshakes: Double, carrying bytes: ByteCount) -> ByteCount {
    ByteCount(
      request: requests * 2048 + handshakes * 1024 + bytes.request / 256,
      response: requests * 1024 + handshakes * 6144 + bytes.response / 256)
  }
}
