import CLinux
import Glibc
import Logging
import Synchronization
import System

/// Opens TCP connections, in whatever network namespace, and a thread that waits for those that take longer.
///
/// NIO's own bootstrap makes its sockets on its event loops' threads, which must not enter another namespace.
final class Connector: Sendable {
  /// Why there is no connection.
  struct Fault: Error, CustomStringConvertible {
    let description: String
  }

  /// Is given a connected, nonblocking socket, as ``Connections/prepare(_:)`` makes it, on any thread: it must not wait.
  typealias Completion = @Sendable (Result<CInt, Fault>) -> Void

  /// A connection that is being made.
  private struct Attempt {
    /// What is tried, the first of them now.
    var addresses: ArraySlice<Endpoint>
    let namespace: NetworkNamespace?
    let completion: Completion
    var socket: CInt = -1
    /// Whether the thread waits for it.
    var isWatched = false
    /// When the whole of it must be over.
    let end: ContinuousClock.Instant
    /// When the first address must have answered.
    var deadline: ContinuousClock.Instant

    init(_ addresses: ArraySlice<Endpoint>, _ namespace: NetworkNamespace?, _ completion: @escaping Completion) {
      self.addresses = addresses
      self.namespace = namespace
      self.completion = completion
      end = .now + Connector.patience
      deadline = end
    }
  }

  /// How long a connection may take to be made, at all of its addresses together.
  private static let patience = Duration.seconds(5)

  private let queue: CInt
  private let wakeup: CInt
  /// The namespace that the process runs in.
  private let home: CInt
  /// nil once it is stopped.
  private let incoming = Mutex<[Attempt]?>([])
  private let isStopped = Atomic(false)

  /// Those that have to be waited for are made once ``run()`` is called.
  init() throws(SystemError) {
    queue = epoll_create1(CInt(EPOLL_CLOEXEC))
    guard queue >= 0 else { throw SystemError("epoll_create1") }
    wakeup = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
    guard wakeup >= 0 else { throw SystemError("eventfd") }
    home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)
    guard home >= 0 else { throw SystemError("open /proc/self/ns/net") }
    var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data(fd: wakeup))
    guard epoll_ctl(queue, EPOLL_CTL_ADD, wakeup, &event) == 0 else { throw SystemError("epoll_ctl") }
  }

  deinit { for descriptor in [queue, wakeup, home] { close(descriptor) } }

  /// Connects to the first of some addresses that answers. What is made at once is given to `completion` before this returns.
  func connect(to addresses: [Endpoint], in namespace: NetworkNamespace?, _ completion: @escaping Completion) {
    var attempt = Attempt(addresses[...], namespace, completion)
    // Another namespace is for the thread to enter.
    if namespace == nil, advance(&attempt, { _ in }) { return }
    let isTaken = incoming.withLock { incoming in
      incoming?.append(attempt)
      return incoming != nil
    }
    guard isTaken else { return Self.abandon(attempt) }
    eventfd_write(wakeup, 1)
  }

  /// Waits for what is being connected, until ``stop()``. Blocks.
  func run() {
    var attempts: [CInt: Attempt] = [:]
    var events = [epoll_event](repeating: epoll_event(), count: 64)
    var nextSweep = ContinuousClock.now
    var place = ThreadPlace(home: home)
    while !isStopped.load(ordering: .acquiring) {
      let count = epoll_wait(queue, &events, CInt(events.count), attempts.isEmpty ? -1 : 100)
      for event in events.prefix(Int(max(count, 0))) {
        if event.data.fd == wakeup {
          var value: eventfd_t = 0
          eventfd_read(wakeup, &value)
        } else if let attempt = attempts.removeValue(forKey: event.data.fd) {
          proceed(attempt, &attempts, &place)
        }
      }
      let new = incoming.withLock { incoming in
        defer { incoming = [] }
        return incoming ?? []
      }
      for attempt in new { proceed(attempt, &attempts, &place) }
      let now = ContinuousClock.now
      if now >= nextSweep {
        nextSweep = now + .milliseconds(100)
        for (socket, attempt) in attempts where attempt.deadline <= now {
          attempts[socket] = nil
          var attempt = attempt
          if !giveUp(&attempt, "no answer") { proceed(attempt, &attempts, &place) }
        }
      }
      place.leave()
    }
    let rest = incoming.withLock { incoming in
      defer { incoming = nil }
      return incoming ?? []
    }
    for attempt in rest + attempts.values { Self.abandon(attempt) }
  }

  private static func abandon(_ attempt: Attempt) {
    if attempt.socket >= 0 { close(attempt.socket) }
    attempt.completion(.failure(Fault(description: "the relay is being stopped")))
  }

  /// Lets ``run()`` return.
  func stop() {
    isStopped.store(true, ordering: .releasing)
    eventfd_write(wakeup, 1)
  }

  private func proceed(_ attempt: Attempt, _ attempts: inout [CInt: Attempt], _ place: inout ThreadPlace) {
    var attempt = attempt
    let isOver = advance(&attempt) { namespace throws(Fault) in try place.enter(namespace) }
    guard !isOver else { return }
    var event = epoll_event(events: EPOLLOUT.rawValue, data: epoll_data(fd: attempt.socket))
    guard epoll_ctl(queue, EPOLL_CTL_ADD, attempt.socket, &event) == 0 || errno == EEXIST else {
      close(attempt.socket)
      return attempt.completion(.failure(Fault(description: "\(SystemError("epoll_ctl"))")))
    }
    attempt.isWatched = true
    attempts[attempt.socket] = attempt
  }

  /// Goes as far as it can without a wait; whether it is over, and the completion told.
  private func advance(
    _ attempt: inout Attempt, _ enter: (NetworkNamespace?) throws(Fault) -> Void
  ) -> Bool {
    while let address = attempt.addresses.first {
      if attempt.socket < 0 {
        let share = ContinuousClock.now.duration(to: attempt.end) / attempt.addresses.count
        attempt.deadline = .now + share
        do throws(Fault) {
          try enter(attempt.namespace)
          attempt.socket = try Self.begin(address)
        } catch {
          if giveUp(&attempt, error.description) { return true }
          continue
        }
      }
      var state = pollfd(fd: attempt.socket, events: Int16(POLLOUT), revents: 0)
      guard poll(&state, 1, 0) > 0 else { return false }
      var code: CInt = 0
      var length = socklen_t(MemoryLayout<CInt>.size)
      getsockopt(attempt.socket, SOL_SOCKET, SO_ERROR, &code, &length)
      guard code != 0 else {
        if attempt.isWatched { epoll_ctl(queue, EPOLL_CTL_DEL, attempt.socket, nil) }
        attempt.completion(.success(attempt.socket))
        return true
      }
      if giveUp(&attempt, String(cString: strerror(code)).lowercased()) { return true }
    }
    return true
  }

  /// Leaves the address that is tried for the next one; whether there is none, and the completion told.
  private func giveUp(_ attempt: inout Attempt, _ reason: String) -> Bool {
    if attempt.socket >= 0 { close(attempt.socket) }
    attempt.socket = -1
    attempt.isWatched = false
    guard let address = attempt.addresses.popFirst(), attempt.addresses.isEmpty else { return false }
    attempt.completion(.failure(Fault(description: "\(address): \(reason)")))
    return true
  }

  /// In which namespace the thread makes its sockets.
  private struct ThreadPlace {
    let home: CInt
    private var isAway = false

    init(home: CInt) { self.home = home }

    /// - Parameter namespace: nil for the process's own.
    mutating func enter(_ namespace: NetworkNamespace?) throws(Fault) {
      guard let namespace else {
        // Who never leaves needs no right to come back.
        guard isAway else { return }
        guard clinux_enter_network_namespace(home) == 0 else { throw Fault(description: "\(SystemError("setns"))") }
        isAway = false
        return
      }
      isAway = true
      do throws(NetworkNamespaceError) { try namespace.enter() } catch { throw Fault(description: "\(error)") }
    }

    /// So that no network is kept by a thread that has nothing to do there.
    mutating func leave() { if isAway, clinux_enter_network_namespace(home) == 0 { isAway = false } }
  }

  /// A socket that is being connected, in the namespace that the thread is in.
  private static func begin(_ address: Endpoint) throws(Fault) -> CInt {
    let target = SocketAddress(address.address, port: address.port)
    let descriptor: CInt
    do throws(SystemError) {
      descriptor = try NetworkNamespace.socketHere(domain: target.family, type: SOCK_STREAM)
    } catch {
      throw Fault(description: "\(error)")
    }
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    Connections.prepare(descriptor)
    guard target.withPointer({ Glibc.connect(descriptor, $0, $1) }) != 0, errno != EINPROGRESS else {
      return descriptor
    }
    defer { close(descriptor) }
    throw Fault(description: String(cString: strerror(errno)).lowercased())
  }
}
