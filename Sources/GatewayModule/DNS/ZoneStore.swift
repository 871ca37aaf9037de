import DNSZones
import GatewayClient
import Logging
import Records
import Synchronization
import System

/// The zones and records of this node on disk, and the table of knotd's zones that follows them.
final class ZoneStore: Sendable {
  /// What the table is made of, by who reads it while a change is taken in.
  private final class Sources: Sendable {
    let records = Mutex<RecordStore<RecordSet>?>(nil)
    let zones = Mutex<RecordStore<DelegatedZone>?>(nil)
    /// Who has set records that are believed of a name, its own or such as a certificate authority's challenge.
    let subjects = Mutex<[Domain: Set<WorkloadID>]>([:])
    /// One change after the other, whichever of the two tells: the table is read from what is there by then.
    let order = Mutex(())

    func note(_ event: RecordStore<RecordSet>.Event) {
      let (old, new): (RecordSet?, RecordSet?) =
        switch event {
        case .set(let set, let old): (old, set)
        case .deleted(let set): (set, nil)
        case .quarantined: (nil, nil)
        }
      if let old, old.name.subject != new?.name.subject { release(old.name, old.workload) }
      if let new, let subject = new.name.subject {
        subjects.withLock { _ = $0[subject, default: []].insert(new.workload) }
      }
    }

    func release(_ name: RecordName, _ workload: WorkloadID) {
      guard let subject = name.subject else { return }
      subjects.withLock { subjects in
        subjects[subject]?.remove(workload)
        if subjects[subject]?.isEmpty == true { subjects[subject] = nil }
      }
    }
  }

  /// What the gateway itself says, which depends on what is known of the node.
  private final class OwnRecords: Sendable {
    private let state = Mutex<(network: PublicNetwork, challenges: [Domain: [String]])>(
      (PublicNetwork(domain: nil, addresses: []), [:]))
    private let node: DNSNode
    private let server: KnotServer

    init(_ node: DNSNode, _ server: KnotServer) {
      self.node = node
      self.server = server
    }

    /// The node's domain, where that is known.
    var domain: Domain? { state.withLock { $0.network.domain } }

    /// Has the table say it, after a change of that or of the zones.
    func tell(network: PublicNetwork? = nil, challenges: [Domain: [String]]? = nil) {
      state.withLock { state in
        if let network { state.network = network }
        if let challenges { state.challenges = challenges }
        var names = Set(state.challenges.keys)
        if let domain = state.network.domain, let name = try? Domain("_acme-challenge.\(domain)") { names.insert(name) }
        let records = node.ownRecords(state.network, challenges: state.challenges)
        server.withTable { $0.setOwn(records, challenges: names, node.head(owner: String?.none)) }
      }
    }
  }

  private let node: DNSNode
  private let server: KnotServer
  let zones: RecordStore<DelegatedZone>
  let records: RecordStore<RecordSet>
  /// Whether the parents of zones name this gateway, as far as is known.
  private let delegated = Mutex<[Domain: Bool]>([:])
  /// The zones that are being written.
  private let coming = Mutex<Set<Domain>>([])
  private let own: OwnRecords
  /// A change of a workload's records and the end of a zone that they are in come one after the other.
  private let turns = WorkloadTurns()
  private let sources: Sources
  /// Who has a route to a domain of the node's.
  private let routeOwner: @Sendable (Domain) -> WorkloadID?

  init(
    _ node: DNSNode, root: GatewayRoot, server: KnotServer, logger: Logger,
    routeOwner: @escaping @Sendable (Domain) -> WorkloadID?, onEvent: @escaping @Sendable (DNSEvent) -> Void
  ) throws {
    let sources = Sources()
    let own = OwnRecords(node, server)
    server.withTable { table in
      for domain in node.managed { table.add(domain, node.head(owner: "")) }
    }
    @Sendable func take(_ zones: RecordStore<DelegatedZone>.Event) {
      sources.order.withLock { _ in
        // At the start all of them are taken together.
        if let store = sources.zones.withLock({ $0 }) {
          for domain in zones.domains {
            let zone = store.record(claiming: domain)
            server.withTable { table in
              if let zone { table.add(domain, node.head(owner: zone.workload.user)) } else { table.remove(domain) }
            }
          }
          own.tell()
        }
        onEvent(DNSEvent(zones))
      }
    }
    @Sendable func take(_ records: RecordStore<RecordSet>.Event) {
      sources.order.withLock { _ in
        sources.note(records)
        if let store = sources.records.withLock({ $0 }) {
          for name in records.names {
            let set = store.record(claiming: name)
            server.withTable { table in
              if let set { table.set(set) } else { table.clear(name) }
            }
          }
        }
        onEvent(DNSEvent(records))
      }
    }
    let zones = try RecordStore<DelegatedZone>(root, directory: root.zones, kind: "zone", logger: logger) { take($0) }
    sources.zones.withLock { $0 = zones }
    let records = try RecordStore<RecordSet>(root, directory: root.dnsRecords, kind: "records", logger: logger) {
      take($0)
    }
    sources.records.withLock { $0 = records }
    server.withTable { table in
      for zone in zones.records { table.add(zone.domain, node.head(owner: zone.workload.user)) }
      for set in records.records { table.set(set) }
    }
    for set in records.records { sources.note(.set(set, replacing: nil)) }
    own.tell()
    self.sources = sources
    self.node = node
    self.server = server
    self.zones = zones
    self.records = records
    self.own = own
    self.routeOwner = routeOwner
  }

  /// What the node's domain and its addresses are.
  func follow(_ network: PublicNetwork) { own.tell(network: network) }

  /// Zones have come or gone that no file says.
  func zonesChanged() { own.tell() }

  /// What certificate authorities are to find, by name.
  func follow(_ challenges: [Domain: [String]]) { own.tell(challenges: challenges) }

  /// A zone, and who may do what in it.
  struct ZoneRules {
    let domain: Domain
    let isManaged: Bool

    /// Throws for records that may not stand where they are to.
    func check(_ set: RecordSet) throws(InvalidValue) {
      guard set.name == RecordName(domain) else { return }
      func refuse(_ rule: String) -> InvalidValue { InvalidValue("records of", domain.rawValue, rule) }
      guard !set.has(.cname) else { throw refuse("a CNAME cannot stand at the apex of a zone (RFC 1034, 3.6.2)") }
      guard !set.has(.ns) else { throw refuse("the NS records at the apex are the gateway's own") }
    }
  }

  /// The zone that a name is in, when the workload may set records there.
  func zone(for name: RecordName, _ workload: WorkloadID) throws(InvalidValue) -> ZoneRules {
    func refuse(_ rule: String) -> InvalidValue { InvalidValue("name", name.description, rule) }
    guard let domain = server.withTable({ $0.zoneForWorkloads(of: name) }) else {
      throw refuse("it is in no zone of this gateway")
    }
    let zone = zones.record(claiming: domain)
    if let zone, zone.workload.user != workload.user {
      throw refuse("only workloads of user \(zone.workload.user) set records in \(domain)")
    }
    let isManaged = zone == nil
    let subject = name.subject
    let isOwn =
      isManaged
      ? subject == domain || subject == own.domain || node.nameservers.contains { $0 == subject }
      : name.description == "__owner__.\(domain)"
    guard !isOwn else { throw refuse("it is the gateway's own") }
    // From the name's parent up to the zone's apex.
    var above = name.isWildcard ? name.domain : name.domain.parent
    while let ancestor = above, ancestor != domain, ancestor.isInside(domain) {
      if let set = records.record(claiming: RecordName(ancestor)), set.has(.ns), set.workload.user != workload.user {
        throw refuse("\(ancestor) is delegated by \(set.workload)")
      }
      above = ancestor.parent
    }
    return ZoneRules(domain: domain, isManaged: isManaged)
  }

  /// Throws when a zone would be inside another one, or around it.
  func checkIsFree(_ zone: DelegatedZone) throws {
    try zones.checkOwner(of: zone)
    let coming = coming.withLock { $0 }
    for domain in coming where domain != zone.domain && (zone.domain.isInside(domain) || domain.isInside(zone.domain)) {
      throw InvalidValue("domain", zone.domain.rawValue, "the zone \(domain) is held by another workload")
    }
    // Such a name speaks for another, which somebody else may have.
    guard RecordName(zone.domain).subject == zone.domain else {
      throw InvalidValue("domain", zone.domain.rawValue, "a name that begins with '_' is no domain of its own")
    }
    if let own = own.domain, zone.domain.isInside(own) {
      throw InvalidValue("domain", zone.domain.rawValue, "\(own) is the node's own")
    }
    // A domain that was delegated to this gateway when another program kept its records has an owner already.
    if let owner = server.withTable({ $0.hashOwner(of: zone.domain) }), owner != zone.workload.user {
      let whose = owner.isEmpty ? "does not say whose it is" : "says that it is user \(owner)'s"
      throw InvalidValue("domain", zone.domain.rawValue, "its hash in Redis \(whose)")
    }
    for managed in node.managed where zone.domain.isInside(managed) || managed.isInside(zone.domain) {
      throw InvalidValue("domain", zone.domain.rawValue, "\(managed) is the operator's")
    }
    for other in zones.records where other.workload != zone.workload {
      if zone.domain.isInside(other.domain) || other.domain.isInside(zone.domain) {
        throw InvalidValue("domain", zone.domain.rawValue, "the zone \(other.domain) is held by another workload")
      }
    }
  }

  /// Puts a zone in place; records in the one that its workload had go.
  func set(_ zone: DelegatedZone) async throws {
    // From here on others see that it comes.
    coming.withLock { _ = $0.insert(zone.domain) }
    defer { coming.withLock { _ = $0.remove(zone.domain) } }
    try checkIsFree(zone)
    let old = zones[zone.workload]
    // A zone that is new begins with no records, whatever a crash at the end of an earlier one has left.
    if zones.record(claiming: zone.domain) == nil { try await deleteRecords(in: zone.domain) }
    if let old, old.domain != zone.domain { try await deleteRecords(in: old.domain) }
    try await zones.set(zone)
    // What came meanwhile.
    if let old, old.domain != zone.domain { try await deleteRecords(in: old.domain) }
  }

  func note(_ domain: Domain, isDelegated: Bool) { delegated.withLock { $0[domain] = isDelegated } }

  func isDelegated(_ domain: Domain) -> Bool? { delegated.withLock { $0[domain] } }

  func deleteZone(of workload: WorkloadID) async throws {
    guard let zone = zones[workload] else { return }
    // First the records: of a zone that is gone nobody could take them away.
    try await deleteRecords(in: zone.domain)
    try await zones.delete(workload)
    // What came meanwhile.
    try await deleteRecords(in: zone.domain)
  }

  private func deleteRecords(in domain: Domain) async throws {
    // All at once, so that they share what it costs to put that on disk.
    try await withThrowingTaskGroup(of: Void.self) { group in
      for set in records.records where set.name.domain.isInside(domain) {
        group.addTask { [records, turns] in
          try await turns.take(for: set.workload) {
            // By then it may have others.
            guard records[set.workload]?.name.domain.isInside(domain) == true else { return }
            try await records.delete(set.workload)
          }
        }
      }
      try await group.waitForAll()
    }
  }

  /// Throws when records would delegate names away that other users hold.
  func checkNamesBelow(_ set: RecordSet) throws(InvalidValue) {
    guard set.has(.ns) else { return }
    for name in node.nameservers + [own.domain].compactMap({ $0 }) where name.isInside(set.name.domain) {
      throw InvalidValue("records of", set.name.description, "\(name) in it is the gateway's own")
    }
    for other in records.records where other.workload.user != set.workload.user {
      let isBelow = other.name != set.name && other.name.domain.isInside(set.name.domain)
      guard isBelow, !set.name.isWildcard else { continue }
      throw InvalidValue("records of", set.name.description, "\(other.name) below it is held by \(other.workload)")
    }
  }

  /// Who has set records that are believed of a domain.
  func holder(of domain: Domain) -> WorkloadID? { sources.subjects.withLock { $0[domain]?.min() } }

  /// Notes that records come which are believed of a name: only of one that nobody else's workload holds.
  private func claimSubject(of set: RecordSet) throws {
    try records.checkOwner(of: set)
    guard let subject = set.name.subject else { return }
    let holder = sources.subjects.withLock { subjects in
      if let holder = subjects[subject]?.first(where: { $0.user != set.workload.user }) { return holder as WorkloadID? }
      if let owner = routeOwner(subject), owner.user != set.workload.user { return owner }
      subjects[subject, default: []].insert(set.workload)
      return nil
    }
    guard let holder else { return }
    throw InvalidValue("name", set.name.description, "\(subject) is held by \(holder)")
  }

  /// Puts records in place.
  func set(_ set: RecordSet) async throws {
    try await turns.take(for: set.workload) {
      try claimSubject(of: set)
      do {
        try await records.set(set)
      } catch {
        if records[set.workload]?.name.subject != set.name.subject { sources.release(set.name, set.workload) }
        throw error
      }
      // Its zone may have gone meanwhile, or be another user's, and others may have set what goes before it.
      do throws(InvalidValue) {
        try zone(for: set.name, set.workload).check(set)
        try checkNamesBelow(set)
      } catch {
        try await records.delete(set.workload)
        throw error
      }
    }
  }

  /// Takes a workload's records away.
  func deleteRecords(of workload: WorkloadID) async throws {
    try await turns.take(for: workload) { _ = try await records.delete(workload) }
  }
}

extension RecordStore.Event where Content == DelegatedZone {
  fileprivate var domains: [Domain] {
    switch self {
    case .set(let zone, let old): (old.map { $0.domain == zone.domain ? [] : [$0.domain] } ?? []) + [zone.domain]
    case .deleted(let zone): [zone.domain]
    case .quarantined: []
    }
  }
}

extension RecordStore.Event where Content == RecordSet {
  fileprivate var names: [RecordName] {
    switch self {
    case .set(let set, let old): (old.map { $0.name == set.name ? [] : [$0.name] } ?? []) + [set.name]
    case .deleted(let set): [set.name]
    case .quarantined: []
    }
  }
}

extension DNSEvent {
  fileprivate init(_ event: RecordStore<DelegatedZone>.Event) { self.init(event, .zone) { $0.domain.rawValue } }

  fileprivate init(_ event: RecordStore<RecordSet>.Event) { self.init(event, .records) { $0.name.description } }

  private init<Content>(_ event: RecordStore<Content>.Event, _ kind: Kind, _ name: (Content) -> String) {
    switch event {
    case .set(let content, let old):
      self.init(
        workload: content.workload.rawValue, name: name(content), kind: kind, action: old == nil ? .set : .replaced)
    case .deleted(let content):
      self.init(workload: content.workload.rawValue, name: name(content), kind: kind, action: .deleted)
    case .quarantined(let workload, let reason):
      self.init(workload: workload?.rawValue ?? "", name: "", kind: kind, action: .quarantined, reason: reason)
    }
  }
}
