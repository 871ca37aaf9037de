import NIOCore

/// The calls a server has in hand: taken from a queue and not yet answered.
///
/// A call is taken, waits for a worker, runs, and leaves behind a settlement that the broker must confirm. The ledger
/// decides how many more calls to ask the broker for, which one starts next, and what is still owed after a connection
/// was lost. It does no I/O and knows no clock.
struct CallLedger {
  struct Limits {
    /// How many calls run at the same time.
    var workers: Int
    /// How many calls of one queue may be asked for or in hand.
    var window = 256
    /// How many bytes the requests in hand of one queue may have, with their replies, before no more are read.
    var bytes = 16 << 20
    /// How many bytes settlements may have, all together, before no more calls are started.
    var owedBytes = 16 << 20
    /// How many running calls may have given their worker back, and how many bytes their requests may have.
    var released = 1024
    var releasedBytes = 16 << 20
  }

  typealias Instant = ContinuousClock.Instant

  /// A class, for it is handed on a good deal.
  final class Call: Sendable {
    typealias ID = UInt64
    let id: ID
    let payload: [UInt8]
    let request: Request
    /// The queue it came from, as an index.
    let source: Int

    init(id: ID, payload: [UInt8], request: Request, source: Int) {
      self.id = id
      self.payload = payload
      self.request = request
      self.source = source
    }
  }

  /// What the broker is to do about a call that is over: push the reply, and forget the request.
  final class Settlement: Sendable {
    let payload: [UInt8]
    /// None for a payload that names no reply address.
    let reply: Reply?
    let source: Int
    /// Whether it counts against the window of its queue.
    let isHeld: Bool
    let since: Instant

    init(payload: [UInt8], reply: Reply?, source: Int, isHeld: Bool, since: Instant) {
      self.payload = payload
      self.reply = reply
      self.source = source
      self.isHeld = isHeld
      self.since = since
    }

    struct Reply {
      let address: ReplyAddress
      let bytes: [UInt8]
    }

    /// How many bytes it has.
    var size: Int { payload.count + (reply?.bytes.count ?? 0) }
  }

  /// Settlements that were sent together.
  struct Batch {
    let settlements: [Settlement]
    /// How their requests leave the in-flight lists, in this order.
    let removals: [Removal]
    /// The broker may have carried them out already: the connection broke before it confirmed them.
    let isRepeated: Bool
  }

  /// What is to be taken off the in-flight list of a queue.
  struct Removal: Equatable {
    enum What: Equatable {
      /// So many from its beginning.
      case first(Int)
      /// The first that equals this one.
      case one([UInt8])
    }

    let source: Int
    var what: What
  }

  /// A call that was started.
  struct Running {
    let call: Call
    fileprivate let worker: Int
  }

  private struct QueueState {
    /// Requests asked for and not arrived.
    var asked = 0
    /// Requests in hand that count against the window, and how many bytes they and their replies have.
    var held = 0
    var heldBytes = 0
    /// How large a request may well be: as the largest of late was.
    var expectedBytes = 0
    /// What is on the in-flight list, in its order; but for what arrives there now. Nil is what was left there and has not
    /// been read yet.
    var inFlight = CircularBuffer<[UInt8]?>()
    /// What is in hand and has not been found on the list yet, while that is looked through; how often each.
    var sought: [[UInt8]: Int] = [:]
  }

  private struct WorkerState {
    var since: Timestamp
    var call: Call?
  }

  /// How many settlements one batch may have, and how many bytes, unless it has but one.
  static let batchLimit = 128
  static let batchBytes = 1 << 20
  /// How many bytes of settlements may be sent and not confirmed, before no more are sent.
  static let unconfirmedLimit = 4 << 20

  private let limits: Limits
  private var sources: [QueueState]
  private var workers: [WorkerState]
  private var freeWorkers: [Int]
  private var nextID: Call.ID = 0
  private var waiting = CircularBuffer<Call>()
  /// Running calls that have given their worker back.
  private var released: [Call.ID: Call] = [:]
  private var releasedBytes = 0
  /// Of all settlements, and of those that are sent.
  private var owedBytes = 0
  private var unconfirmedBytes = 0
  private var owed = CircularBuffer<Settlement>()
  private var repeated = CircularBuffer<Settlement>()
  private var unconfirmed = CircularBuffer<Settlement>()

  init(sources: Int, limits: Limits, now: Timestamp) {
    self.limits = limits
    self.sources = Array(repeating: QueueState(), count: sources)
    workers = Array(repeating: WorkerState(since: now), count: limits.workers)
    freeWorkers = (0..<limits.workers).reversed()
  }

  /// Whether every call taken so far is answered, and the broker has confirmed it.
  var isIdle: Bool { count == 0 }

  var count: Int {
    waiting.count + (workers.count - freeWorkers.count) + released.count + owed.count + repeated.count
      + unconfirmed.count
  }

  // MARK: Taking

  /// Whether there are requests to ask the broker for.
  var asksForRequests: Bool { sources.contains { missing($0) > 0 } }

  /// How many more requests of a queue to ask the broker for now.
  mutating func ask(_ source: Int) -> Int {
    let missing = missing(sources[source])
    sources[source].asked += missing
    return missing
  }

  /// Requests are asked for in lots, so that a caller who is alone does not cost a command of its own each time; and fewer
  /// when they are large, since what is asked for comes, and waits in the broker's memory for being read.
  private func missing(_ source: QueueState) -> Int {
    let window = min(limits.window, max(1, limits.bytes / max(1, source.expectedBytes)))
    let missing = window - source.asked - source.held
    return missing >= max(1, window / 4) || source.asked == 0 ? max(0, missing) : 0
  }

  /// A request that was asked for has arrived.
  mutating func took(_ payload: [UInt8], from source: Int) {
    sources[source].asked -= 1
    sources[source].inFlight.append(payload)
    let expected = sources[source].expectedBytes
    sources[source].expectedBytes = max(payload.count, expected - expected / 64)
    hold(payload, of: source)
  }

  private mutating func hold(_ payload: [UInt8], of source: Int) {
    sources[source].held += 1
    sources[source].heldBytes += payload.count
  }

  /// Whether so much of a queue is in hand that no more is to be read from it.
  func isFull(_ source: Int) -> Bool { sources[source].heldBytes >= limits.bytes }

  // MARK: What is on the in-flight lists

  /// Begins to take note of what is on the in-flight lists, from their beginnings, while nothing is asked for or settled.
  mutating func beginLookingThrough() {
    for index in sources.indices {
      sources[index].inFlight.removeAll()
      sources[index].sought.removeAll()
    }
    for call in [Array(waiting), workers.compactMap(\.call), Array(released.values)].joined() {
      sources[call.source].sought[call.payload, default: 0] += 1
    }
    for settlement in [owed, repeated, unconfirmed].joined() {
      sources[settlement.source].sought[settlement.payload, default: 0] += 1
    }
  }

  /// Takes note of what is next on the in-flight list of a queue. What is not in hand was left there by an earlier life, or
  /// by a lost connection: only its place is remembered, since all of it together may be more than should be in memory.
  mutating func found(_ inFlight: [[UInt8]], from source: Int) {
    for payload in inFlight {
      if let count = sources[source].sought[payload] {
        sources[source].sought[payload] = count > 1 ? count - 1 : nil
        sources[source].inFlight.append(payload)
      } else {
        sources[source].inFlight.append(nil)
      }
    }
  }

  /// The lists have been looked through to their ends.
  mutating func endLookingThrough() {
    for index in sources.indices { sources[index].sought.removeAll() }
  }

  /// How many leftovers have not been read.
  var unreadLeftovers: Int { sources.reduce(0) { $0 + $1.inFlight.count { $0 == nil } } }

  /// Where on the list of a queue the first leftover is that has not been read.
  func firstLeftover(of source: Int) -> Int? {
    let list = sources[source].inFlight
    return list.firstIndex { $0 == nil }.map { list.distance(from: list.startIndex, to: $0) }
  }

  /// The first leftover that was not read has been: it is this one; none, when it is gone.
  mutating func readLeftover(_ payload: [UInt8]?, of source: Int) {
    guard let index = sources[source].inFlight.firstIndex(where: { $0 == nil }) else { return }
    if let payload {
      sources[source].inFlight[index] = payload
    } else {
      sources[source].inFlight.remove(at: index)
    }
  }

  /// Counts a leftover as taken, though it was not asked for.
  mutating func tookLeftover(_ payload: [UInt8], from source: Int) {
    hold(payload, of: source)
  }

  // MARK: Admitting

  /// Lets a request wait for a worker.
  @discardableResult
  mutating func admit(_ request: consuming Request, payload: [UInt8], source: Int) -> Call.ID {
    defer { nextID += 1 }
    waiting.append(Call(id: nextID, payload: payload, request: request, source: source))
    return nextID
  }

  // MARK: Running

  /// Whether a call waits, a worker is free for it, and there is room for its reply.
  var canStart: Bool { !waiting.isEmpty && !freeWorkers.isEmpty && owedBytes < limits.owedBytes }

  /// The next call to run, if a worker is free.
  mutating func start(now: Timestamp) -> Running? {
    guard canStart else { return nil }
    let running = Running(call: waiting.removeFirst(), worker: freeWorkers.removeLast())
    workers[running.worker] = WorkerState(since: now, call: running.call)
    return running
  }

  /// Gives the worker of a running call to the next one; the call goes on without. Returns whether it did: beyond the
  /// limits a call keeps its worker.
  mutating func release(_ running: Running, now: Timestamp) -> Bool {
    let call = running.call
    guard workers[running.worker].call === call, released.count < limits.released,
      releasedBytes + call.payload.count <= limits.releasedBytes
    else { return false }
    free(running.worker, now)
    released[call.id] = call
    releasedBytes += call.payload.count
    sources[call.source].held -= 1
    sources[call.source].heldBytes -= call.payload.count
    return true
  }

  /// A running call is over.
  mutating func finish(_ running: Running, reply bytes: [UInt8], now: Timestamp, at instant: Instant) {
    let call = running.call
    let isHeld = workers[running.worker].call === call
    if isHeld {
      free(running.worker, now)
    } else {
      guard released.removeValue(forKey: call.id) != nil else { return }
      releasedBytes -= call.payload.count
    }
    owe(
      Settlement(
        payload: call.payload, reply: .init(address: call.request.replyTo, bytes: bytes), source: call.source,
        isHeld: isHeld, since: instant))
  }

  /// A request that needs no worker is over.
  mutating func settle(_ payload: [UInt8], reply: Settlement.Reply?, source: Int, at instant: Instant) {
    owe(Settlement(payload: payload, reply: reply, source: source, isHeld: true, since: instant))
  }

  private mutating func owe(_ settlement: Settlement) {
    owed.append(settlement)
    owedBytes += settlement.size
    if settlement.isHeld { sources[settlement.source].heldBytes += settlement.size - settlement.payload.count }
  }

  private mutating func free(_ worker: Int, _ now: Timestamp) {
    workers[worker] = WorkerState(since: now, call: nil)
    freeWorkers.append(worker)
  }

  /// What each worker does.
  var workerStatus: [ModuleStatus.Worker] {
    workers.map { worker in
      guard let request = worker.call?.request else { return .init(state: .free, startTime: worker.since) }
      return .init(state: .busy, startTime: worker.since, action: "[\(request.object)].\(request.method)()")
    }
  }

  // MARK: Settling

  var owesBatch: Bool { !owed.isEmpty || !repeated.isEmpty }

  /// Whether settlements wait until others are confirmed.
  var isHeldBack: Bool { unconfirmedBytes >= Self.unconfirmedLimit && owesBatch }

  /// What to send next; it is to be confirmed, in the order sent.
  mutating func nextBatch() -> Batch? {
    guard owesBatch, unconfirmedBytes < Self.unconfirmedLimit else { return nil }
    let isRepeated = !repeated.isEmpty
    let settlements = isRepeated ? Self.takeBatch(of: &repeated) : Self.takeBatch(of: &owed)
    unconfirmed.append(contentsOf: settlements)
    for settlement in settlements { unconfirmedBytes += settlement.size }
    return Batch(settlements: settlements, removals: remove(settlements), isRepeated: isRepeated)
  }

  /// Requests mostly leave in the order in which they came: then they need not be named, which is what costs the broker.
  ///
  /// Of equal requests the first leaves, whichever was answered, for that is the one that the broker takes away.
  private mutating func remove(_ settlements: [Settlement]) -> [Removal] {
    var removals: [Removal] = []
    // Where the last one for a queue is.
    var last: [Int?] = Array(repeating: nil, count: sources.count)
    for settlement in settlements {
      let source = settlement.source
      guard let index = sources[source].inFlight.firstIndex(of: settlement.payload) else { continue }
      if index == sources[source].inFlight.startIndex {
        sources[source].inFlight.removeFirst()
        if let last = last[source], case .first(let count) = removals[last].what {
          removals[last].what = .first(count + 1)
          continue
        }
        removals.append(Removal(source: source, what: .first(1)))
      } else {
        sources[source].inFlight.remove(at: index)
        removals.append(Removal(source: source, what: .one(settlement.payload)))
      }
      last[source] = removals.count - 1
    }
    return removals
  }

  private static func takeBatch(of settlements: inout CircularBuffer<Settlement>) -> [Settlement] {
    var bytes = 0
    let batch = settlements.prefix(batchLimit).prefix { settlement in
      defer { bytes += settlement.size }
      return bytes == 0 || bytes + settlement.size <= batchBytes
    }
    defer { settlements.removeFirst(batch.count) }
    return Array(batch)
  }

  /// The broker has carried out the oldest `count` unconfirmed settlements.
  mutating func confirm(_ count: Int) {
    for settlement in unconfirmed.prefix(count) {
      owedBytes -= settlement.size
      unconfirmedBytes -= settlement.size
      guard settlement.isHeld else { continue }
      sources[settlement.source].held -= 1
      sources[settlement.source].heldBytes -= settlement.size
    }
    unconfirmed.removeFirst(count)
  }

  /// The connections are gone: nothing is asked for any more, and what was sent and not confirmed is to be repeated.
  mutating func disconnected() {
    for index in sources.indices { sources[index].asked = 0 }
    unconfirmed.append(contentsOf: repeated)
    repeated = unconfirmed
    unconfirmed.removeAll()
    unconfirmedBytes = 0
  }

  /// The broker has lost its data, so nothing that is to be repeated was carried out.
  mutating func forgetRepeats() {
    repeated.append(contentsOf: owed)
    owed = repeated
    repeated.removeAll()
  }

  /// Replies that have waited for the broker since before `instant` are of no more use to anybody: their requests are
  /// only forgotten. Returns how many there were.
  mutating func expire(before instant: Instant) -> Int {
    var expired = 0
    func strip(_ settlements: CircularBuffer<Settlement>) -> CircularBuffer<Settlement> {
      CircularBuffer(
        settlements.map { settlement in
          guard let reply = settlement.reply, settlement.since < instant else { return settlement }
          expired += 1
          owedBytes -= reply.bytes.count
          if settlement.isHeld { sources[settlement.source].heldBytes -= reply.bytes.count }
          return Settlement(
            payload: settlement.payload, reply: nil, source: settlement.source, isHeld: settlement.isHeld,
            since: settlement.since)
        })
    }
    owed = strip(owed)
    repeated = strip(repeated)
    return expired
  }
}
