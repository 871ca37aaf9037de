import GatewayClient
public import RPC

extension RPCServer {
  /// Offers the gateway's DNS.
  public mutating func register(_ dns: DNS) {
    typealias MethodName = DNSObject.Method
    register(DNSObject.id) {
      RPCMethod(MethodName.setZone) { (workload: String, request: ZoneRequest) in
        try await dns.setZone(workload: workload, request)
      }
      RPCMethod(MethodName.deleteZone) { (workload: String) in try await dns.deleteZone(workload: workload) }
      RPCMethod(MethodName.setRecords) { (workload: String, request: RecordsRequest) in
        try await dns.setRecords(workload: workload, request)
      }
      RPCMethod(MethodName.deleteRecords) { (workload: String) in try await dns.deleteRecords(workload: workload) }
      RPCMethod(MethodName.zones) { await dns.zones() }
      RPCMethod(MethodName.records) { (domain: String) in try await dns.records(of: domain) }
      RPCStream(DNSObject.events) { dns.changes() }
    }
  }
}
