import CLinux
import Glibc
import Logging
import Synchronization
import System

/// Sockets that listen, in whatever network namespace, and a thread that accepts what comes to any of them.
///
/// What is accepted is handed over as a socket, so that whoever takes it can choose the event loop: NIO's own acceptor could not,
/// nor make its sockets in another namespace.
final class Listeners: Sendable {
  /// A connection that was accepted.
  struct Accepted: Sendable {
    /// Nonblocking, and as ``Connections/prepare(_:)`` makes it; closed by whoever takes it.
    let socket: CInt
    /// Where it came in.
    let local: Endpoint
    /// Where it came from.
    let remote: Endpoint
  }

  /// What has been opened by ``Listeners/listen(on:port:device:in:_:)``.
  typealias Listener = CInt

  private let queue: CInt
  private let wakeup: CInt
  private let handlers = Mutex<[Listener: @Sendable (Accepted) -> Void]>([:])
  private let isStopped = Atomic(false)
  private let logger: Logger

  /// Connections are accepted once ``run()`` is called.
  init(logger: Logger) throws(SystemError) {
    queue = epoll_create1(CInt(EPOLL_CLOEXEC))
    guard queue >= 0 else { throw SystemError("epoll_create1") }
    wakeup = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
    guard wakeup >= 0 else { throw SystemError("eventfd") }
    self.logger = logger
    try add(wakeup)
  }

  deinit {
    for listener in handlers.withLock({ $0.keys }) { Glibc.close(listener) }
    Glibc.close(queue)
    Glibc.close(wakeup)
  }

  private func add(_ descriptor: CInt) throws(SystemError) {
    var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data(fd: descriptor))
    guard epoll_ctl(queue, EPOLL_CTL_ADD, descriptor, &event) == 0 else { throw SystemError("epoll_ctl") }
  }

  /// Listens from now on.
  ///
  /// - Parameters:
  ///   - address: nil for all of the machine, of IPv4 and IPv6.
  ///   - device: the only one by which connections may come; nil for any.
  ///   - namespace: in which to listen; nil for the process's own.
  ///   - handler: takes a connection, on a thread that accepts the others as well.
  func listen(
    on address: ListenAddress, device: String? = nil, in namespace: NetworkNamespace? = nil,
    _ handler: @escaping @Sendable (Accepted) -> Void
  ) throws -> Listener {
    // Of all addresses, those of IPv4 are such of IPv6 as well.
    let any = IPAddress(bytes: [UInt8](repeating: 0, count: device == nil ? 16 : 4))!
    let target = SocketAddress(address.address ?? any, port: address.port)
    let socket = try NetworkNamespace.socket(in: namespace, domain: target.family, type: SOCK_STREAM)
    do throws(SystemError) {
      try Self.set(SO_REUSEADDR, of: socket, to: 1)
      Connections.prepare(socket)
      if let device, setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, device, socklen_t(device.utf8.count)) != 0 {
        throw SystemError("setsockopt SO_BINDTODEVICE")
      }
      if target.family == AF_INET6 {
        var only: CInt = address.address == nil ? 0 : 1
        setsockopt(socket, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &only, socklen_t(MemoryLayout<CInt>.size))
      }
      guard target.withPointer({ bind(socket, $0, $1) }) == 0 else { throw SystemError("bind") }
      guard Glibc.listen(socket, 4096) == 0 else { throw SystemError("listen") }
      _ = fcntl(socket, F_SETFL, O_NONBLOCK)
      handlers.withLock { $0[socket] = handler }
      try add(socket)
      return socket
    } catch {
      handlers.withLock { $0[socket] = nil }
      Glibc.close(socket)
      throw error
    }
  }

  static func set(_ option: CInt, of socket: CInt, to value: CInt) throws(SystemError) {
    var value = value
    guard setsockopt(socket, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<CInt>.size)) == 0 else {
      throw SystemError("setsockopt")
    }
  }

  /// Takes no further connections there.
  func close(_ listener: Listener) {
    guard handlers.withLock({ $0.removeValue(forKey: listener) }) != nil else { return }
    epoll_ctl(queue, EPOLL_CTL_DEL, listener, nil)
    Glibc.close(listener)
  }

  /// Takes no further connections anywhere.
  func closeAll() {
    for listener in handlers.withLock({ $0.keys }) { close(listener) }
  }

  /// Accepts connections until ``stop()``. Blocks.
  func run() {
    var events = [epoll_event](repeating: epoll_event(), count: 64)
    // Kept for when there is no other descriptor: whoever waits then is told at once that there is nothing for him.
    var spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
    var hasComplained = false
    while !isStopped.load(ordering: .acquiring) {
      let count = epoll_wait(queue, &events, CInt(events.count), -1)
      for event in events.prefix(Int(max(count, 0))) where event.data.fd != wakeup {
        switch accept(at: event.data.fd) {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM:
          if !hasComplained { logger.error("connections are refused: no descriptors are left") }
          hasComplained = true
          Glibc.close(spare)
          let socket = clinux_accept(event.data.fd, nil, nil)
          if socket >= 0 { Glibc.close(socket) }
          spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
        case 0: hasComplained = false
        default: break
        }
      }
    }
    Glibc.close(spare)
  }

  /// Lets ``run()`` return.
  func stop() {
    isStopped.store(true, ordering: .releasing)
    eventfd_write(wakeup, 1)
  }

  /// Accepts what is there, some of it at least; what went wrong, or 0.
  private func accept(at listener: Listener) -> CInt {
    for _ in 0..<64 {
      var remote = sockaddr_storage()
      let socket = remote.filled(by: { clinux_accept(listener, $0, $1) })
      guard socket >= 0 else { return errno == EAGAIN ? 0 : errno }
      guard let handler = handlers.withLock({ $0[listener] }), let from = Endpoint(remote),
        let to = Endpoint(near: socket)
      else {
        Glibc.close(socket)
        continue
      }
      handler(Accepted(socket: socket, local: to, remote: from))
    }
    return 0
  }
}
