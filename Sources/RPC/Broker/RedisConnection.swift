import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// One connection to the broker: commands out, their replies in, in the same order.
///
/// `@unchecked Sendable` holds because all its mutable state is only touched on its event loop, which every method that
/// touches it checks.
final class RedisConnection: @unchecked Sendable {
  typealias Completion = @Sendable (Result<RedisReply, BrokerError>) -> Void

  /// How long making a connection may take.
  static let connectTimeout = TimeAmount.seconds(1)
  /// How long the broker's answer to the first commands may take.
  static let setupTimeout = TimeAmount.seconds(5)

  /// When a broker that has vanished without a word is taken for gone: the kernel asks after 5 s of silence whether the peer
  /// is there, once more after 5 s, and gives up 5 s later; as it does when what was sent is not acknowledged for 15 s. A
  /// broker that hangs is not gone: its kernel answers.
  static let tcpOptions: [(NIOBSDSocket.Option, Int)] = [
    (.init(rawValue: TCP_KEEPIDLE), 5), (.init(rawValue: TCP_KEEPINTVL), 5), (.init(rawValue: TCP_KEEPCNT), 2),
    (.init(rawValue: CInt(TCP_USER_TIMEOUT)), 15_000),
  ]

  let broker: BrokerURL
  let loop: any EventLoop
  private let channel: any Channel
  private let handler: Handler

  /// Commands not handed to the channel yet.
  private var outgoing = RedisCommands()

  private init(broker: BrokerURL, channel: any Channel, handler: Handler) {
    self.broker = broker
    self.channel = channel
    self.handler = handler
    loop = channel.eventLoop
  }

  /// Connects, authenticates and selects the database.
  ///
  /// - Parameters:
  ///   - maximumReply: the most bytes one reply may have; a larger one closes the connection before it is held.
  ///   - onMessage: takes what the broker sends unasked, once the connection subscribes to a channel.
  static func connect(
    to broker: BrokerURL, on loop: any EventLoop, maximumReply: Int = 256 << 20,
    onMessage: (@Sendable (RedisReply) -> Void)? = nil
  ) async throws(BrokerError) -> RedisConnection {
    do {
      var bootstrap = ClientBootstrap(group: loop)
        .connectTimeout(connectTimeout)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(
              Handler(broker: broker, maximumReply: maximumReply, onMessage: onMessage))
          }
        }
      if case .tcp = broker.address {
        bootstrap = bootstrap.channelOption(.socketOption(.so_keepalive), value: 1)
        for (option, value) in tcpOptions { bootstrap = bootstrap.channelOption(.tcpOption(option), value: value) }
      }
      let channel =
        switch broker.address {
        case .unix(let path): try await cancellable(bootstrap.connect(unixDomainSocketPath: path))
        case .tcp(let host, let port): try await cancellable(bootstrap.connect(host: host, port: port))
        }
      let connection = try await channel.eventLoop.submit {
        RedisConnection(
          broker: broker, channel: channel, handler: try channel.pipeline.syncOperations.handler(type: Handler.self))
      }.get()
      try await withTaskCancellationHandler {
        try await connection.setUp()
      } onCancel: {
        connection.close()
      }
      return connection
    } catch let error as BrokerError {
      throw error
    } catch let error as IOError {
      throw BrokerError(broker, .unreachable(String(cString: strerror(error.errnoCode))))
    } catch let error as NIOConnectionError {
      let reasons = error.connectionErrors.map { error in
        (error.error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error.error)"
      }
      throw BrokerError(broker, .unreachable(reasons.first ?? "the host's name cannot be resolved"))
    } catch ChannelError.connectTimeout {
      throw BrokerError(broker, .unreachable("no connection within 1 s"))
    } catch {
      throw BrokerError(broker, .unreachable("\(error)"))
    }
  }

  /// The channel, or an error at once when the task is cancelled: what then still connects is closed.
  private static func cancellable(_ connect: EventLoopFuture<any Channel>) async throws -> any Channel {
    let outcome = connect.eventLoop.makePromise(of: (any Channel).self)
    connect.cascade(to: outcome)
    outcome.futureResult.whenFailure { _ in connect.whenSuccess { $0.close(promise: nil) } }
    return try await withTaskCancellationHandler {
      try await outcome.futureResult.get()
    } onCancel: {
      outcome.fail(CancellationError())
    }
  }

  /// Sends what must precede everything else, and proves that the broker answers.
  private func setUp() async throws {
    let timeout = loop.scheduleTask(in: Self.setupTimeout) { [self] in
      handler.close(with: BrokerError(broker, .unreachable("no answer within 5 s")))
    }
    defer { timeout.cancel() }
    do {
      if let password = broker.password {
        _ = try await call(["AUTH"] + (broker.user.map { [.text($0)] } ?? []) + [.text(password)])
      }
      if broker.database != 0 { _ = try await call(["SELECT", .text("\(broker.database)")]) }
      _ = try await call(["PING"])
    } catch {
      close()
      throw Self.denial(error, broker) ?? error
    }
  }

  /// An error during set-up that is about this program's configuration rather than the broker's condition.
  private static func denial(_ error: BrokerError, _ broker: BrokerURL) -> BrokerError? {
    guard case .refused(let text) = error.reason else { return nil }
    // MISCONF also answers PING: the broker could not save its data, and takes no writes until it can.
    let conditions = ["LOADING", "MASTERDOWN", "BUSY", "MISCONF", "ERR max number of clients"]
    return conditions.contains { text.hasPrefix($0) } ? nil : BrokerError(broker, .denied(text))
  }

  /// Queues a command, as often as told; ``flush()`` sends it. The completion gets the reply to each, of which an error
  /// is a failure. To be called on the event loop.
  func send(_ command: [RedisArgument], times: Int = 1, _ completion: @escaping Completion) {
    loop.preconditionInEventLoop()
    outgoing.append(command, times: times)
    handler.expectReply(times: times, completion)
  }

  /// Queues commands that the broker carries out as one step, or not at all (`MULTI`, `EXEC`), and others behind them. The
  /// reply is an array: that of `EXEC`, itself an array with the reply of each, in which errors may be, and then those of the
  /// others. To be called on the event loop.
  ///
  /// - Parameters:
  ///   - write: appends the commands, and returns how many there are.
  ///   - writeFollowing: appends those behind, and returns how many there are.
  func sendTransaction(
    _ write: (inout RedisCommands) -> Int, then writeFollowing: (inout RedisCommands) -> Int,
    _ completion: @escaping Completion
  ) {
    loop.preconditionInEventLoop()
    outgoing.append(["MULTI"])
    let count = write(&outgoing)
    outgoing.append(["EXEC"])
    handler.expectTransaction(of: 1 + count, before: writeFollowing(&outgoing), completion)
  }

  /// Sends the queued commands in one write. To be called on the event loop.
  func flush() {
    loop.preconditionInEventLoop()
    guard !outgoing.bytes.isEmpty else { return }
    channel.writeAndFlush(channel.allocator.buffer(bytes: outgoing.bytes), promise: nil)
    outgoing.removeAll()
  }

  /// Sends one command and waits for its reply.
  func call(_ command: [RedisArgument]) async throws(BrokerError) -> RedisReply {
    let result = await withCheckedContinuation { continuation in
      loop.execute { [self] in
        send(command) { continuation.resume(returning: $0) }
        flush()
      }
    }
    return try result.get()
  }

  /// Sends commands in one write and waits for the replies of all.
  func callEach(_ commands: [[RedisArgument]]) async -> [Result<RedisReply, BrokerError>] {
    guard !commands.isEmpty else { return [] }
    return await withCheckedContinuation { continuation in
      let results = Mutex<[Result<RedisReply, BrokerError>]>([])
      loop.execute { [self] in
        for command in commands {
          send(command) { result in
            let all = results.withLock { results in
              results.append(result)
              return results.count == commands.count ? results : nil
            }
            if let all { continuation.resume(returning: all) }
          }
        }
        flush()
      }
    }
  }

  /// Whether replies are read from the broker, or left there. To be used on the event loop.
  var isReading = true {
    didSet {
      loop.preconditionInEventLoop()
      if isReading != oldValue { try? channel.syncOptions?.setOption(.autoRead, value: isReading) }
    }
  }

  /// Closes the connection; commands without a reply fail.
  func close(because reason: BrokerError.Reason = .closed("by this side")) {
    loop.execute { [self] in handler.close(with: BrokerError(broker, reason)) }
  }

  /// Waits until the connection is closed, by whichever side, and tells why.
  func closed() async -> BrokerError {
    await withCheckedContinuation { continuation in
      loop.execute { [self] in whenClosed { continuation.resume(returning: $0) } }
    }
  }

  /// Tells once why the connection was closed. To be called on the event loop.
  func whenClosed(_ observer: @escaping @Sendable (BrokerError) -> Void) {
    loop.preconditionInEventLoop()
    handler.whenClosed(observer)
  }

  /// The connection's end in the channel.
  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let broker: BrokerURL
    private let onMessage: (@Sendable (RedisReply) -> Void)?
    private var parser: RedisReplyParser
    private var context: ChannelHandlerContext?
    private var expected = CircularBuffer<PendingReply>()
    private var closeObservers: [@Sendable (BrokerError) -> Void] = []
    /// Set once the connection is of no more use.
    private var failure: BrokerError?

    init(broker: BrokerURL, maximumReply: Int, onMessage: (@Sendable (RedisReply) -> Void)?) {
      self.broker = broker
      self.onMessage = onMessage
      parser = RedisReplyParser(limit: maximumReply)
    }

    /// What is to happen with the next replies.
    private struct PendingReply {
      /// How many say no more than that a command is queued, unless one is an error: that is then why all are refused.
      var preliminary = 0
      /// How many make up what is for the completion, as an array; 0 when each is for it on its own.
      var parts = 0
      /// How often there is something for the completion.
      var times = 1
      let completion: Completion
      /// The parts that are there.
      var taken: [RedisReply] = []
      var error: RedisReply?

      /// Takes the next reply, and returns what is for the completion, when it is time.
      mutating func take(_ reply: RedisReply) -> RedisReply? {
        guard preliminary > 0 || parts > 0 else {
          times -= 1
          return reply
        }
        if reply.refusal != nil, error == nil { error = reply }
        if preliminary > 0 {
          preliminary -= 1
          return nil
        }
        taken.append(reply)
        guard taken.count == parts else { return nil }
        times -= 1
        return error ?? .array(taken)
      }

      func fail(_ failure: BrokerError) {
        for _ in 0..<times { completion(.failure(failure)) }
      }
    }

    func expectReply(times: Int, _ completion: @escaping Completion) {
      expect(PendingReply(times: times, completion: completion))
    }

    func expectTransaction(of queued: Int, before following: Int, _ completion: @escaping Completion) {
      expect(PendingReply(preliminary: queued, parts: 1 + following, completion: completion))
    }

    private func expect(_ expectation: PendingReply) {
      if let failure { return expectation.fail(failure) }
      expected.append(expectation)
    }

    func whenClosed(_ observer: @escaping @Sendable (BrokerError) -> Void) {
      if let failure { return observer(failure) }
      closeObservers.append(observer)
    }

    func close(with error: BrokerError) {
      guard failure == nil else { return }
      failure = error
      context?.close(promise: nil)
      while let expectation = expected.popFirst() { expectation.fail(error) }
      for observer in closeObservers { observer(error) }
      closeObservers = []
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      do throws(RedisReplyParser.ReplyFailure) {
        let buffer = unwrapInboundIn(data)
        try buffer.withUnsafeReadableBytes { (bytes) throws(RedisReplyParser.ReplyFailure) in try parser.feed(bytes) }
        while failure == nil, let reply = try parser.next() { deliver(reply) }
      } catch {
        close(with: BrokerError(broker, .closed("it sent \(error)")))
      }
    }

    private func deliver(_ reply: RedisReply) {
      if let onMessage, Self.isMessage(reply) { return onMessage(reply) }
      guard !expected.isEmpty else {
        // For one, what a server at its connection limit says before it hangs up.
        if case .error(let text) = reply { return close(with: BrokerError(broker, .refused(text))) }
        return close(with: BrokerError(broker, .closed("it sent a reply to no command")))
      }
      guard let result = expected[expected.startIndex].take(reply) else { return }
      let expectation = expected[expected.startIndex]
      if expectation.times == 0 { expected.removeFirst() }
      if case .error(let text) = result {
        expectation.completion(.failure(BrokerError(broker, .refused(text))))
      } else {
        expectation.completion(.success(result))
      }
    }

    private static func isMessage(_ reply: RedisReply) -> Bool {
      guard let kind = reply.elements?.first?.bytes else { return false }
      return kind.elementsEqual("message".utf8) || kind.elementsEqual("pmessage".utf8)
    }

    func channelInactive(context: ChannelHandlerContext) {
      close(with: BrokerError(broker, .closed("it hung up")))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      let text = (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"
      close(with: BrokerError(broker, .closed(text)))
    }
  }
}
