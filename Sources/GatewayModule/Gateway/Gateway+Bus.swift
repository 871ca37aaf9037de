import GatewayClient
public import RPC

extension RPCServer {
  /// Offers the gateway under both of its names.
  public mutating func register(_ gateway: Gateway) {
    typealias Name = GatewayObject.Method
    for object in [GatewayObject.legacyID, GatewayObject.id] {
      register(object) {
        RPCMethod(Name.setNamedProxy) { (workload: String, request: RouteRequest) in
          try await gateway.setNamedProxy(workload: workload, request)
        }
        RPCMethod(Name.setNamedProxy) {
          (workload: String, name: String, backends: [String], passesTLSThrough: Bool) in
          try await gateway.setNamedProxy(
            workload: workload, RouteRequest(.label(name), backends: backends, passesTLSThrough: passesTLSThrough))
        }
        RPCMethod(Name.setFQDNProxy) { (workload: String, request: RouteRequest) in
          try await gateway.setFQDNProxy(workload: workload, request)
        }
        RPCMethod(Name.setFQDNProxy) {
          (workload: String, fqdn: String, backends: [String], passesTLSThrough: Bool) in
          try await gateway.setFQDNProxy(
            workload: workload, RouteRequest(.fqdn(fqdn), backends: backends, passesTLSThrough: passesTLSThrough))
        }
        RPCMethod(Name.deleteNamedProxy) { (workload: String) in
          try await gateway.deleteNamedProxy(workload: workload)
        }
        RPCMethod(Name.metrics) { try await gateway.metrics() }
        RPCMethod(Name.routes) { await gateway.routes() }
        RPCMethod(Name.routes) { (workload: String) in try await gateway.routes(of: workload) }
        RPCMethod(Name.node) { await gateway.node() }
        RPCStream(GatewayObject.events) { gateway.changes() }
      }
    }
  }
}
