import Logging
import NIOCore
import NIOPosix
import System

/// What a client does once it has dialled in: it says its secret, and joins each stream that the relay opens to a connection to the
/// local application.
final class TunnelClientSession: YamuxConnection.Delegate {
  /// How a session ended.
  enum Ending: Sendable {
    /// It was never let in: there is no such secret.
    case refused(String)
    /// It has been let in, or not; the next may be.
    case lost(String, wasConnected: Bool)
  }

  private let configuration: TunnelClient.Configuration
  private let server: TunnelServerURL
  private let channel: any Channel
  private let ending: EventLoopPromise<Ending>
  private let counters = StreamCounters()
  private let application: LocalApplication
  private let logger: Logger
  private var connection: YamuxConnection?
  private var isConnected = false
  private var refusal: Ending?
  private var answer = ByteBuffer()

  /// - Parameter ending: fulfilled when the session is over.
  static func handler(
    _ configuration: TunnelClient.Configuration, _ server: TunnelServerURL, on channel: any Channel,
    application: LocalApplication, ending: EventLoopPromise<Ending>, logger: Logger
  ) -> YamuxConnection {
    let session = TunnelClientSession(configuration, server, channel, application, ending, logger)
    var limits = YamuxSession.Limits()
    limits.streams = 1 << 14
    let connection = YamuxConnection(.client, limits: limits, delegate: session)
    session.connection = connection
    return connection
  }

  private init(
    _ configuration: TunnelClient.Configuration, _ server: TunnelServerURL, _ channel: any Channel,
    _ application: LocalApplication, _ ending: EventLoopPromise<Ending>, _ logger: Logger
  ) {
    self.configuration = configuration
    self.server = server
    self.channel = channel
    self.application = application
    self.ending = ending
    self.logger = logger
  }

  // MARK: The session

  func sessionBegan() {
    guard let stream = connection?.open(for: Handshaking(self)) else { return }
    let version: TunnelHandshake.Version = configuration.isTCPRouter ? .first : .second
    stream.send(TunnelHandshake.bytes(version, configuration.secret))
    stream.finish()
    if configuration.isTCPRouter { accepted() }
  }

  func sessionOpened(_ stream: TunnelStream) -> (any StreamEnd)? {
    guard isConnected else { return nil }
    let end = application.end(for: stream, counters: counters, on: channel.eventLoop)
    return end
  }

  /// What is open goes on; the next server, or the same one again, is dialled by whoever waits for the ending.
  func sessionWentAway() {
    guard isConnected else { return }
    logger.info("the server goes away: open connections go on there", metadata: ["server": "\(server)"])
    ending.succeed(.lost("it goes away", wasConnected: true))
  }

  func sessionEnded(_ error: (any Error)?) {
    connection = nil
    ending.succeed(refusal ?? .lost(error.map { "\($0)" } ?? "it closed the connection", wasConnected: isConnected))
  }

  private func accepted() {
    isConnected = true
    logger.info("connected", metadata: ["server": "\(server)"])
  }

  /// The relay has answered the handshake, some of it at least.
  fileprivate func take(_ data: ByteBuffer) {
    answer.writeImmutableBuffer(data)
    guard !isConnected, refusal == nil, let code: UInt8 = answer.getInteger(at: answer.readerIndex),
      let length: UInt8 = answer.getInteger(at: answer.readerIndex + 1),
      let text = answer.getString(at: answer.readerIndex + 2, length: Int(length))
    else { return }
    switch TunnelHandshake.Answer(rawValue: code) {
    case .accepted: accepted()
    case .unknownSecret: refusal = .refused(text)
    default: refusal = .lost(text, wasConnected: false)
    }
  }

  /// The end of the stream on which the handshake goes.
  private final class Handshaking: StreamEnd {
    private let session: TunnelClientSession

    init(_ session: TunnelClientSession) { self.session = session }

    var takesMore: Bool { true }
    func send(_ data: ByteBuffer) { session.take(data) }
    func flush() {}
    func finish() {}
    func reset() {}
    func resume() {}
  }
}

/// What a client carries connections to.
final class LocalApplication {
  private let plain: Endpoint
  private let tls: Endpoint?
  private let logger: Logger
  /// Whether it did not answer last time.
  private var isAway = false

  init(plain: Endpoint, tls: Endpoint?, logger: Logger) {
    self.plain = plain
    self.tls = tls
    self.logger = logger
  }

  /// Connects to it, for a stream that has been opened.
  fileprivate func end(
    for stream: TunnelStream, counters: StreamCounters, on eventLoop: any EventLoop
  ) -> any StreamEnd {
    let end = Connecting(self, stream, counters, eventLoop)
    // Who speaks first is not known, unless what is said first decides where it goes.
    if tls == nil { end.connect(to: plain) }
    return end
  }

  fileprivate func noteAnswer(_ error: (any Error)?, at endpoint: Endpoint) {
    guard isAway != (error != nil) else { return }
    isAway = error != nil
    if let error {
      logger.error("the local application does not answer", metadata: ["local": "\(endpoint)", "reason": "\(error)"])
    } else {
      logger.notice("the local application answers again", metadata: ["local": "\(endpoint)"])
    }
  }

  /// Keeps what comes until there is a connection to the application.
  private final class Connecting: StreamEnd {
    private let application: LocalApplication
    private let counters: StreamCounters
    private let eventLoop: any EventLoop
    private var stream: TunnelStream?
    /// As a copy, for it may wait for long.
    private var waiting = ByteBuffer()
    private var isFinished = false
    private var isConnecting = false

    init(
      _ application: LocalApplication, _ stream: TunnelStream, _ counters: StreamCounters, _ eventLoop: any EventLoop
    ) {
      self.application = application
      self.stream = stream
      self.counters = counters
      self.eventLoop = eventLoop
    }

    var takesMore: Bool { false }

    func send(_ data: ByteBuffer) {
      waiting.writeImmutableBuffer(data)
      guard !isConnecting, let tls = application.tls, let first = data.readableBytesView.first else { return }
      // A TLS record of the handshake (RFC 8446, section 5.1).
      connect(to: first == 0x16 ? tls : application.plain)
    }

    func flush() {}

    func finish() {
      isFinished = true
      if !isConnecting { connect(to: application.plain) }
    }

    func reset() { stream = nil }

    func resume() {}

    func connect(to endpoint: Endpoint) {
      isConnecting = true
      let bound = NIOLoopBound(self, eventLoop: eventLoop)
      ClientBootstrap(group: eventLoop)
        .connectTimeout(.seconds(5))
        // As of sockets that Connections prepares.
        .channelOption(.allowRemoteHalfClosure, value: true)
        .channelOption(.autoRead, value: false)
        .channelOption(.maxMessagesPerRead, value: 1)
        .channelOption(.recvAllocator, value: Connections.buffers)
        .channelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 64 << 10))
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
              Connections.prepare($0)
            }
            try channel.pipeline.syncOperations.addHandler(SocketEnd(counters: [bound.value.counters]))
          }
        }
        .connect(host: "\(endpoint.address)", port: Int(endpoint.port))
        .whenComplete { result in bound.value.connected(result, to: endpoint) }
    }

    private func connected(_ result: Result<any Channel, any Error>, to endpoint: Endpoint) {
      do {
        let channel = try result.get()
        let socket = try channel.pipeline.syncOperations.handler(type: SocketEnd.self)
        application.noteAnswer(nil, at: endpoint)
        guard let stream else { return socket.reset() }
        self.stream = nil
        stream.hand(over: socket)
        socket.send(waiting)
        waiting = ByteBuffer()
        socket.flush()
        if isFinished { socket.finish() }
        socket.join(stream)
        if socket.takesMore { stream.resume() }
      } catch {
        application.noteAnswer(error, at: endpoint)
        let stream = self.stream
        self.stream = nil
        stream?.reset()
      }
    }
  }
}
