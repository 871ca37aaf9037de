import ProxyConfig
import System

/// What was counted for each workload since it was first seen: sums that only ever rise, whatever happens to the counters they
/// are read from. A value without I/O and clock.
///
/// **TLS terminated by Traefik.** A reading is what a service's counters in Traefik show, summed over their series (codes,
/// methods, protocols): series are only ever added, and dropped all at once when Traefik forgets the service. What is added to
/// the total is how far the reading is above the previous one; all of it when either direction is below the previous one, when
/// the service was missing meanwhile, or when Traefik was started anew, whatever the readings. What came from or went to
/// backends beyond that is added by ``BackendTraffic``, which withdraws it when Traefik tells of it.
///
/// **TLS passed through.** A reading is what the kernel counted for one connection to a backend. A connection belongs to the
/// workloads that had its backend when it was first seen, until it is closed; several share its bytes in equal parts.
///
/// **Pipes and tunnels.** A reading is what the relay counted since it began. What is added to the total is how far it is above the
/// previous one; all of it when it is below, or when the relay was started anew.
///
/// **Life.** A workload that was deleted keeps its total for an hour. Set again within that time, it goes on counting from there;
/// later it begins at zero.
struct TrafficLedger: Equatable, Sendable, Codable {
  /// How long a workload is remembered that has no route, no service in Traefik and no open connection, in seconds.
  static let retention = 3600.0
  /// How long after a connection was found missing the kernel may tell that it was closed, in seconds: on a busy machine that
  /// comes late. After that it was closed while nobody listened.
  static let closingTime = 10.0
  /// By how much the start of one process may seem to move, in seconds: it is told in hundredths.
  private static let tolerance = 0.05

  private struct Account: Equatable, Sendable, Codable {
    var total = ByteCount()
    /// What Traefik showed last; nil when it did not show the service.
    var reading: ByteCount?
    /// How many requests Traefik showed last; nil when it showed none.
    var requests: Double?
    /// What is in the total that Traefik did not show, and may still; nil for nothing.
    var ahead: ByteCount?
    /// For how long there has been nothing to count, in seconds.
    var absence = 0.0

    /// What Traefik showed is no more gone on from.
    mutating func forgetTraefik() {
      (reading, requests, ahead) = (nil, nil, nil)
    }
  }

  private struct Connection: Equatable, Sendable, Codable {
    /// Whose it is: at least one.
    let workloads: [String]
    var bytes: ByteCount
    /// Whether the last look did not find it.
    var isMissing = false
    /// For how long that has been so, in seconds; nil until time went by.
    var absence: Double?
  }

  private var accounts: [String: Account] = [:]
  /// When the Traefik of the readings was started, in seconds after the machine.
  private var traefikStart: Double?
  /// By cookie.
  private var connections: [UInt64: Connection] = [:]
  /// What was closed during the looks that are going on: they may still show it as open.
  private var look = SocketScan()

  private struct SocketScan: Equatable, Sendable {
    var count = 0
    var closed: Set<UInt64> = []
  }

  /// What the relay showed last; nil when it showed nothing.
  private var relay: RelayReading?

  /// What the relay counted for pipes and tunnels.
  struct RelayReading: Equatable, Sendable, Codable {
    /// When it began, in seconds since the epoch.
    var start: Double
    /// By workload.
    var pipes: [String: ByteCount] = [:]
    /// By workload.
    var tunnels: [String: ByteCount] = [:]

    fileprivate var isValid: Bool {
      start.isFinite && pipes.values.allSatisfy(\.isValid) && tunnels.values.allSatisfy(\.isValid)
    }
  }

  private enum CodingKeys: String, CodingKey {
    case accounts, traefikStart, connections, relay
  }

  init() {}

  /// - Throws: when a number is none that could have been counted.
  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    accounts = try container.decode([String: Account].self, forKey: .accounts)
    traefikStart = try container.decodeIfPresent(Double.self, forKey: .traefikStart)
    connections = try container.decode([UInt64: Connection].self, forKey: .connections)
    relay = try container.decodeIfPresent(RelayReading.self, forKey: .relay)
    let isValid =
      accounts.values.allSatisfy {
        $0.total.isValid && $0.reading?.isValid != false && $0.ahead?.isValid != false && $0.absence >= 0
      }
      && connections.values.allSatisfy { $0.bytes.isValid && !$0.workloads.isEmpty } && traefikStart?.isFinite != false
      && relay?.isValid != false
    guard isValid else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "a number in it is no count of bytes or seconds"))
    }
  }

  /// What was counted, by workload.
  var totals: [String: ByteCount] { accounts.mapValues(\.total) }

  /// The machine was started anew: nothing that was counted then is counted on.
  mutating func machineRestarted() {
    traefikStart = nil
    for workload in accounts.keys { accounts[workload]?.forgetTraefik() }
    connections = [:]
    relay = nil
  }

  // MARK: Pipes and tunnels

  /// Takes in what the relay shows.
  ///
  /// - Parameter isCounted: whether a workload's tunnel counts for it: not where its own route leads through that, which has
  ///   counted the same bytes.
  mutating func take(_ reading: RelayReading, isCounted: (String) -> Bool) {
    let last = relay.flatMap { $0.start == reading.start ? $0 : nil }
    relay = reading
    for (workload, bytes) in reading.pipes { add(bytes.rise(since: last?.pipes[workload] ?? .init()), to: workload) }
    for (workload, bytes) in reading.tunnels where isCounted(workload) {
      add(bytes.rise(since: last?.tunnels[workload] ?? .init()), to: workload)
    }
  }

  /// There are no pipes and tunnels any more.
  mutating func forgetRelay() { relay = nil }

  // MARK: TLS terminated by Traefik

  /// Takes in what Traefik shows, and what it does not.
  ///
  /// - Parameters:
  ///   - start: when Traefik was started, in seconds after the machine; nil when that is not known.
  ///   - backends: what came over the wire, looked at after Traefik was asked.
  ///   - owners: who has a backend.
  mutating func take(
    _ reading: Traffic, start: Double?, _ backends: inout BackendTraffic,
    owners: (Endpoint) -> BackendTraffic.Owners?
  ) {
    let isOther = start.flatMap { start in traefikStart.map { abs($0 - start) > Self.tolerance } } ?? false
    traefikStart = start ?? traefikStart
    if isOther {
      for workload in accounts.keys { accounts[workload]?.forgetTraefik() }
      backends.traefikRestarted()
    }
    var shown: [String: ByteCount] = [:]
    for (workload, bytes) in reading.request { shown[workload, default: .init()].request = bytes }
    for (workload, bytes) in reading.response { shown[workload, default: .init()].response = bytes }
    // Before its first request is over a service has no bytes.
    for workload in reading.requests.keys { shown[workload] = shown[workload] ?? .init() }
    for workload in accounts.keys where shown[workload] == nil { accounts[workload]?.forgetTraefik() }

    var told: [String: BackendTraffic.Told] = [:]
    for (workload, bytes) in shown {
      // In a sum of large numbers there may be one that is none.
      let bytes = ByteCount() + bytes
      var account = accounts[workload] ?? Account()
      let requests = reading.requests[workload]
      told[workload] = BackendTraffic.Told(
        bytes: bytes.rise(since: account.reading ?? .init()),
        requests: requests.map { max(0, $0 - (account.requests ?? 0)) })
      (account.reading, account.requests) = (bytes, requests)
      accounts[workload] = account
    }
    let changes = backends.take(told, ahead: { accounts[$0]?.ahead ?? .init() }, owners: owners)
    for (workload, told) in told {
      let change = changes[workload] ?? .init()
      add(told.bytes + change, to: workload)
      let ahead = (accounts[workload]?.ahead ?? .init()) + change
      accounts[workload]?.ahead = ahead == ByteCount() ? nil : ahead
    }
  }

  private mutating func add(_ bytes: ByteCount, to workload: String) {
    let total = accounts[workload]?.total ?? .init()
    accounts[workload, default: .init()].total = total + bytes
  }

  // MARK: TLS passed through

  var hasConnections: Bool { !connections.isEmpty }

  /// Whether a socket counts for anybody.
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
  ///   - owners: the workloads that have a socket's remote end as a backend.
  mutating func endLook(_ sockets: [TCPSocket]?, owners: (TCPSocket) -> [String]) {
    defer {
      look.count -= 1
      if look.count == 0 { look.closed = [] }
    }
    guard let sockets else { return }
    let missing = Set(connections.keys).subtracting(sockets.map(\.cookie))
    for socket in sockets where !look.closed.contains(socket.cookie) {
      let workloads = count(socket, owners)
      guard !workloads.isEmpty else { continue }
      let earlier = connections[socket.cookie]?.bytes
      connections[socket.cookie] = Connection(workloads: workloads, bytes: Self.latest(socket.bytes, earlier))
    }
    for cookie in missing {
      connections[cookie]?.isMissing = true
    }
  }

  /// A socket was closed for good; these are its last counts.
  mutating func close(_ socket: TCPSocket, owners: (TCPSocket) -> [String]) {
    _ = count(socket, owners)
    connections[socket.cookie] = nil
    if look.count > 0 { look.closed.insert(socket.cookie) }
  }

  /// Adds what is new to the totals of those whose socket it is, and returns them.
  private mutating func count(_ socket: TCPSocket, _ owners: (TCPSocket) -> [String]) -> [String] {
    let connection = connections[socket.cookie]
    let workloads = connection?.workloads ?? owners(socket)
    guard !workloads.isEmpty else { return [] }
    let earlier = connection?.bytes ?? .init()
    let share = Self.latest(socket.bytes, earlier).rise(since: earlier).share(among: workloads.count)
    for workload in workloads { add(share, to: workload) }
    return workloads
  }

  /// A look and a closing may be seen in the wrong order, and a FIN takes back the byte that it was taken for.
  private static func latest(_ bytes: ByteCount, _ earlier: ByteCount?) -> ByteCount {
    ByteCount(
      request: max(bytes.request, earlier?.request ?? 0), response: max(bytes.response, earlier?.response ?? 0))
  }

  // MARK: Life

  /// Time went by; workloads that have been gone for ``retention`` are forgotten.
  ///
  /// - Parameter seconds: since the last time.
  mutating func age(by seconds: Double, hasRoute: (String) -> Bool) {
    for (cookie, connection) in connections where connection.isMissing {
      let absence = connection.absence.map { $0 + seconds } ?? 0
      connections[cookie]?.absence = absence
      if absence >= Self.closingTime { connections[cookie] = nil }
    }
    var connected = Set(connections.values.flatMap(\.workloads))
    connected.formUnion(relay?.pipes.keys ?? [:].keys)
    connected.formUnion(relay?.tunnels.keys ?? [:].keys)
    for (workload, account) in accounts {
      if account.reading != nil || connected.contains(workload) || hasRoute(workload) {
        accounts[workload]?.absence = 0
      } else if account.absence + seconds >= Self.retention {
        accounts[workload] = nil
      } else {
        accounts[workload]?.absence += seconds
      }
    }
  }
}
