import Logging
public import NIOCore
import System

/// Takes connections for tunnels: of clients that dial in, and of whoever comes to a tunnel's address.
final class TunnelServer: Sendable {
  private let table: TunnelTable
  private let group: any EventLoopGroup
  private let connections: Connections
  private let limits: RelayLimits
  private let logger: Logger

  init(
    _ table: TunnelTable, group: any EventLoopGroup, connections: Connections, limits: RelayLimits, logger: Logger
  ) {
    self.table = table
    self.group = group
    self.connections = connections
    self.limits = limits
    self.logger = logger
  }

  /// A client dials in.
  func takeClient(_ accepted: Listeners.Accepted) {
    guard let stranger = table.stranger(from: accepted.remote.address), let place = connections.places.take() else {
      return Connections.refuse(accepted.socket)
    }
    connections.adopt(accepted.socket, as: .session, on: group.next(), holding: [place]) { [table, logger] channel in
      try channel.pipeline.syncOperations.addHandler(
        TunnelSession.handler(stranger, of: table, channel: channel, remote: accepted.remote, logger: logger))
    }
  }

  /// Something comes to the loopback: to a tunnel's address, or, of a client, by way of Traefik to the door.
  func takeLocal(_ accepted: Listeners.Accepted) {
    guard accepted.local.address != TunnelAddress.door else { return takeByProxy(accepted) }
    guard let place = connections.places.take(), let session = table.session(behind: accepted.local) else {
      return Connections.refuse(accepted.socket)
    }
    carry(accepted.socket, to: session, counting: [], holding: [place])
  }

  /// Carries a connection to a tunnel's client.
  ///
  /// - Parameters:
  ///   - counters: of what else it is a stream.
  ///   - held: kept until the connection is closed.
  ///   - onChannel: is given its channel; throws when it is to be closed at once.
  func carry(
    _ socket: CInt, to session: TunnelTable.Chosen, counting counters: [StreamCounters], holding held: [Places.Place],
    onChannel: @escaping @Sendable (any Channel) throws -> Void = { _ in }
  ) {
    let handle = session.handle
    connections.adopt(socket, as: .stream, on: handle.eventLoop, holding: held + [session.place]) { [limits] channel in
      let user = SocketEnd(counters: counters + [handle.counters], idle: limits.idle)
      try channel.pipeline.syncOperations.addHandler(user)
      try onChannel(channel)
      guard handle.counters.streams.count <= limits.streamsOfTunnel, let stream = handle.onLoop.open(for: user)
      else { throw RelayFault(description: "the tunnel of \(handle.workload) takes no further stream") }
      user.join(stream)
    }
  }

  private func takeByProxy(_ accepted: Listeners.Accepted) {
    guard let place = connections.places.take() else { return Connections.refuse(accepted.socket) }
    connections.adopt(accepted.socket, as: .session, on: group.next(), holding: [place]) { [table, logger] channel in
      try channel.pipeline.syncOperations.addHandler(
        ProxiedClient { channel, client in
          let remote = client ?? accepted.remote
          guard let stranger = table.stranger(from: remote.address) else { return nil }
          return TunnelSession.handler(stranger, of: table, channel: channel, remote: remote, logger: logger)
        })
    }
  }
}

/// Waits for Traefik's header, and then lets the client in.
private final class ProxiedClient: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  /// nil for a client that is not let in.
  private let handler: (any Channel, Endpoint?) -> YamuxConnection?
  private var bytes = ByteBuffer()
  private var timer: Scheduled<Void>?

  init(_ handler: @escaping (any Channel, Endpoint?) -> YamuxConnection?) { self.handler = handler }

  func handlerAdded(context: ChannelHandlerContext) {
    let channel = context.channel
    timer = context.eventLoop.scheduleTask(in: TunnelSession.patience) { channel.close(promise: nil) }
  }

  func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    bytes.writeImmutableBuffer(unwrapInboundIn(data))
    do {
      guard let (client, _) = try ProxyHeader.take(from: &bytes) else { return }
      guard let handler = handler(context.channel, client) else { return context.close(promise: nil) }
      try context.pipeline.syncOperations.addHandler(handler, position: .after(self))
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
  /// Those of one address; of IPv6, of one network of 64 bits.
  public var strangersOfOrigin = 64
  /// Streams of one tunnel.
  public var streamsOfTunnel = 4096
  /// Connections of one pipe.
  public var connectionsOfPipe = 4096
  /// How long a stream may carry nothing; nil for as long as it likes.
  public var idle: TimeAmount?

  public init() {}
}
