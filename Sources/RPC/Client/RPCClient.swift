public import Logging
import NIOCore
import NIOPosix
public import ServiceLifecycle

/// Calls objects of other modules, and listens to their streams.
///
///     let client = RPCClient(broker: try BrokerURL("unix:///var/run/redis.sock"), logger: logger)
///     let calculator = client.object(ObjectID("calculator", version: "1.0"), of: "server")
///     // while client.run() runs:
///     let sum: Double = try await calculator.call("Add", 1.0, 2.0)
///     let (a, b): (Double, Double) = try await calculator.call("AddSub", 3.0, 1.0)
///
/// One client serves any number of calls at once over two connections. It connects while ``run()`` runs; calls made
/// before that, or while the broker is away, wait for it until their own deadline, or for the client's time limit for
/// connecting, and then fail with ``CallFailure/Code/notSent``.
public struct RPCClient: Service {
  /// Where calls go.
  public let broker: BrokerURL
  private let connectTimeout: Duration?
  private let loop: any EventLoop
  private let exchange: Exchange
  private let logger: Logger

  /// A client that is to be run by ``run()``.
  ///
  /// - Parameters:
  ///   - broker: the Redis server.
  ///   - connectTimeout: how long a call may wait for a connection to the broker, and how long a stream may before its
  ///     first; none unless given: a call has its own deadline, and a stream waits. For programs in front of which
  ///     somebody sits.
  ///   - logger: takes what an operator should know, outages above all.
  public init(broker: BrokerURL, connectTimeout: Duration? = nil, logger: Logger) {
    self.init(
      broker: broker, connectTimeout: connectTimeout, logger: logger, loop: MultiThreadedEventLoopGroup.singleton.next()
    )
  }

  init(broker: BrokerURL, connectTimeout: Duration? = nil, logger: Logger, loop: any EventLoop) {
    self.broker = broker
    self.connectTimeout = connectTimeout
    self.logger = logger
    self.loop = loop
    exchange = Exchange(broker: broker, logger: logger, loop: loop)
  }

  /// Keeps the client connected until the task is cancelled or gracefully shut down. Calls that are open then fail.
  ///
  /// - Throws: ``BrokerError`` when the broker denies access at the start.
  public func run() async throws {
    try await cancelWhenGracefulShutdown {
      do {
        try await exchange.run()
      } catch is CancellationError {}
    }
  }

  /// An object of a module.
  ///
  /// - Parameters:
  ///   - id: its name and version.
  ///   - module: the module's name.
  ///   - timeout: how long each call may take, waiting for the broker included.
  public func object(_ id: ObjectID, of module: String, timeout: Duration = .seconds(30)) -> RemoteObject {
    RemoteObject(client: self, module: module, id: id, timeout: timeout)
  }

  /// The objects and workers of a module.
  ///
  /// - Throws: ``CallFailure``.
  public func status(of module: String, timeout: Duration = .seconds(30)) async throws -> ModuleStatus {
    try await object(.status, of: module, timeout: timeout).call("")
  }

  /// The events of a stream, from when the sequence is iterated on; see ``EventStream``.
  public func events<Event: Decodable & Sendable>(
    _ stream: String, of object: ObjectID, module: String, as type: Event.Type = Event.self
  ) -> EventStream<Event> {
    EventStream(
      broker: broker, channel: object.channel(of: stream, module: module), connectTimeout: connectTimeout,
      loop: loop, logger: logger)
  }

  fileprivate func call(
    _ method: String, on object: ObjectID, of module: String, inputs: [[UInt8]], timeout: Duration
  ) async throws -> [UInt8] {
    let queue = object.queue(of: module)
    let outcome: Response.Outcome
    do throws(Exchange.ExchangeFailure) {
      outcome = try await exchange.call(
        method, object, queue: queue, inputs: inputs, timeout: timeout, connectTimeout: connectTimeout)
    } catch {
      switch error {
      case .timeout(let isWithdrawn, let cause):
        let text =
          "no answer within \(timeout) from queue \(queue) at \(broker)" + (cause.map { ": \($0)" } ?? "")
          + (isWithdrawn ? "; the request was withdrawn" : "")
        throw CallFailure(.noAnswer, method, text, cause: cause, mayRun: !isWithdrawn)
      case .notSent(let cause):
        throw CallFailure(.notSent, method, "\(cause); nothing was sent", cause: cause, mayRun: false)
      case .cancelled: throw CancellationError()
      case .stopped: throw CallFailure(.stopped, method, "\(method): the client was stopped", mayRun: true)
      case .broker(let cause): throw CallFailure(.broker, method, "\(cause)", cause: cause, mayRun: false)
      }
    }
    switch outcome {
    case .result(let data): return data
    case .callError(let message, _): throw CallFailure(.callError, method, message, mayRun: true)
    case .protocolError(let message):
      throw CallFailure(.protocolError, method, "\(method): \(message)", mayRun: true)
    }
  }

  /// An object as a caller sees it: its methods by name, typed by what is passed and what is expected.
  public struct RemoteObject: Sendable {
    fileprivate let client: RPCClient
    /// The module's name.
    public let module: String
    /// The object's name and version.
    public let id: ObjectID
    /// How long each call may take, waiting for the broker included.
    public let timeout: Duration

    /// Calls a method with one result.
    ///
    /// - Throws: ``CallFailure``, `CancellationError`, or an argument's own encoding error.
    public func call<each Argument: Encodable, Result: Decodable>(
      _ method: String, _ arguments: repeat each Argument, as type: Result.Type = Result.self
    ) async throws -> Result {
      let data = try await send(method, repeat each arguments)
      return try decode(method) { try MessagePackDecoder().decode(type, from: data) }
    }

    /// Calls a method without a result.
    ///
    /// - Throws: as with a result.
    public func call<each Argument: Encodable>(_ method: String, _ arguments: repeat each Argument) async throws {
      _ = try await send(method, repeat each arguments)
    }

    /// Calls a method with several results.
    ///
    /// - Throws: as with one result.
    @_disfavoredOverload
    public func call<each Argument: Encodable, each Result: Decodable>(
      _ method: String, _ arguments: repeat each Argument
    ) async throws -> (repeat each Result) {
      let data = try await send(method, repeat each arguments)
      return try decode(method) {
        var results = try MessagePackValueDecoder(data[...], at: 0).unkeyedContainer()
        return (repeat try results.decode((each Result).self))
      }
    }

    private func send<each Argument: Encodable>(
      _ method: String, _ arguments: repeat each Argument
    ) async throws -> [UInt8] {
      var inputs: [[UInt8]] = []
      for argument in repeat each arguments { inputs.append(try MessagePackEncoder().encode(argument)) }
      return try await client.call(method, on: id, of: module, inputs: inputs, timeout: timeout)
    }

    private func decode<Result>(_ method: String, _ body: () throws -> Result) throws -> Result {
      do {
        return try body()
      } catch {
        throw CallFailure(.undecodable, method, "\(method): the result does not decode: \(error)", mayRun: true)
      }
    }
  }
}
