public import Logging
import NIOCore
import NIOPosix
public import ServiceLifecycle

/// Serves a module's objects on the bus.
///
///     var server = RPCServer(module: "server", broker: try BrokerURL("tcp://localhost:6379"), logger: logger)
///     server.register(ObjectID("calculator", version: "1.0")) {
///       RPCMethod("Add") { (a: Double, b: Double) in a + b }
///       RPCStream("Ticks") { AsyncStream<Timestamp> { … } }
///     }
///     try await server.run()
///
/// Every request that names a reply address is answered exactly once. A request stays in Redis, in the list
/// `<queue>.in-flight`, from when it is taken until its reply is there, so that it survives the death of the server
/// and is run again by the next one. The broker's absence is waited out.
public struct RPCServer: Service {
  /// The module's name.
  public let module: String
  /// Where requests come from.
  public let broker: BrokerURL
  /// How many calls run at the same time.
  public let workers: Int
  private let logger: Logger
  private var objects = ObjectTable()
  /// All calls are taken and answered on it.
  var loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()

  /// - Parameters:
  ///   - module: the module's name, the first part of its queues' names.
  ///   - broker: the Redis server.
  ///   - workers: how many calls run at the same time; at least 1.
  ///   - logger: takes what an operator should know.
  public init(module: String, broker: BrokerURL, workers: Int = 16, logger: Logger) {
    precondition(workers > 0, "a server needs a worker")
    self.module = module
    self.broker = broker
    self.workers = workers
    self.logger = logger
  }

  /// Adds an object with its methods and streams. One method name may stand several times, with different numbers of
  /// arguments.
  public mutating func register(_ object: ObjectID, @ObjectBuilder members: () -> [any ObjectMember]) {
    objects.add(object, members())
  }

  /// Returns once the event loop that takes and answers calls has come to it, whether or not the broker is there.
  public func takesTurn() async {
    await withCheckedContinuation { continuation in loop.execute { continuation.resume() } }
  }

  /// Serves until the task is cancelled, or gracefully shut down: then no more requests are taken, and those in hand
  /// are finished and answered, for 8 s at most. What is not finished by then is run again by the next server.
  ///
  /// - Throws: ``BrokerError`` when the broker denies access at the start.
  public func run() async throws {
    let dispatcher = Dispatcher(
      module: module, broker: broker, objects: objects, limits: .init(workers: workers), logger: logger, loop: loop)
    try await withGracefulShutdownHandler {
      try await dispatcher.run()
    } onGracefulShutdown: {
      Task { await dispatcher.drain() }
    }
  }
}
