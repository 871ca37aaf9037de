import Glibc
import NIOCore
import NIOPosix
import System

/// A subscription to the TCP sockets that are closed in a network namespace, served by NIO's event loop.
final class ClosedSockets: Sendable {
  private let channel: any Channel
  /// The same socket again, to ask it for its drops; NIO has one of its own.
  private let descriptor: CInt
  private let namespace: NetworkNamespace?
  private let inode: UInt64?

  /// - Parameter body: is told of each closed socket, on an event loop, so it must be quick.
  static func follow(
    _ diagnostics: SocketDiagnostics, _ body: @escaping @Sendable (TCPSocket) -> Void
  ) async throws -> ClosedSockets {
    // Looked at first: should the name get another namespace meanwhile, that is seen as a change.
    let inode = diagnostics.namespace?.inode
    let descriptor = try await NIOThreadPool.singleton.runIfActive { try diagnostics.subscribe() }
    do {
      let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
      guard copy >= 0 else { throw SystemError("fcntl") }
      let channel: any Channel
      do {
        channel = try await NIOPipeBootstrap(group: .singletonMultiThreadedEventLoopGroup)
          .channelOption(
            .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: SocketDiagnostics.messageSize)
          )
          .channelOption(.maxMessagesPerRead, value: 64)
          .channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(SocketReader(body)) }
          }
          .takingOwnershipOfDescriptor(input: copy)
          .get()
      } catch {
        close(copy)
        throw error
      }
      return ClosedSockets(channel, descriptor, diagnostics.namespace, inode)
    } catch {
      close(descriptor)
      throw error
    }
  }

  private init(_ channel: any Channel, _ descriptor: CInt, _ namespace: NetworkNamespace?, _ inode: UInt64?) {
    self.channel = channel
    self.descriptor = descriptor
    self.namespace = namespace
    self.inode = inode
  }

  deinit {
    channel.close(promise: nil)
    close(descriptor)
  }

  /// Whether it still tells of everything: the namespace is the one that has its name, and nothing failed.
  var isCurrent: Bool {
    channel.isActive && namespace?.inode == inode
  }

  /// How many sockets it could not tell of.
  var drops: Int { SocketDiagnostics.drops(of: descriptor) }

  private final class SocketReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let body: (TCPSocket) -> Void

    init(_ body: @escaping (TCPSocket) -> Void) {
      self.body = body
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      do throws(SystemError) {
        _ = try unwrapInboundIn(data).withUnsafeReadableBytes { (bytes) throws(SystemError) in
          try SocketDiagnostics.read(bytes[...], body)
        }
      } catch {
        context.close(promise: nil)
      }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      context.close(promise: nil)
    }
  }
}
