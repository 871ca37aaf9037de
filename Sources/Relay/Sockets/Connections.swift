import Glibc
import Logging
import NIOCore
import NIOPosix
import System

/// The TCP connections of a relay: how many there may be, and how a socket becomes one on an event loop.
struct Connections: Sendable {
  enum Kind {
    /// Of a tunnel's client. It is read at all times, and has no halves.
    case session
    /// Of a user, or of what a user is carried to. It is read as fast as its other end takes.
    case stream
  }

  /// Each has one for as long as it is there.
  let places: Places
  private let logger: Logger

  init(limit: Int, logger: Logger) {
    places = Places(limit: limit)
    self.logger = logger
  }

  /// Makes a channel of a socket of ``Listeners``, which it then owns.
  ///
  /// - Parameters:
  ///   - held: kept until the channel is closed.
  ///   - initialize: adds its handlers. It throws when the channel is to be closed, which it must not do itself: NIO takes it for open
  ///     afterwards.
  func adopt(
    _ socket: CInt, as kind: Kind, on eventLoop: any EventLoop, holding held: [Places.Place],
    _ initialize: @escaping @Sendable (any Channel) throws -> Void
  ) {
    let isSession = kind == .session
    if isSession {
      // What is sent last, why it ends, is to arrive.
      Self.setAbrupt(socket, false)
      // On a slow line an answer to a ping is not to stand behind megabytes in the kernel.
      var unsent: CInt = 256 << 10
      setsockopt(socket, CInt(IPPROTO_TCP), TCP_NOTSENT_LOWAT, &unsent, socklen_t(MemoryLayout<CInt>.size))
    }
    ClientBootstrap(group: eventLoop)
      .channelOption(.allowRemoteHalfClosure, value: !isSession)
      .channelOption(.autoRead, value: isSession)
      .channelOption(.maxMessagesPerRead, value: UInt(isSession ? 4 : 1))
      .channelOption(.recvAllocator, value: Self.buffers)
      .channelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: (isSession ? 256 : 64) << 10))
      .channelInitializer { channel in
        channel.closeFuture.whenComplete { _ in withExtendedLifetime(held) {} }
        return channel.eventLoop.makeCompletedFuture { try initialize(channel) }
      }
      .withConnectedSocket(socket)
      .whenFailure { [logger] error in logger.debug("connection was gone", metadata: ["reason": "\(error)"]) }
  }

  /// What is read into. Each channel keeps a buffer: one by which little comes keeps a small one.
  static var buffers: AdaptiveRecvByteBufferAllocator { .init(minimum: 1 << 10, initial: 4 << 10, maximum: 64 << 10) }

  /// Makes a socket what those by which bytes are carried are: what is written is sent at once, peers that have vanished are noticed
  /// some day, and it ends abruptly. Those that are accepted are as their listener is.
  static func prepare(_ socket: CInt) {
    var on: CInt = 1
    setsockopt(socket, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
    setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, socklen_t(MemoryLayout<CInt>.size))
    setAbrupt(socket, true)
  }

  /// Closes a socket so that its peer sees that it was no orderly end.
  static func refuse(_ socket: CInt) {
    setAbrupt(socket, true)
    close(socket)
  }

  static func abrupt(_ isAbrupt: Bool) -> linger { linger(l_onoff: isAbrupt ? 1 : 0, l_linger: 0) }

  /// Whether the peer is to see, when a socket is closed, that it was no orderly end. Of sockets by which users' bytes go that is so
  /// until all has gone: this process may be killed, and then what is missing must not look like the end.
  static func setAbrupt(_ socket: CInt, _ isAbrupt: Bool) {
    var option = abrupt(isAbrupt)
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }
}
