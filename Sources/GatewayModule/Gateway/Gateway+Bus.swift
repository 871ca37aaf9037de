import GatewayClient
public import RPC

extension RPCServer {
  /// Offers the gateway under both of its names.
  public mutating func register(_ gateway: Gateway) {
    typealias MethodName = GatewayObject.Method
    for object in [GatewayObject.legacyID, GatewayObject.id] {
      register(object) {
        RPCMethod(MethodName.setNamedProxy) { (workload: String, request: RouteRequest) in
          try await gateway.setNamedProxy(workload: workload, request)
        }
        RPCMethod(MethodName.setNamedProxy) {
          (workload: String, name: String, backends: [String], passesTLSThrough: Bool) in
          try await gateway.setNamedProxy(
            workload: workload, RouteRequest(.label(name), backends: backends, passesTLSThrough: passesTLSThrough))
        }
        RPCMethod(MethodName.setFQDNProxy) { (workload: String, request: RouteRequest) in
          try await gateway.setFQDNProxy(workload: workload, request)
        }
        RPCMethod(MethodName.setFQDNProxy) {
          (workload: String, fqdn: String, backends: [String], passesTLSThrough: Bool) in
          try await gateway.setFQDNProxy(
            workload: workload, RouteRequest(.fqdn(fqdn), backends: backends, passesTLSThrough: passesTLSThrough))
        }
        RPCMethod(MethodName.deleteNamedProxy) { (workload: String) in
          try await gateway.deleteNamedProxy(workload: workload)
        }
        RPCMethod(MethodName.metrics) { try await gateway.metrics() }
        RPCMethod(MethodName.routes) { await gateway.routes() }
        RPCMethod(MethodName.routes) { (workload: String) in try await gateway.routes(of: workload) }
        RPCMethod(MethodName.node) { await gateway.node() }
        RPCStream(GatewayObject.events) { gateway.changes() }
      }
    }
  }
}
