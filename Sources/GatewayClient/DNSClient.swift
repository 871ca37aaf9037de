public import RPC

/// A node's DNS, as a module that sets zones and records sees it.
///
///     let dns = DNSClient(client)
///     try await dns.setRecords(
///       RecordsRequest(name: "web.example.net", records: [.init("A", value: "192.0.2.7")]), for: "37-1976-web")
///
/// Every method throws `CallFailure`, whose code says what went wrong (see its codes for refusals), or `CancellationError`.
public struct DNSClient: Sendable {
  /// The client by which it is called.
  public let client: RPCClient
  private let object: RPCClient.RemoteObject

  /// - Parameters:
  ///   - client: has to run while calls are made.
  ///   - timeout: how long each call may take, waiting for the broker included.
  public init(_ client: RPCClient, timeout: Duration = .seconds(30)) {
    self.client = client
    object = client.object(DNSObject.id, of: GatewayObject.module, timeout: timeout)
  }

  /// Has the gateway serve a domain that was delegated to it. Answered once that is on disk and, where knotd runs, in effect.
  ///
  /// - Returns: what is to be entered at the domain's parent.
  /// - Throws: as all methods.
  @discardableResult
  public func setZone(_ request: ZoneRequest, for workload: String) async throws -> ZoneDelegation {
    try await CallFailure.telling { try await object.call(DNSObject.Method.setZone, workload, request) }
  }

  /// Gives a workload's domain back, with all records in it; a workload without one is no error.
  ///
  /// - Throws: as all methods.
  public func deleteZone(of workload: String) async throws {
    try await CallFailure.telling { try await object.call(DNSObject.Method.deleteZone, workload) }
  }

  /// Sets all records of a name, in the place of those that the workload had set. Answered once they are on disk and, where knotd
  /// runs, in effect.
  ///
  /// - Throws: as all methods.
  public func setRecords(_ request: RecordsRequest, for workload: String) async throws {
    try await CallFailure.telling { try await object.call(DNSObject.Method.setRecords, workload, request) }
  }

  /// Takes a workload's records away; a workload without any is no error.
  ///
  /// - Throws: as all methods.
  public func deleteRecords(of workload: String) async throws {
    try await CallFailure.telling { try await object.call(DNSObject.Method.deleteRecords, workload) }
  }

  /// All zones, by domain.
  ///
  /// - Throws: as all methods.
  public func zones() async throws -> [ZoneInfo] {
    try await CallFailure.telling { try await object.call(DNSObject.Method.zones) }
  }

  /// The records of the zone that a domain is or is in, by name.
  ///
  /// - Throws: as all methods.
  public func records(of domain: String) async throws -> [RecordInfo] {
    try await CallFailure.telling { try await object.call(DNSObject.Method.records, domain) }
  }

  /// What becomes of zones and records, from when the sequence is iterated on.
  public var events: EventStream<DNSEvent> {
    client.events(DNSObject.events, of: DNSObject.id, module: GatewayObject.module)
  }
}
