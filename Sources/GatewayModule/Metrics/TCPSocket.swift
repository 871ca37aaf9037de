import CLinux
import Glibc
import ProxyConfig
import System

/// What the kernel told of one TCP socket.
struct TCPSocket: Hashable, Sendable {
  /// Which of all sockets since the machine's start it is.
  let cookie: UInt64
  /// The other end.
  let remote: Endpoint
  /// Payload that went to the other end, as requests, and that came from there, as responses.
  ///
  /// Sent is what was sent at least once: `tcpi_bytes_sent` without `tcpi_bytes_retrans`. `tcpi_bytes_acked` is no measure, as
  /// it also counts the SYN and the FIN. Received is `tcpi_bytes_received` without the FIN that the other end sent, which the
  /// kernel counts as a byte. A socket that is gone does not tell whether there was one, so it is taken for granted: a
  /// connection that was reset, or that Traefik ended before the backend did, is one byte short, and none is ever too large.
  let bytes: ByteCount
  /// What of the received bytes was not read, and never will be when the socket is closed.
  let unread: Double

  init(cookie: UInt64, remote: Endpoint, bytes: ByteCount, unread: Double = 0) {
    self.cookie = cookie
    self.remote = remote
    self.bytes = bytes
    self.unread = unread
  }

  /// The bytes without those that were not read.
  var readBytes: ByteCount {
    ByteCount(request: bytes.request, response: max(0, bytes.response - unread))
  }

  /// `nil` for a socket without a peer.
  init?(_ socket: clinux_tcp_socket) {
    let bytes = withUnsafeBytes(of: socket.address) { IPAddress(bytes: $0.prefix(socket.is_ipv6 ? 16 : 4)) }
    guard let address = bytes, socket.port > 0 else { return nil }
    let hadFIN = Self.statesAfterFIN.contains(CInt(socket.state)) && socket.received > 0
    self.init(
      cookie: socket.cookie, remote: Endpoint(address: address, port: socket.port),
      bytes: ByteCount(request: Double(socket.sent), response: Double(socket.received - (hadFIN ? 1 : 0))),
      unread: Double(socket.unread))
  }

  private static let statesAfterFIN = Set([TCP_CLOSE, TCP_CLOSE_WAIT, TCP_LAST_ACK, TCP_CLOSING].map(CInt.init))
}
