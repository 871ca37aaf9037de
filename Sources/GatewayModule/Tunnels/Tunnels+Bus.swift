import GatewayClient
public import RPC
import Records

extension RPCServer {
  /// Offers the gateway's tunnels.
  public mutating func register(_ tunnels: Tunnels) {
    typealias MethodName = TunnelObject.Method
    register(TunnelObject.id) {
      RPCMethod(MethodName.setTunnel) { (workload: String, request: TunnelRequest) in
        try await tunnels.setTunnel(workload: WorkloadID(setByCall: workload).rawValue, request)
      }
      RPCMethod(MethodName.deleteTunnel) { (workload: String) in try await tunnels.deleteTunnel(workload: workload) }
      RPCMethod(MethodName.tunnels) { await tunnels.tunnels() }
      RPCStream(TunnelObject.events) { tunnels.changes() }
    }
  }
}
