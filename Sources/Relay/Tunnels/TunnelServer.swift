import Glibc
import Logging
import NIOCore
import NIOPosix
import Records
import Synchronization
import System

/// Takes connections for tunnels: of clients that dial in, and of whoever comes to a tunnel's address.
final class TunnelServer: Sendable {
  private let table: TunnelTable
  private let group: any EventLoopGroup
  private let limits: RelayLimits
  /// Connections, of both kinds.
  private let connections = Atomic<Int>(0)
  private let logger: Logger

  init(_ table: TunnelTable, group: any EventLoopGroup, limits: RelayLimits, logger: Logger) {
    self.table = table
    self.group = group
    self.limits = limits
    self.logger = logger
  }

  var connectionCount: Int { connections.load(ordering: .relaxed) }

  /// A client dials in.
  func takeClient(_ accepted: Listeners.Accepted) {
    guard table.strangers.load(ordering: .relaxed) < limits.strangers else { return Self.refuse(accepted.socket) }
    adopt(accepted, on: group.next(), reading: true) { [table, logger] channel in
      try channel.pipeline.syncOperations.addHandler(
        TunnelSession.handler(table, channel: channel, remote: accepted.remote, logger: logger))
    }
  }

  /// Something comes to the loopback: to a tunnel's address, or, of a client, by way of Traefik to the door.
  func takeLocal(_ accepted: Listeners.Accepted) {
    guard accepted.local.address != TunnelAddress.door else { return takeByProxy(accepted) }
    guard let session = table.session(behind: accepted.local) else { return Self.refuse(accepted.socket) }
    let isTaken = adopt(accepted, on: session.eventLoop, reading: false) { [limits] channel in
      let user = SocketEnd(counters: session.counters)
      try channel.pipeline.syncOperations.addHandler(user)
      let stillThere = session.counters.streams.load(ordering: .relaxed) <= limits.streamsOfTunnel
      guard stillThere, let stream = session.onLoop.open(for: user) else { return user.reset() }
      user.join(stream)
    } onClose: {
      session.streams.subtract(1, ordering: .relaxed)
    }
    if !isTaken { session.streams.subtract(1, ordering: .relaxed) }
  }

  private func takeByProxy(_ accepted: Listeners.Accepted) {
    guard table.strangers.load(ordering: .relaxed) < limits.strangers else { return Self.refuse(accepted.socket) }
    adopt(accepted, on: group.next(), reading: true) { [table, logger] channel in
      try channel.pipeline.syncOperations.addHandler(
        ProxiedClient { channel, client in
          TunnelSession.handler(table, channel: channel, remote: client ?? accepted.remote, logger: logger)
        })
    }
  }

  /// Makes a channel of a socket.
  ///
  /// - Returns: false when there are too many; then it is closed.
  @discardableResult
  private func adopt(
    _ accepted: Listeners.Accepted, on eventLoop: any EventLoop, reading: Bool,
    _ initialize: @escaping @Sendable (any Channel) throws -> Void, onClose: @escaping @Sendable () -> Void = {}
  ) -> Bool {
    guard connections.add(1, ordering: .relaxed).newValue <= limits.connections else {
      connections.subtract(1, ordering: .relaxed)
      Self.refuse(accepted.socket)
      return false
    }
    var on: CInt = 1
    setsockopt(accepted.socket, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
    setsockopt(accepted.socket, SOL_SOCKET, SO_KEEPALIVE, &on, socklen_t(MemoryLayout<CInt>.size))
    if reading {
      // On a slow line an answer to a ping is not to stand behind megabytes in the kernel.
      var unsent: CInt = 256 << 10
      setsockopt(accepted.socket, CInt(IPPROTO_TCP), TCP_NOTSENT_LOWAT, &unsent, socklen_t(MemoryLayout<CInt>.size))
    }
    ClientBootstrap(group: eventLoop)
      // A session has no halves.
      .channelOption(.allowRemoteHalfClosure, value: !reading)
      .channelOption(.autoRead, value: reading)
      .channelOption(.maxMessagesPerRead, value: UInt(reading ? 4 : 1))
      .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 64 << 10))
      .channelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: (reading ? 256 : 64) << 10))
      .channelInitializer { channel in
        channel.closeFuture.whenComplete { [self] _ in
          connections.subtract(1, ordering: .relaxed)
          onClose()
        }
        return channel.eventLoop.makeCompletedFuture { try initialize(channel) }
      }
      .withConnectedSocket(accepted.socket)
      .whenFailure { [logger] error in
        logger.debug("connection was gone", metadata: ["from": "\(accepted.remote)", "reason": "\(error)"])
      }
    return true
  }

  /// Closes a connection so that its peer sees that it was no orderly end.
  static func refuse(_ socket: CInt) {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close(socket)
  }
}

/// Waits for Traefik's header, and then lets the client in.
private final class ProxiedClient: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let handler: (any Channel, Endpoint?) -> YamuxConnection
  private var bytes = ByteBuffer()
  private var timer: Scheduled<Void>?

  init(_ handler: @escaping (any Channel, Endpoint?) -> YamuxConnection) { self.handler = handler }

  func handlerAdded(context: ChannelHandlerContext) {
    let channel = context.channel
    timer = context.eventLoop.scheduleTask(in: TunnelSession.patience) { channel.close(promise: nil) }
  }

  func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    bytes.writeImmutableBuffer(unwrapInboundIn(data))
    do {
      guard let (client, _) = try ProxyHeader.take(from: &bytes) else { return }
      try context.pipeline.syncOperations.addHandler(handler(context.channel, client), position: .after(self))
      if bytes.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(bytes)) }
      context.pipeline.syncOperations.removeHandler(self, promise: nil)
    } catch {
      context.close(promise: nil)
    }
  }
}

/// How much the relay takes on.
public struct RelayLimits: Sendable {
  /// Connections in all, of clients and of users.
  public var connections = 20_000
  /// Clients that have not shown a secret yet, or a wrong one.
  public var strangers = 1000
  /// Streams of one tunnel.
  public var streamsOfTunnel = 4096

  public init() {}
}
