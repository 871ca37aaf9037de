import GatewayClient
public import RPC

extension RPCServer {
  /// Offers the gateway's pipes.
  public mutating func register(_ pipes: Pipes) {
    typealias MethodName = PipeObject.Method
    register(PipeObject.id) {
      RPCMethod(MethodName.setPipe) { (workload: String, request: PipeRequest) in
        try await pipes.setPipe(workload: workload, request)
      }
      RPCMethod(MethodName.deletePipe) { (workload: String) in try await pipes.deletePipe(workload: workload) }
      RPCMethod(MethodName.pipes) { await pipes.pipes() }
      RPCStream(PipeObject.events) { pipes.changes() }
    }
  }
}
