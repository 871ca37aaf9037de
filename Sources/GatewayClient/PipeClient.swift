public import RPC

/// A node's pipes, as a module that sets them sees them.
///
///     let pipes = PipeClient(client)
///     try await pipes.setPipe(PipeRequest(listen: "0.0.0.0:12000", remote: "10.1.2.3:22"), for: "37-1976-ssh")
///
/// Every method throws `CallFailure`, whose code says what went wrong (see its codes for refusals), or `CancellationError`.
public struct PipeClient: Sendable {
  /// The client by which it is called.
  public let client: RPCClient
  private let object: RPCClient.RemoteObject

  /// - Parameters:
  ///   - client: has to run while calls are made.
  ///   - timeout: how long each call may take, waiting for the broker included.
  public init(_ client: RPCClient, timeout: Duration = .seconds(30)) {
    self.client = client
    object = client.object(PipeObject.id, of: GatewayObject.module, timeout: timeout)
  }

  /// Sets a workload's pipe, in the place of the one that it had. Answered once that is on disk and, where the relay runs, takes
  /// connections.
  ///
  /// - Throws: as all methods.
  public func setPipe(_ request: PipeRequest, for workload: String) async throws {
    try await CallFailure.telling { try await object.call(PipeObject.Method.setPipe, workload, request) }
  }

  /// Takes a workload's pipe away, and ends its connections; a workload without one is no error.
  ///
  /// - Throws: as all methods.
  public func deletePipe(of workload: String) async throws {
    try await CallFailure.telling { try await object.call(PipeObject.Method.deletePipe, workload) }
  }

  /// All pipes, by workload.
  ///
  /// - Throws: as all methods.
  public func pipes() async throws -> [PipeInfo] {
    try await CallFailure.telling { try await object.call(PipeObject.Method.pipes) }
  }

  /// What becomes of pipes, from when the sequence is iterated on.
  public var events: EventStream<RecordEvent> {
    client.events(PipeObject.events, of: PipeObject.id, module: GatewayObject.module)
  }
}
