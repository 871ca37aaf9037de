public import Logging
public import NIOCore
import NIOPosix
public import ServiceLifecycle
public import System

/// The client of a tunnel, for the machine at home: dials all servers, and dials again whatever ends.
public struct TunnelClient: Service {
  public struct Configuration: Sendable {
    public var servers: [TunnelServerURL]
    public var secret: TunnelSecret
    /// Where the application is.
    public var local: Endpoint
    /// Where it takes TLS, when that is another place.
    public var localTLS: Endpoint?
    /// Whether the servers are tcprouter's, which do not answer a handshake.
    public var isTCPRouter = false

    public init(servers: [TunnelServerURL], secret: TunnelSecret, local: Endpoint, localTLS: Endpoint?) {
      self.servers = servers
      self.secret = secret
      self.local = local
      self.localTLS = localTLS
    }
  }

  /// No server knows the secret.
  public struct Refused: Error, CustomStringConvertible {
    public let description: String
  }

  /// How long open connections may go on after it is told to stop.
  private static let patience = TimeAmount.seconds(10)

  private let configuration: Configuration
  private let secure: @Sendable (any Channel, TunnelServerURL) throws -> Void
  private let logger: Logger

  /// - Parameter secure: adds TLS to a connection, before anything else is on it.
  public init(
    _ configuration: Configuration, logger: Logger,
    secure: @escaping @Sendable (any Channel, TunnelServerURL) throws -> Void
  ) {
    self.configuration = configuration
    self.secure = secure
    self.logger = logger
  }

  /// - Throws: ``Refused`` when every server has refused the secret.
  public func run() async throws {
    let refusals = await cancelWhenGracefulShutdown { [self] in
      await withTaskGroup(of: String?.self) { tasks in
        for server in configuration.servers { tasks.addTask { await serve(server) } }
        return await tasks.reduce(into: []) { $0.append($1) }
      }
    }
    if !refusals.contains(nil), let reason = refusals.first {
      throw Refused(description: reason ?? "")
    }
  }

  /// Keeps a session with one server, until the task is cancelled.
  ///
  /// - Returns: why the server refused the secret; nil when it did not.
  private func serve(_ server: TunnelServerURL) async -> String? {
    var failures = 0
    while !Task.isCancelled {
      let ending: TunnelClientSession.Ending
      do {
        ending = try await session(with: server)
      } catch {
        ending = .lost("\(Self.reason(error))", wasConnected: false)
      }
      switch ending {
      case .refused(let reason):
        logger.error("refused", metadata: ["server": "\(server)", "reason": "\(reason)"])
        return "\(server): \(reason)"
      case .lost(let reason, let wasConnected):
        guard !Task.isCancelled else {
          logger.debug("session is over", metadata: ["server": "\(server)", "reason": "\(reason)"])
          return nil
        }
        failures = wasConnected ? 0 : failures + 1
        // From 0.5 to 1 s at first.
        let longest = min(Double(1 << min(failures, 5)), 30)
        let pause = Double.random(in: longest / 2...longest)
        if wasConnected || failures == 1 {
          logger.warning("not connected, trying again", metadata: ["server": "\(server)", "reason": "\(reason)"])
        } else {
          logger.debug("not connected", metadata: ["server": "\(server)", "reason": "\(reason)"])
        }
        try? await Task.sleep(for: .seconds(pause))
      }
    }
    return nil
  }

  private static func reason(_ error: any Error) -> any Error {
    (error as? NIOConnectionError)?.connectionErrors.first?.error ?? error
  }

  /// One session, from its connection to its end.
  private func session(with server: TunnelServerURL) async throws -> TunnelClientSession.Ending {
    let (channel, ending, connection) = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connectTimeout(.seconds(10))
      .channelOption(.recvAllocator, value: Connections.buffers)
      .channelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
      .connect(host: server.host, port: Int(server.port)) { [configuration, secure, logger] channel in
        channel.eventLoop.makeCompletedFuture {
          let ending = channel.eventLoop.makePromise(of: TunnelClientSession.Ending.self)
          // Whatever becomes of the connection, also when it is never made.
          channel.closeFuture.whenComplete { _ in ending.succeed(.lost("it closed the connection", wasConnected: false))
          }
          if server.isSecure { try secure(channel, server) }
          let application = LocalApplication(plain: configuration.local, tls: configuration.localTLS, logger: logger)
          let connection = TunnelClientSession.handler(
            configuration, server, on: channel, application: application, ending: ending, logger: logger)
          try channel.pipeline.syncOperations.addHandler(connection)
          return (channel, ending.futureResult, NIOLoopBound(connection, eventLoop: channel.eventLoop))
        }
      }
    return try await withTaskCancellationHandler {
      try await ending.get()
    } onCancel: {
      channel.eventLoop.execute { connection.value.leave(within: Self.patience) }
    }
  }
}
