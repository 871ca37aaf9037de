import Logging
import NIOCore
import System

/// What the relay does with a client that has dialled in: it hears its handshake, and then opens streams to it.
final class TunnelSession: YamuxConnection.Delegate {
  private enum Phase {
    /// Until the client's first stream.
    case expected
    /// Its handshake is being read.
    case shaking
    case live(SessionHandle)
    case over
  }

  /// How long a client may take for its handshake.
  static let patience = TimeAmount.seconds(5)

  private let table: TunnelTable
  private let channel: any Channel
  private let remote: Endpoint
  private let logger: Logger
  private var phase = Phase.expected
  private var connection: YamuxConnection?
  /// Until it is let in.
  private var stranger: TunnelTable.Stranger?

  private init(
    _ stranger: TunnelTable.Stranger, of table: TunnelTable, channel: any Channel, remote: Endpoint, logger: Logger
  ) {
    self.stranger = stranger
    self.table = table
    self.channel = channel
    self.remote = remote
    self.logger = logger
  }

  /// The handler of a connection by which a client dials in.
  static func handler(
    _ stranger: TunnelTable.Stranger, of table: TunnelTable, channel: any Channel, remote: Endpoint, logger: Logger
  ) -> YamuxConnection {
    let session = TunnelSession(stranger, of: table, channel: channel, remote: remote, logger: logger)
    // A client opens the stream of its handshake, and no further one.
    var limits = YamuxSession.Limits()
    limits.streams = 1
    let connection = YamuxConnection(.server, limits: limits, delegate: session)
    session.connection = connection
    channel.eventLoop.assumeIsolated().scheduleTask(in: patience) { [weak session] in session?.handshakeIsOver() }
    return connection
  }

  private func handshakeIsOver() {
    switch phase {
    case .expected, .shaking: refuse("no handshake within 5 s")
    case .live, .over: break
    }
  }

  // MARK: What the client does

  func sessionBegan() {}

  func sessionOpened(_ stream: TunnelStream) -> (any StreamEnd)? {
    guard case .expected = phase else { return nil }
    phase = .shaking
    return Handshaking(self, stream)
  }

  func sessionWentAway() {
    if case .live(let handle) = phase { table.remove(handle, because: "it takes no further streams") }
  }

  func sessionEnded(_ error: (any Error)?) {
    if case .live(let handle) = phase {
      table.remove(handle, because: error.map { "\($0)" } ?? "it closed the connection")
    }
    phase = .over
    stranger = nil
    connection = nil
  }

  /// The end of the stream on which the handshake comes.
  private final class Handshaking: StreamEnd {
    private let session: TunnelSession
    private var stream: TunnelStream?
    private var handshake = TunnelHandshake()

    init(_ session: TunnelSession, _ stream: TunnelStream) {
      self.session = session
      self.stream = stream
    }

    var takesMore: Bool { true }

    func send(_ data: ByteBuffer) {
      guard let stream, case .shaking = session.phase else { return }
      do throws(TunnelHandshake.Malformed) {
        if let outcome = try handshake.receive(data) {
          self.stream = nil
          session.take(outcome, on: stream)
        }
      } catch {
        session.refuse("\(error)")
      }
    }

    func flush() {}

    func finish() {
      if stream != nil, case .shaking = session.phase { session.refuse("the handshake is cut short") }
    }

    func reset() { finish() }

    func resume() {}
  }

  private func take(_ handshake: TunnelHandshake.Outcome, on stream: TunnelStream) {
    guard let connection else { return }
    switch table.admit(handshake, connection, on: channel, from: remote) {
    case .accepted(let handle):
      phase = .live(handle)
      stranger = nil
      answer(.accepted, to: handshake, on: stream)
    case .refused(let answer, let delay):
      phase = .over
      logger.notice("client refused", metadata: ["from": "\(remote)", "reason": "\(answer.text)"])
      channel.eventLoop.assumeIsolated().scheduleTask(in: delay) { [self] in
        guard let connection = self.connection else { return }
        self.answer(answer, to: handshake, on: stream)
        connection.end()
      }
    }
  }

  private func answer(_ answer: TunnelHandshake.Answer, to handshake: TunnelHandshake.Outcome, on stream: TunnelStream)
  {
    if handshake.version == .second { stream.send(answer.bytes) }
    stream.finish()
  }

  private func refuse(_ reason: String) {
    phase = .over
    logger.notice("client refused", metadata: ["from": "\(remote)", "reason": "\(reason)"])
    channel.close(promise: nil)
  }
}
