public import RPC

extension Gateway {
  /// The module's name on the bus.
  public static let module = "gateway"
  /// What the documentation calls the object.
  public static let object = ObjectID("gateway", version: "0.0.1")
  /// What today's callers call it.
  public static let legacyObject = ObjectID("manager", version: "0.0.1")
  /// The stream of ``RouteChange`` that the object has under either name.
  public static let changesStream = "Changes"
}

extension Server {
  /// Offers the gateway under both of its names.
  public mutating func register(_ gateway: Gateway) {
    for object in [Gateway.legacyObject, Gateway.object] {
      register(object) {
        Method("SetNamedProxy") { (workload: String, proxy: NamedProxy) in
          try await gateway.setNamedProxy(workload: workload, proxy)
        }
        Method("SetNamedProxy") { (workload: String, name: String, backends: [String], passesTLSThrough: Bool) in
          try await gateway.setNamedProxy(
            workload: workload, NamedProxy(name: name, passesTLSThrough: passesTLSThrough, backends: backends))
        }
        Method("SetFQDNProxy") { (workload: String, proxy: FQDNProxy) in
          try await gateway.setFQDNProxy(workload: workload, proxy)
        }
        Method("SetFQDNProxy") { (workload: String, fqdn: String, backends: [String], passesTLSThrough: Bool) in
          try await gateway.setFQDNProxy(
            workload: workload, FQDNProxy(fqdn: fqdn, passesTLSThrough: passesTLSThrough, backends: backends))
        }
        Method("DeleteNamedProxy") { (workload: String) in try await gateway.deleteNamedProxy(workload: workload) }
        Method("Metrics") { try await gateway.metrics() }
        Method("Routes") { await gateway.routes() }
        Method("Routes") { (workload: String) in try await gateway.routes(of: workload) }
        Method("Node") { await gateway.node() }
        Stream(Gateway.changesStream) { gateway.changes() }
      }
    }
  }
}
