public import DNSZones
import GatewayClient
public import Logging
import RPC
public import Records
import System

/// The rules by which zones and records are set and taken away: what the object `dns` on the bus does.
///
/// What is on disk is what is served: each change of a file, whoever made it, changes the table of zones, and knotd follows that.
public struct DNS: Sendable {
  private let node: DNSNode
  private let store: ZoneStore
  private let server: KnotServer
  private let delegations: DelegationCheck?
  private let hashes: HashFollower?
  private let events: EventBroadcast<DNSEvent>
  private let turns = WorkloadTurns()

  /// Takes over what is on disk.
  ///
  /// - Parameters:
  ///   - node: what the operator has said.
  ///   - server: what is to serve the zones.
  ///   - delegations: looks up whether a domain is delegated to this gateway; nil lets every domain pass.
  ///   - hashes: where zones are served from as well; nil for nowhere else.
  ///   - routes: of whose domains nobody else's records say anything.
  /// - Throws: `FileError` when the root cannot be read or written.
  public init(
    _ node: DNSNode, root: GatewayRoot, server: KnotServer, delegations: DelegationCheck?, hashes: HashSource? = nil,
    routes: RouteStore, logger: Logger
  ) throws {
    let events = EventBroadcast<DNSEvent>(logger: logger)
    self.node = node
    self.server = server
    self.delegations = delegations
    self.events = events
    store = try ZoneStore(
      node, root: root, server: server, logger: logger,
      // Services of tcprouter give way.
      routeOwner: { domain in routes.owner(of: domain).flatMap { $0.isOfTCPRouter ? nil : $0 } },
      onEvent: { events.tell($0) })
    self.hashes = hashes.map { [store] source in
      HashFollower(source, root: root, head: node.head(owner: String?.none), server: server, logger: logger) {
        store.zonesChanged()
      }
    }
  }

  /// The node's public network is this, by which its own domain and its name server are found.
  public func follow(_ network: PublicNetwork) {
    store.follow(network)
    server.convergeSoon()
  }

  /// Certificate authorities are to find these values, by name, and no others.
  public func follow(challenges: [Domain: [String]]) {
    store.follow(challenges)
    server.convergeSoon()
  }

  /// Throws when records of another user's say where a domain is.
  func checkIsFree(_ domain: Domain, for workload: WorkloadID) throws(DomainTaken) {
    guard let holder = store.holder(of: domain), holder.user != workload.user else { return }
    throw DomainTaken(domain: domain)
  }

  // MARK: Zones

  /// Takes on a domain that has been delegated to this gateway.
  func setZone(workload: String, _ request: ZoneRequest) async throws -> ZoneDelegation {
    let workload = try WorkloadID(workload)
    return try await turns.take(for: workload) {
      let zone = DelegatedZone(workload: workload, domain: try Domain(request.domain))
      if !store.zones.contains(zone) {
        try store.checkIsFree(zone)
        await CurrentCall.releaseWorker()
        try await delegations?.verify(zone.domain, isDelegatedTo: node.nameservers)
        try await store.set(zone)
        if delegations != nil { store.note(zone.domain, isDelegated: true) }
      }
      await server.converge()
      return ZoneDelegation(
        nameservers: node.nameservers.map { "\($0)." }, ds: server.delegationSigners(of: zone.domain))
    }
  }

  /// Gives a domain back, with all records in it.
  func deleteZone(workload: String) async throws {
    let workload = try WorkloadID(workload)
    try await turns.take(for: workload) {
      await CurrentCall.releaseWorker()
      try await store.deleteZone(of: workload)
      await server.converge()
    }
  }

  // MARK: Records

  /// Sets all records of a name, in the place of those that the workload had set.
  func setRecords(workload: String, _ request: RecordsRequest) async throws {
    let workload = try WorkloadID(workload)
    try await turns.take(for: workload) {
      let name = try RecordName(request.name)
      let zone = try store.zone(for: name, workload)
      let set = try RecordSet(
        workload: workload, name: name,
        records: try request.records.map { record throws(InvalidValue) in
          try RecordSet.Record(
            RecordType(record.type), ttl: record.ttl.flatMap { $0 == 0 ? nil : $0 }, value: record.value)
        })
      try zone.check(set)
      try store.checkNamesBelow(set)
      await CurrentCall.releaseWorker()
      try await store.set(set)
      await server.converge()
    }
  }

  /// Takes the workload's records away.
  func deleteRecords(workload: String) async throws {
    let workload = try WorkloadID(workload)
    try await turns.take(for: workload) {
      await CurrentCall.releaseWorker()
      try await store.deleteRecords(of: workload)
      await server.converge()
    }
  }

  // MARK: Lists

  /// All zones, by domain.
  func zones() async -> [ZoneInfo] {
    await CurrentCall.releaseWorker()
    let serials = await server.serials()
    var counts: [Domain: Int] = [:]
    let sets = store.records.records
    server.withTable { table in
      for set in sets {
        if let zone = table.zone(of: set.name) { counts[zone, default: 0] += set.records.count }
      }
    }
    let hashes = server.withTable { $0.hashZones }
    counts.merge(hashes, uniquingKeysWith: +)
    let zones =
      store.zones.records.map { ($0.workload.rawValue, $0.domain) } + node.managed.map { ("", $0) }
      + hashes.keys.map { (hashHolder(of: $0), $0) }
    return zones.sorted { $0.1 < $1.1 }.map { workload, domain in
      ZoneInfo(
        workload: workload, domain: domain.rawValue, managed: workload.isEmpty, serial: serials[domain] ?? 0,
        records: counts[domain] ?? 0, ds: server.delegationSigners(of: domain), delegated: store.isDelegated(domain))
    }
  }

  /// The records of the zone that a domain is or is in, by name.
  func records(of domain: String) async throws -> [RecordInfo] {
    let domain = try Domain(domain)
    guard let zone = server.withTable({ $0.zone(of: RecordName(domain)) }) else {
      throw InvalidValue("domain", domain.rawValue, "it is in no zone of this gateway")
    }
    await CurrentCall.releaseWorker()
    return server.withTable { $0.records(in: zone) }.map { listed in
      let holder: String =
        switch listed.origin {
        case .gateway: ""
        case .workload:
          (try? RecordName(listed.name)).flatMap(store.records.record(claiming:))?.workload.rawValue ?? ""
        case .hash: hashHolder(of: zone)
        }
      return RecordInfo(
        workload: holder, name: listed.name, type: listed.record.type.rawValue, ttl: listed.record.ttl,
        value: listed.record.value)
    }
  }

  /// Who has what a zone's hash says: no workload, but a key.
  private func hashHolder(of zone: Domain) -> String { "hash:\(hashes?.keys.key(of: zone) ?? "")" }

  /// How names are served.
  var info: DNSInfo {
    DNSInfo(
      addresses: server.configuration.addresses.map(\.description), nameservers: node.nameservers.map(\.rawValue),
      secondaries: (server.configuration.secondaries?.servers ?? []).map(\.description), fault: server.problem ?? "")
  }

  /// What becomes of zones and records from now on.
  func changes() -> AsyncStream<DNSEvent> { events.listen() }

  // MARK: In the background

  /// Takes in what others do to the files, until the task is cancelled.
  func followFiles() async {
    await withTaskGroup(of: Void.self) { [store] group in
      group.addTask { await store.zones.watch() }
      group.addTask { await store.records.watch() }
    }
  }

  /// Takes in what the hashes in Redis say, until the task is cancelled.
  func followHashes() async { await hashes?.run() }

  /// Looks again and again whether the parents of zones still name this gateway, until the task is cancelled.
  func followDelegations() async {
    guard let delegations else { return }
    while !Task.isCancelled {
      for domain in store.zones.records.map(\.domain) + node.managed where !Task.isCancelled {
        // What cannot be told now stays as it was.
        guard let isDelegated = try? await delegations.isDelegated(domain, to: node.nameservers) else { continue }
        store.note(domain, isDelegated: isDelegated)
      }
      try? await Task.sleep(for: .seconds(600))
    }
  }

  /// Keeps knotd as it is to be, until the task is cancelled.
  func keepServing() async { await server.run() }

  /// Returns once the threads that write have come to it.
  public func takesTurn() async {
    await store.zones.takesTurn()
    await store.records.takesTurn()
  }

}
