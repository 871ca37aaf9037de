public import RPC

/// A node's tunnels, as a module that sets them sees them.
///
///     let tunnels = TunnelClient(client)
///     let access = try await tunnels.setTunnel(TunnelRequest(), for: "37-1976-home")
///     // The machine at home dials access.servers with access.secret; a route's backend is "tunnel:37-1976-home".
///
/// Every method throws `CallFailure`, whose code says what went wrong (see its codes for refusals), or `CancellationError`.
public struct TunnelClient: Sendable {
  /// The client by which it is called.
  public let client: RPCClient
  private let object: RPCClient.RemoteObject

  /// - Parameters:
  ///   - client: has to run while calls are made.
  ///   - timeout: how long each call may take, waiting for the broker included.
  public init(_ client: RPCClient, timeout: Duration = .seconds(30)) {
    self.client = client
    object = client.object(TunnelObject.id, of: GatewayObject.module, timeout: timeout)
  }

  /// Sets a workload's tunnel, in the place of the one that it had. Answered once that is on disk and, where the relay runs, clients
  /// may dial in.
  ///
  /// - Throws: as all methods.
  @discardableResult
  public func setTunnel(_ request: TunnelRequest, for workload: String) async throws -> TunnelAccess {
    try await CallFailure.telling { try await object.call(TunnelObject.Method.setTunnel, workload, request) }
  }

  /// Takes a workload's tunnel away, and ends the sessions of its clients; a workload without one is no error.
  ///
  /// - Throws: as all methods.
  public func deleteTunnel(of workload: String) async throws {
    try await CallFailure.telling { try await object.call(TunnelObject.Method.deleteTunnel, workload) }
  }

  /// All tunnels, by workload.
  ///
  /// - Throws: as all methods.
  public func tunnels() async throws -> [TunnelInfo] {
    try await CallFailure.telling { try await object.call(TunnelObject.Method.tunnels) }
  }

  /// What becomes of tunnels, from when the sequence is iterated on.
  public var events: EventStream<RecordEvent> {
    client.events(TunnelObject.events, of: TunnelObject.id, module: GatewayObject.module)
  }
}
