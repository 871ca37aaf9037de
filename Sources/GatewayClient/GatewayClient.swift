public import RPC

/// A node's gateway, as a module that publishes workloads sees it.
///
///     let client = RPCClient(broker: try BrokerURL("unix:///var/run/redis.sock"), logger: logger)
///     // While client.run() runs, in a ServiceGroup or in a task of its own:
///     let gateway = GatewayClient(client)
///     let fqdn = try await gateway.publish(
///       RouteRequest(.label("web"), backends: ["http://10.1.2.3:9000"]), for: "37-1976-web")
///
/// Every method throws `CallFailure`, whose code says what went wrong (see its codes for refusals below), or
/// `CancellationError`.
public struct GatewayClient: Sendable {
  /// The client by which it is called.
  public let client: RPCClient
  private let object: RPCClient.RemoteObject

  /// - Parameters:
  ///   - client: has to run while calls are made.
  ///   - timeout: how long each call may take, waiting for the broker included.
  public init(_ client: RPCClient, timeout: Duration = .seconds(30)) {
    self.client = client
    object = client.object(GatewayObject.id, of: GatewayObject.module, timeout: timeout)
  }

  /// Publishes a workload under a name, in the place of what it published before. It is answered once that is on disk; to ask
  /// for the same again changes nothing.
  ///
  /// - Parameters:
  ///   - request: the name, the backends and how to reach them.
  ///   - workload: the workload's id, such as `37-1976-web`.
  /// - Returns: the whole domain name.
  /// - Throws: `CallFailure`, with one of the codes for refusals when the gateway refuses, and `CancellationError`.
  @discardableResult
  public func publish(_ request: RouteRequest, for workload: String) async throws -> String {
    try await CallFailure.telling {
      switch request.name {
      case .label: return try await object.call(GatewayObject.Method.setNamedProxy, workload, request)
      case .fqdn(let domain):
        try await object.call(GatewayObject.Method.setFQDNProxy, workload, request)
        return domain
      }
    }
  }

  /// Withdraws what a workload published; one that has no route is no error.
  ///
  /// - Throws: as ``publish(_:for:)``.
  public func withdraw(_ workload: String) async throws {
    try await CallFailure.telling { try await object.call(GatewayObject.Method.deleteNamedProxy, workload) }
  }

  /// All routes, by workload.
  ///
  /// - Throws: as ``publish(_:for:)``.
  public func routes() async throws -> [RouteInfo] {
    try await CallFailure.telling { try await object.call(GatewayObject.Method.routes) }
  }

  /// The route of a workload; nil when it has none.
  ///
  /// - Throws: as ``publish(_:for:)``; with the code `protocolError` where the gateway is one that does not tell of a single
  ///   workload.
  public func route(of workload: String) async throws -> RouteInfo? {
    let routes: [RouteInfo] = try await CallFailure.telling {
      try await object.call(GatewayObject.Method.routes, workload)
    }
    return routes.first
  }

  /// What went through Traefik for each workload.
  ///
  /// - Throws: as ``publish(_:for:)``.
  public func traffic() async throws -> TrafficTotals {
    try await CallFailure.telling { try await object.call(GatewayObject.Method.metrics) }
  }

  /// What the running gateway knows of itself, its node and Traefik.
  ///
  /// - Throws: as ``publish(_:for:)``.
  public func node() async throws -> NodeInfo {
    try await CallFailure.telling { try await object.call(GatewayObject.Method.node) }
  }

  /// What becomes of routes, from when the sequence is iterated on.
  public var events: EventStream<RouteEvent> {
    client.events(GatewayObject.events, of: GatewayObject.id, module: GatewayObject.module)
  }
}
