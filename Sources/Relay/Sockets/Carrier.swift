import CLinux
import Glibc
import NIOCore
import Synchronization
import System

/// Carries bytes between pairs of connected sockets, on one thread: what a pipe is made of.
///
/// NIO would do it too, for three and a half times the processor time a connection, and with a buffer for each socket
/// (docs/performance.md): here whatever comes is read into one buffer and written at once, and only what is not taken is kept.
final class Carrier: Sendable {
  /// Two connected, nonblocking sockets, between which bytes are carried until both have sent all, or one is gone.
  final class Connection: Sendable {
    fileprivate let user: CInt
    fileprivate let target: CInt
    fileprivate let counters: StreamCounters
    fileprivate let idle: Duration?
    private let held: [Places.Place]
    /// Where it is among those of its thread.
    fileprivate let slot = Atomic<Int>(-1)
    fileprivate let isCut = Atomic(false)
    private let onEnd = Mutex<(@Sendable () -> Void)?>(nil)

    /// - Parameters:
    ///   - counters: what comes from the user is counted as sent, what comes from the target as received.
    ///   - idle: how long it may carry nothing; nil for as long as it likes.
    ///   - held: kept until it is over.
    init(
      user: CInt, target: CInt, counting counters: StreamCounters, idle: TimeAmount?, holding held: [Places.Place]
    ) {
      self.user = user
      self.target = target
      self.counters = counters
      self.idle = idle.map { .nanoseconds($0.nanoseconds) }
      self.held = held + [counters.streams.take()].compactMap { $0 }
    }

    /// Calls this once it is over, on any thread. To be set before it is carried.
    func whenOver(_ body: @escaping @Sendable () -> Void) { onEnd.withLock { $0 = body } }

    /// - Parameter side: 0 for the user, 1 for the target.
    fileprivate func count(_ count: Int, from side: Int) {
      if side == 0 {
        counters.sent.add(UInt64(count), ordering: .relaxed)
      } else {
        counters.received.add(UInt64(count), ordering: .relaxed)
      }
    }

    fileprivate func end() {
      onEnd.withLock { body in
        defer { body = nil }
        return body
      }?()
    }
  }

  private enum Order {
    case carry(Connection)
    case cut(Connection)
  }

  /// In bytes: what may be held of each direction, too.
  private static let bufferSize = 64 << 10
  /// How often a connection is read before others have their turn.
  private static let reads = 8
  private static let wakeupData = UInt64.max

  private let queue: CInt
  private let wakeup: CInt
  /// nil once it is stopped.
  private let orders = Mutex<[Order]?>([])

  init() throws(SystemError) {
    queue = epoll_create1(CInt(EPOLL_CLOEXEC))
    guard queue >= 0 else { throw SystemError("epoll_create1") }
    wakeup = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
    guard wakeup >= 0 else { throw SystemError("eventfd") }
    guard add(wakeup, EPOLLIN.rawValue, Self.wakeupData) else { throw SystemError("epoll_ctl") }
  }

  deinit { for descriptor in [queue, wakeup] { close(descriptor) } }

  private func add(_ descriptor: CInt, _ events: UInt32, _ data: UInt64) -> Bool {
    var event = epoll_event(events: events | EPOLLET.rawValue, data: epoll_data(u64: data))
    return epoll_ctl(queue, EPOLL_CTL_ADD, descriptor, &event) == 0
  }

  /// Carries from now on; the sockets are closed when it is over.
  func carry(_ connection: Connection) {
    guard !tell(.carry(connection)) else { return }
    Connections.refuse(connection.user)
    Connections.refuse(connection.target)
    connection.end()
  }

  /// Ends a connection at once, so that both peers see that it was no orderly end.
  func cut(_ connection: Connection) {
    // It may not have been taken yet.
    connection.isCut.store(true, ordering: .relaxed)
    _ = tell(.cut(connection))
  }

  /// Whether there is somebody to do it.
  private func tell(_ order: Order) -> Bool {
    let count = orders.withLock { orders in
      orders?.append(order)
      return orders?.count
    }
    if count == 1 { eventfd_write(wakeup, 1) }
    return count != nil
  }

  /// Lets ``run()`` return, and cuts all that there is.
  func stop() {
    let rest = orders.withLock { orders in
      defer { orders = nil }
      return orders ?? []
    }
    for case .carry(let connection) in rest {
      Connections.refuse(connection.user)
      Connections.refuse(connection.target)
      connection.end()
    }
    eventfd_write(wakeup, 1)
  }

  // MARK: On the thread

  /// Carries until ``stop()``. Blocks.
  func run() {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 4096)
    defer { buffer.deallocate() }
    var pairs: [Pair?] = []
    var free: [Int] = []
    // Those whose turn was over before all was carried.
    var unfinished: [Int] = []
    var events = [epoll_event](repeating: epoll_event(), count: 256)
    var idlers = 0
    var nextSweep = ContinuousClock.now

    func close(_ slot: Int, _ pair: Pair, inOrder isOrderly: Bool) {
      pair.close(inOrder: isOrderly)
      if pair.connection.idle != nil { idlers -= 1 }
      pairs[slot] = nil
      free.append(slot)
      pair.connection.end()
    }

    func proceed(_ slot: Int, _ pair: Pair) {
      switch pair.carry(buffer, reads: Self.reads) {
      case .waits: break
      case .goesOn:
        if !pair.isQueued { unfinished.append(slot) }
        pair.isQueued = true
      case .isOver: close(slot, pair, inOrder: true)
      case .isBroken: close(slot, pair, inOrder: false)
      }
    }

    func begin(_ connection: Connection) {
      let slot = free.popLast() ?? pairs.count
      let pair = Pair(connection)
      if slot == pairs.count { pairs.append(pair) } else { pairs[slot] = pair }
      connection.slot.store(slot, ordering: .relaxed)
      if connection.idle != nil { idlers += 1 }
      let interest = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue
      guard !connection.isCut.load(ordering: .relaxed), add(connection.user, interest, UInt64(slot) << 1),
        add(connection.target, interest, UInt64(slot) << 1 | 1)
      else { return close(slot, pair, inOrder: false) }
      // What the user sent while the target was being connected.
      proceed(slot, pair)
    }

    while true {
      let patience: CInt = unfinished.isEmpty ? (idlers > 0 ? 1000 : -1) : 0
      let count = Int(max(epoll_wait(queue, &events, CInt(events.count), patience), 0))
      let again = unfinished
      unfinished.removeAll(keepingCapacity: true)
      for slot in again { pairs[slot]?.isQueued = false }
      for index in 0..<count where events[index].data.u64 != Self.wakeupData {
        let slot = Int(events[index].data.u64 >> 1)
        // One that was closed in this turn may have had two events.
        guard let pair = pairs[slot] else { continue }
        pair.note(events[index].events, at: Int(events[index].data.u64 & 1))
        proceed(slot, pair)
      }
      for slot in again { if let pair = pairs[slot] { proceed(slot, pair) } }
      let new = orders.withLock { orders in
        defer { if orders != nil { orders = [] } }
        return orders
      }
      // Those that come take the places of those that have gone only after all events of the latter.
      guard let new else { break }
      for order in new {
        switch order {
        case .carry(let connection): begin(connection)
        case .cut(let connection):
          let slot = connection.slot.load(ordering: .relaxed)
          guard slot >= 0, let pair = pairs[slot], pair.connection === connection else { continue }
          close(slot, pair, inOrder: false)
        }
      }
      guard idlers > 0 else { continue }
      let now = ContinuousClock.now
      guard now >= nextSweep else { continue }
      nextSweep = now + .seconds(1)
      for (slot, pair) in pairs.enumerated() {
        if let pair, pair.isIdle(at: now) { close(slot, pair, inOrder: false) }
      }
    }
    for (slot, pair) in pairs.enumerated() { if let pair { close(slot, pair, inOrder: false) } }
  }

  /// One of the two sockets, and what comes from it.
  private struct Side {
    let socket: CInt
    /// Whether there may be something to be read.
    var isReadable = false
    /// Whether the peer has sent its end, or is gone: then it is read up to that.
    var hasHungUp = false
    /// Whether its end has been read.
    var hasEnded = false
    /// Whether the other side was told so, after all that came before.
    var isFinished = false
    /// What was read and not taken by the other side.
    var held: [UInt8] = []
    /// How much of that has been taken.
    var offset = 0
  }

  private final class Pair {
    enum State {
      /// Until one of the sockets has something, or takes something.
      case waits
      /// There may be more to be carried.
      case goesOn
      /// Both sides have sent all, and the other has it.
      case isOver
      /// One side is gone.
      case isBroken
    }

    let connection: Connection
    /// Whether it has another turn without an event.
    var isQueued = false
    private var sides: InlineArray<2, Side>
    private var lastUse = ContinuousClock.now

    init(_ connection: Connection) {
      self.connection = connection
      sides = [Side(socket: connection.user, isReadable: true), Side(socket: connection.target)]
    }

    func note(_ events: UInt32, at side: Int) {
      let ending = EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue
      if events & (EPOLLIN.rawValue | ending) != 0 { sides[side].isReadable = true }
      if events & ending != 0 { sides[side].hasHungUp = true }
    }

    func isIdle(at now: ContinuousClock.Instant) -> Bool { connection.idle.map { now - lastUse >= $0 } ?? false }

    func carry(_ buffer: UnsafeMutableRawBufferPointer, reads: Int) -> State {
      var goesOn = false
      for source in 0...1 {
        switch carry(from: source, to: 1 - source, buffer, reads: reads) {
        case .isBroken: return .isBroken
        case .goesOn: goesOn = true
        case .waits, .isOver: break
        }
      }
      if sides[0].isFinished, sides[1].isFinished { return .isOver }
      return goesOn ? .goesOn : .waits
    }

    private func carry(
      from source: Int, to sink: Int, _ buffer: UnsafeMutableRawBufferPointer, reads: Int
    ) -> State {
      let target = sides[sink].socket
      for _ in 0..<reads {
        if !sides[source].held.isEmpty {
          let offset = sides[source].offset
          let sent = sides[source].held.withUnsafeBytes {
            send(target, $0.baseAddress! + offset, $0.count - offset, CInt(MSG_NOSIGNAL))
          }
          guard sent >= 0 else { return errno == EAGAIN ? .waits : .isBroken }
          sides[source].offset += sent
          guard sides[source].offset == sides[source].held.count else { return .waits }
          sides[source].held = []
          sides[source].offset = 0
        }
        guard !sides[source].hasEnded else {
          if !sides[source].isFinished {
            shutdown(target, CInt(SHUT_WR))
            sides[source].isFinished = true
          }
          return .isOver
        }
        guard sides[source].isReadable else { return .waits }
        let count = recv(sides[source].socket, buffer.baseAddress!, buffer.count, 0)
        guard count > 0 else {
          if count == 0 {
            sides[source].hasEnded = true
            continue
          }
          guard errno == EAGAIN else { return .isBroken }
          sides[source].isReadable = false
          return .waits
        }
        // There was no more, unless there is an end. Whatever comes from now on is another event.
        if count < buffer.count, !sides[source].hasHungUp { sides[source].isReadable = false }
        connection.count(count, from: source)
        if connection.idle != nil { lastUse = .now }
        let sent = send(target, buffer.baseAddress!, count, CInt(MSG_NOSIGNAL))
        guard sent >= 0 || errno == EAGAIN else { return .isBroken }
        if max(sent, 0) < count {
          sides[source].held = Array(UnsafeRawBufferPointer(rebasing: buffer[max(sent, 0)..<count]))
          return .waits
        }
      }
      return .goesOn
    }

    /// - Parameter isOrderly: whether the peers are to see that it was.
    func close(inOrder isOrderly: Bool) {
      for index in 0...1 {
        guard isOrderly else {
          Connections.refuse(sides[index].socket)
          continue
        }
        Connections.setAbrupt(sides[index].socket, false)
        Glibc.close(sides[index].socket)
      }
    }
  }
}

/// As many carriers as there are cores, which take turns.
final class Carriers: Sendable {
  private let all: [Carrier]
  private let turn = Atomic<Int>(0)

  init() throws(SystemError) {
    var all: [Carrier] = []
    for _ in 0..<System.coreCount { all.append(try Carrier()) }
    self.all = all
  }

  /// Which one carries a connection next.
  func next() -> Carrier { all[turn.add(1, ordering: .relaxed).oldValue % all.count] }

  /// Starts their threads.
  func start() throws(SystemError) {
    for carrier in all { try POSIXThread { carrier.run() }.detach() }
  }

  /// Ends all that is carried.
  func stop() { for carrier in all { carrier.stop() } }
}
