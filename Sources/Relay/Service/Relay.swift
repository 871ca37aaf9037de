public import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
public import Records
public import ServiceLifecycle
import Synchronization
public import System

/// What the relay is started with.
public struct RelayConfiguration: Sendable {
  public var root: GatewayRoot
  /// Where clients of tunnels dial in, in clear; empty for nowhere but by way of Traefik.
  public var clients: [ListenAddress]
  /// Where it tells of itself.
  public var metrics: Endpoint
  /// In which Traefik runs, and clients dial in; nil for the process's own.
  public var namespace: NetworkNamespace?
  /// The port of the loopback at which Traefik finds the relay: for clients, and for tunnels that have no other.
  public var port: UInt16 = 18001
  public var limits = RelayLimits()
  /// Whether pipes may lead to this machine itself, for trials on one machine.
  public var allowsLoopback = false

  public init(root: GatewayRoot, clients: [ListenAddress], metrics: Endpoint, namespace: NetworkNamespace?) {
    self.root = root
    self.clients = clients
    self.metrics = metrics
    self.namespace = namespace
  }
}

/// The data plane of tunnels and pipes: it serves what the files in the root say, and tells at its metrics address what it does.
public final class Relay: Service {
  private let configuration: RelayConfiguration
  private let logger: Logger
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)
  private let listeners: Listeners
  private let connector: Connector
  private let carriers: Carriers
  private let connections: Connections
  private let table: TunnelTable
  private let pipes: PipeServer
  private let tunnelFiles: RelayFiles<Tunnel>
  private let pipeFiles: RelayFiles<Pipe>
  /// By port of the loopback.
  private let doors: Doors
  private let start = UTCTime.now

  /// Of others than visitors, that are being answered.
  private let requests = Places()

  /// How long open streams may go on after the relay is told to stop.
  private static let patience = TimeAmount.seconds(30)

  /// Listens for clients; they are let in once ``run()`` is called.
  ///
  /// - Throws: ``StartFault`` where it cannot.
  public init(_ configuration: RelayConfiguration, logger: Logger) throws {
    self.configuration = configuration
    self.logger = logger
    let limits = configuration.limits
    let table = TunnelTable(limits: limits, logger: logger)
    let listeners = try Listeners(logger: logger)
    let connector = try Connector()
    let carriers = try Carriers()
    let connections = Connections(limit: limits.connections, logger: logger)
    let server = TunnelServer(table, group: group, connections: connections, limits: limits, logger: logger)
    let doors = Doors(listeners, in: configuration.namespace) { server.takeLocal($0) }
    tunnelFiles = RelayFiles(configuration.root.tunnels, kind: "tunnel", logger: logger) { tunnel, workload in
      try table.set(tunnel, of: workload)
      try doors.open(table.ports.union([configuration.port]))
    }
    let pipes = PipeServer(
      listeners, connector, carriers, connections: connections, tunnels: table, server, group: group, limits: limits,
      namespace: configuration.namespace, allowsLoopback: configuration.allowsLoopback, logger: logger)
    pipeFiles = RelayFiles(configuration.root.pipes, kind: "pipe", logger: logger) { pipe, workload in
      try pipes.set(pipe, of: workload)
    }
    do {
      try doors.open([configuration.port])
    } catch {
      throw StartFault(description: "\(error)")
    }
    self.table = table
    self.listeners = listeners
    self.connector = connector
    self.carriers = carriers
    self.connections = connections
    self.pipes = pipes
    self.doors = doors
    for address in configuration.clients {
      do {
        // Where the node's public addresses are.
        _ = try listeners.listen(on: address, in: configuration.namespace) { server.takeClient($0) }
      } catch {
        throw StartFault(description: "cannot listen at \(address) for clients of tunnels: \(error)")
      }
    }
  }

  /// What kept the relay from its start.
  public struct StartFault: Error, CustomStringConvertible {
    public let description: String
  }

  public func run() async throws {
    let http: any Channel
    do {
      http = try await RelayHTTP.serve(at: configuration.metrics, on: group, counting: requests) { [self] in
        await answer($0)
      }
    } catch {
      throw StartFault(description: "cannot listen at \(configuration.metrics) for metrics: \(error)")
    }
    logger.info(
      "relaying",
      metadata: [
        "root": "\(configuration.root.path)", "clients": "\(configuration.clients.map(\.description))",
        "metrics": "\(configuration.metrics)",
      ])
    try carriers.start()
    try ServiceManager.tellReady()
    await cancelWhenGracefulShutdown { [self] in
      await withTaskGroup(of: Void.self) { tasks in
        tasks.addTask { await self.tunnelFiles.follow() }
        tasks.addTask { await self.pipeFiles.follow() }
        tasks.addTask { await self.followNetworks() }
        tasks.addTask { await Self.run(self.listeners.run, stoppedBy: self.listeners.stop) }
        tasks.addTask { await Self.run(self.connector.run, stoppedBy: self.connector.stop) }
      }
    }
    await drain()
    try? await http.close()
    await Self.wait(atMost: .seconds(1)) { self.requests.count == 0 }
    try? await group.shutdownGracefully()
  }

  /// Runs what blocks on a thread of its own, until the task is cancelled.
  private static func run(_ body: @escaping @Sendable () -> Void, stoppedBy stop: @escaping @Sendable () -> Void) async
  {
    await withTaskCancellationHandler {
      try? await POSIXThread.run { _ in body() }
    } onCancel: {
      stop()
    }
  }

  /// Looks each second whether a network has been made anew.
  private func followNetworks() async {
    while (try? await Task.sleep(for: .seconds(1))) != nil { pipes.followNetworks() }
  }

  /// Tells clients that it goes away, and waits until all that is open has come to its end.
  private func drain() async {
    listeners.closeAll()
    let sessions = table.drain()
    for session in sessions { session.eventLoop.execute { session.onLoop.leave(within: Self.patience) } }
    await Self.wait(atMost: .nanoseconds(Self.patience.nanoseconds)) { self.connections.places.count == 0 }
    for session in sessions { session.channel.close(promise: nil) }
    carriers.stop()
  }

  /// Also in a task that is cancelled.
  private static func wait(atMost limit: Duration, until isOver: () -> Bool) async {
    let deadline = ContinuousClock.now + limit
    while !isOver(), .now < deadline {
      await Task.detached { try? await Task.sleep(for: .milliseconds(50)) }.value
    }
  }

  private func answer(_ request: RelayHTTP.Request) async -> RelayHTTP.Response {
    if request.method == .GET, request.path == "/metrics" {
      let text = RelayState.metrics(
        tunnels: table.overview, pipes: pipes.overview, faults: pipeFiles.faults,
        connections: connections.places.count, root: configuration.root.path, start: start)
      return .init(status: .ok, text: text)
    }
    let parts = request.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    guard request.method == .POST, let kind = parts.first,
      let workload = try? WorkloadID(String(parts.dropFirst().first ?? ""))
    else { return .init(status: .notFound, text: "there is no such thing here\n") }
    do {
      let problem: String?
      switch (kind, Array(parts.dropFirst(2))) {
      case ("tunnels", []): problem = try await tunnelFiles.look(at: workload)
      case ("pipes", []): problem = try await pipeFiles.look(at: workload)
      case ("pipes", ["probe"]): problem = probe(request.body, of: workload)
      default: return .init(status: .notFound, text: "there is no such thing here\n")
      }
      guard let problem else { return .init(status: .noContent, text: "") }
      return .init(status: .conflict, text: problem)
    } catch {
      return .init(status: .internalServerError, text: "\(error)\n")
    }
  }

  /// Why a pipe could not be served now; nil when it could.
  private func probe(_ file: [UInt8], of workload: WorkloadID) -> String? {
    do {
      try pipes.probe(Pipe(file: file.span, of: workload))
      return nil
    } catch {
      return "\(error)"
    }
  }
}

/// The ports of the loopback at which tunnels are, one listener each for all their addresses.
private final class Doors: Sendable {
  private let listeners: Listeners
  private let namespace: NetworkNamespace?
  private let handler: @Sendable (Listeners.Accepted) -> Void
  private let open = Mutex<[UInt16: Listeners.Listener]>([:])

  init(
    _ listeners: Listeners, in namespace: NetworkNamespace?, _ handler: @escaping @Sendable (Listeners.Accepted) -> Void
  ) {
    self.listeners = listeners
    self.namespace = namespace
    self.handler = handler
  }

  /// Listens at these ports and no others.
  func open(_ ports: Set<UInt16>) throws {
    try open.withLock { open in
      for (port, listener) in open where !ports.contains(port) {
        listeners.close(listener)
        open[port] = nil
      }
      for port in ports where open[port] == nil {
        do {
          open[port] = try listeners.listen(on: ListenAddress(":\(port)"), device: "lo", in: namespace, handler)
        } catch {
          throw RelayFault(description: "cannot listen at port \(port) of the loopback: \(error)")
        }
      }
    }
  }
}
