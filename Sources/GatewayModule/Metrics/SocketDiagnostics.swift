import CLinux
import Glibc
import System

/// The TCP sockets of a network namespace, as sock_diag(7) tells of them. Takes no privilege but that for entering the
/// namespace.
struct SocketDiagnostics: Sendable {
  /// Of one read, in bytes: more than the kernel puts into one message.
  static let messageSize = 64 * 1024
  /// How long the kernel may take for the next part of a dump.
  private static let limit = timeval(tv_sec: 5, tv_usec: 0)

  /// `nil` for the one that the process runs in.
  let namespace: NetworkNamespace?
  /// In bytes, for messages about closed sockets that were not yet read: some thousands of them. Without CAP_NET_ADMIN the
  /// kernel gives no more than `net.core.rmem_max`.
  var bufferSize: CInt = 4 * 1024 * 1024

  /// A netlink socket that from now on gets a message for each TCP socket that is closed for good. The caller closes it.
  func subscribe() throws -> CInt {
    let descriptor = try socket()
    guard clinux_sock_diag_subscribe(descriptor, bufferSize) == 0 else {
      let error = SystemError("sock_diag subscription")
      close(descriptor)
      throw error
    }
    return descriptor
  }

  /// How many messages a subscription had no room for, because sockets were closed faster than they were read.
  static func drops(of subscription: CInt) -> Int {
    var drops: UInt32 = 0
    return clinux_sock_diag_drops(subscription, &drops) == 0 ? Int(drops) : 0
  }

  /// All TCP sockets with a peer that satisfy `isWanted`. Waits for the kernel.
  func openSockets(where isWanted: (TCPSocket) -> Bool) throws -> [TCPSocket] {
    let descriptor = try socket()
    defer { close(descriptor) }
    var limit = Self.limit
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var sockets: [TCPSocket] = []
    try withUnsafeTemporaryAllocation(byteCount: Self.messageSize, alignment: 8) { buffer in
      for family in [AF_INET, AF_INET6] {
        guard clinux_sock_diag_dump(descriptor, family) == 0 else { throw SystemError("sock_diag dump") }
        var isDone = false
        while !isDone {
          let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
          if count < 0, errno == EINTR { continue }
          guard count > 0 else { throw SystemError("sock_diag dump") }
          isDone = try Self.read(UnsafeRawBufferPointer(buffer).prefix(count)) {
            if isWanted($0) { sockets.append($0) }
          }
        }
      }
    }
    return sockets
  }

  /// Reads what one read of a netlink socket returned; true when a dump ends with it.
  static func read(
    _ messages: Slice<UnsafeRawBufferPointer>, _ body: (TCPSocket) -> Void
  ) throws(SystemError) -> Bool {
    guard let start = UnsafeRawBufferPointer(rebasing: messages).baseAddress else { return false }
    var offset = 0
    var socket = clinux_tcp_socket()
    while true {
      switch clinux_sock_diag_next(start, messages.count, &offset, &socket) {
      case clinux_sock_diag_socket: TCPSocket(socket).map(body)
      case clinux_sock_diag_done: return true
      case clinux_sock_diag_error: throw SystemError("sock_diag")
      default: return false
      }
    }
  }

  private func socket() throws -> CInt {
    try NetworkNamespace.socket(
      in: namespace, domain: clinux_af_netlink, type: SOCK_RAW, protocol: clinux_netlink_sock_diag)
  }
}
