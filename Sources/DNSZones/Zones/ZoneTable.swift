public import Records
import System

/// All zones as they are to be served, and what of them has changed since knotd was last brought up to date.
public struct ZoneTable: Sendable {
  /// What a zone is served with, beside what is set in it.
  public struct ZoneHead: Hashable, Sendable {
    /// The zone's name servers, the first of which is its primary unless `start` names another; at least one.
    public let nameservers: [RecordName]
    /// Who may set records in it; empty for the operator, in whose zones everybody may, and nil where the gateway does not say.
    public let owner: String?
    /// In seconds, of the records that name the name servers.
    let nameserverTTL: Int
    let start: StartOfAuthority

    public init(nameservers: [RecordName], owner: String?) {
      self.init(nameservers: nameservers, owner: owner, nameserverTTL: 3600, start: StartOfAuthority())
    }

    init(nameservers: [RecordName], owner: String?, nameserverTTL: Int, start: StartOfAuthority) {
      self.nameservers = nameservers
      self.owner = owner
      self.nameserverTTL = nameserverTTL
      self.start = start
    }

    /// What the start of a zone's authority says (RFC 1035, 3.3.13), times in seconds, but for its serial.
    struct StartOfAuthority: Hashable, Sendable {
      /// nil for the first of the name servers.
      var primary: String?
      /// nil for `hostmaster` in the zone.
      var mailbox: String?
      var refresh: UInt32 = 3600
      var retry: UInt32 = 900
      var expire: UInt32 = 1_209_600
      // That a name is not there is remembered for a minute: who has just set one need not wait longer.
      var minimum: UInt32 = 60
    }

    /// The name that says whose a zone is.
    static func ownerName(in domain: Domain) -> String { "__owner__.\(domain)" }

    /// The records that every zone has under its own name.
    fileprivate var apex: [RecordSet.Record] {
      nameservers.map { RecordSet.Record(unchecked: .ns, ttl: nameserverTTL, value: "\($0).") }
    }

    /// Those that say whose it is: JSON, as TFGateway writes it. The gateway's identity is the name of its first name server.
    fileprivate var ownership: [RecordSet.Record] {
      guard let owner else { return [] }
      let text = "{\"identity\":\"\(nameservers.first?.description ?? "")\",\"owner\":\"\(owner)\"}"
      return [RecordSet.Record(unchecked: .txt, ttl: 600, value: text.zoneText)]
    }

    /// The start of the zone's authority.
    func authority(_ domain: Domain, serial: UInt32) -> RecordData {
      let numbers = [serial, start.refresh, start.retry, start.expire, start.minimum]
      let bytes = numbers.flatMap { number in stride(from: 24, through: 0, by: -8).map { UInt8(number >> $0 & 0xff) } }
      let primary = start.primary ?? nameservers.first?.description ?? domain.rawValue
      return RecordData(wire: wire(primary) + wire(start.mailbox ?? "hostmaster.\(domain)") + bytes, type: nil)
    }
  }

  /// Who has a zone served. Where several do, it is served as the first of them says.
  enum ZoneOrigin: CaseIterable, Hashable, Sendable {
    /// A workload by its record, or the operator.
    case record
    case hash
    /// A challenge, in no other zone.
    case challenge
  }

  /// Who says what stands under a name.
  public enum NameOrigin: Hashable, Sendable {
    /// The gateway itself: what the others say of the same types does not count, nor anything beside an alias.
    case gateway
    case workload
    /// Nothing of it counts where a workload says something.
    case hash
  }

  struct Zone: Sendable {
    fileprivate var heads: [ZoneOrigin: ZoneHead]
    /// What is served, by name, in text.
    fileprivate(set) var names: [String: NameContent] = [:]

    /// Its file (RFC 1035, 5), in which every record is written as unknown data is (RFC 3597, 5).
    func file(of domain: Domain, serial: UInt32) -> [UInt8] {
      var text = Array("\(domain). 3600 IN SOA \(head.authority(domain, serial: serial).generic)\n".utf8)
      for (name, content) in names {
        for (type, content) in content.types {
          let start = Array("\(name). \(content.ttl) IN \(RecordData.typeText(type)) ".utf8)
          for data in content.data {
            text += start
            text += data.generic.utf8
            text.append(UInt8(ascii: "\n"))
          }
        }
      }
      return text
    }

    /// Whether it is served for another reason than a challenge.
    fileprivate var isServedAnyway: Bool { heads[.record] != nil || heads[.hash] != nil }

    var head: ZoneHead { ZoneOrigin.allCases.lazy.compactMap { [heads] in heads[$0] }.first! }
  }

  private(set) var zones: [Domain: Zone] = [:]
  /// What the gateway says, and what workloads do, of names in any zone.
  private var given: [NameOrigin: [String: [RecordSet.Record]]] = [:]
  /// What hashes say, of names in their own zones alone.
  private var hashes: [Domain: [String: [RecordSet.Record]]] = [:]
  /// The names that are in no zone.
  private var orphans: Set<String> = []
  /// The names to look at; nil for a zone that is new, or is no more.
  private(set) var changed: [Domain: Set<String>?] = [:]

  public init() {}

  /// The zone that a name is in: the smallest one.
  public func zone(of name: RecordName) -> Domain? { zone(around: name.domain) }

  /// The same where it is one in which workloads set records.
  public func zoneForWorkloads(of name: RecordName) -> Domain? {
    zone(of: name).flatMap { zones[$0]?.heads[.record] == nil ? nil : $0 }
  }

  private func zone(around domain: Domain?) -> Domain? {
    var candidate = domain
    while let domain = candidate {
      if zones[domain] != nil { return domain }
      candidate = domain.parent
    }
    return nil
  }

  private func zone(of name: String) -> Domain? {
    // Its labels may be such as no domain has: asterisks.
    var rest = name[...]
    while !rest.isEmpty {
      if let domain = try? Domain(rest) { return zone(around: domain) }
      rest = rest.drop { $0 != "." }.dropFirst()
    }
    return nil
  }

  // MARK: Zones

  /// A zone is to be served, with what is set in it and what every zone has.
  public mutating func add(_ domain: Domain, _ head: ZoneHead) { setZone(domain, head, by: .record) }

  /// A zone is no longer to be served.
  public mutating func remove(_ domain: Domain) { setZone(domain, nil, by: .record) }

  /// - Parameter head: nil where it is not to be served on behalf of `origin`.
  mutating func setZone(_ domain: Domain, _ head: ZoneHead?, by origin: ZoneOrigin) {
    let old = zones[domain]
    guard old?.heads[origin] != head else { return }
    if old != nil {
      zones[domain]!.heads[origin] = head
      if zones[domain]!.heads.isEmpty {
        zones[domain] = nil
        // The hash of the zone around it says again what stands there.
        let outer = zone(around: domain.parent).flatMap { hashes[$0] } ?? [:]
        for name in Set(old!.names.keys).union(outer.keys.filter { $0.isInside(domain) }) { refresh(name) }
      }
    } else if let head {
      let outer = zone(around: domain.parent)
      zones[domain] = Zone(heads: [origin: head])
      let others = outer.flatMap { zones[$0]?.names.keys.map { $0 } } ?? []
      for name in orphans.filter({ $0.isInside(domain) }) + others.filter({ $0.isInside(domain) }) {
        refresh(name)
        guard let outer, zones[outer]!.names.removeValue(forKey: name) != nil else { continue }
        mark(name, in: outer)
      }
    }
    // After that, so that no name is looked at alone.
    changed[domain] = .some(nil)
    guard zones[domain] != nil else { return }
    refresh(domain.rawValue)
    refresh(ZoneHead.ownerName(in: domain))
  }

  /// The hash of a zone says this from now on, and no longer what it said before.
  ///
  /// - Parameter hash: nil where there is none any more.
  public mutating func setHash(_ domain: Domain, _ hash: HashZone?) {
    let old = hashes[domain] ?? [:]
    let new = hash?.names ?? [:]
    hashes[domain] = hash?.names
    setZone(domain, hash?.head, by: .hash)
    guard zones[domain] != nil else { return }
    for name in Set(old.keys).union(new.keys) where old[name] != new[name] { refresh(name) }
  }

  /// Whose a zone is by its hash alone, as TFGateway writes it (`__owner__`): empty where that is not said; nil where no hash has the
  /// zone, or somebody else does.
  public func hashOwner(of domain: Domain) -> String? {
    guard let names = hashes[domain], zones[domain]?.heads[.record] == nil else { return nil }
    for record in names[ZoneHead.ownerName(in: domain)] ?? [] where record.type == .txt {
      if case .object(let members)? = try? JSONValue(record.data.text), case .string(let owner)? = members["owner"] {
        return owner
      }
    }
    return ""
  }

  /// The zones that are served because there is a hash, and nobody else's, with how many records are in each hash.
  public var hashZones: [Domain: Int] {
    let alone = hashes.filter { zones[$0.key]?.heads[.record] == nil }
    return alone.mapValues { names in names.values.reduce(0) { $0 + $1.count } }
  }

  // MARK: Names

  /// What a workload has set is served under a name from now on, where it is in a zone.
  public mutating func set(_ set: RecordSet) { give(set.name.description, set.records, by: .workload) }

  /// Nothing that a workload has set is served under a name any more.
  public mutating func clear(_ name: RecordName) { give(name.description, [], by: .workload) }

  /// Has the gateway itself say these records, and no other.
  ///
  /// - Parameter challenges: the names that are to be in a zone, be it one of their own, which is served as `head` says.
  public mutating func setOwn(
    _ records: [RecordName: [RecordSet.Record]], challenges: Set<Domain> = [], _ head: ZoneHead? = nil
  ) {
    let alone = challenges.filter { challenge in
      var domain: Domain? = challenge
      while let candidate = domain, zones[candidate]?.isServedAnyway != true { domain = candidate.parent }
      return domain == nil
    }
    for domain in zones.keys where zones[domain]!.heads[.challenge] != nil && !alone.contains(domain) {
      setZone(domain, nil, by: .challenge)
    }
    for domain in alone { setZone(domain, head, by: .challenge) }
    let new = Dictionary(uniqueKeysWithValues: records.map { ($0.key.description, $0.value) })
    for name in given[.gateway, default: [:]].keys where new[name] == nil { give(name, [], by: .gateway) }
    for (name, records) in new { give(name, records, by: .gateway) }
  }

  mutating func give(_ name: String, _ records: [RecordSet.Record], by origin: NameOrigin) {
    let records = records.isEmpty ? nil : records
    guard given[origin]?[name] != records else { return }
    given[origin, default: [:]][name] = records
    refresh(name)
  }

  private mutating func refresh(_ name: String) {
    let domain = zone(of: name)
    let content = content(of: name, in: domain)
    guard let domain else {
      if content.isEmpty { orphans.remove(name) } else { orphans.insert(name) }
      return
    }
    orphans.remove(name)
    zones[domain]!.names[name] = content.isEmpty ? nil : content
    mark(name, in: domain)
  }

  /// What the gateway itself says of a name, in a zone.
  private func ownRecords(of name: String, in domain: Domain?) -> [RecordSet.Record] {
    let own = given[.gateway]?[name] ?? []
    guard let domain, let head = zones[domain]?.head else { return own }
    if name == domain.rawValue { return head.apex + own }
    return name == ZoneHead.ownerName(in: domain) ? head.ownership + own : own
  }

  /// What is said of a name beside that, and by whom.
  private func otherRecords(
    of name: String, in domain: Domain?
  ) -> (origin: NameOrigin, records: [RecordSet.Record]) {
    if let records = given[.workload]?[name] { return (.workload, records) }
    return (.hash, domain.flatMap { hashes[$0]?[name] } ?? [])
  }

  private func content(of name: String, in domain: Domain?) -> NameContent {
    var content = NameContent(ownRecords(of: name, in: domain))
    let others = NameContent(otherRecords(of: name, in: domain).records)
    if content.isEmpty { return others }
    if !content.isAlias, !others.isAlias { content.merge(others) }
    return content
  }

  /// A record that is served.
  public struct Listed: Sendable {
    /// In text, without a dot at its end.
    public let name: String
    public let origin: NameOrigin
    public let record: RecordSet.Record
  }

  /// All records of a zone, by name; of a name those of the gateway itself come first.
  public func records(in domain: Domain) -> [Listed] {
    guard let zone = zones[domain] else { return [] }
    return zone.names.keys.sorted().flatMap { name in
      let own = ownRecords(of: name, in: domain).map { Listed(name: name, origin: .gateway, record: $0) }
      let (origin, others) = otherRecords(of: name, in: domain)
      let served = others.filter { record in
        zone.names[name]?.types[record.type.code]?.data.contains(record.data) == true
      }
      return own + served.map { Listed(name: name, origin: origin, record: $0) }
    }
  }

  /// What is served of a zone is not what was known.
  mutating func doubt(_ domain: Domain) { changed[domain] = .some(nil) }

  private mutating func mark(_ name: String, in domain: Domain) {
    switch changed[domain] {
    case .some(.none): break
    case .some(.some(var names)):
      changed[domain] = .some([])
      names.insert(name)
      changed[domain] = names
    case .none: changed[domain] = [name]
    }
  }

  /// What is to be made of a zone.
  struct Work: Sendable {
    /// As it is to be served, with ``names`` alone where there are any; nil for not at all.
    let zone: Zone?
    /// Those that may have changed; nil for all.
    let names: Set<String>?
  }

  /// What there is to do; then it is forgotten.
  ///
  /// - Parameter everything: whether for all zones, and not only for what has changed.
  mutating func takeWork(everything: Bool) -> [Domain: Work] {
    defer { changed = [:] }
    if everything { return zones.mapValues { Work(zone: $0, names: nil) } }
    var work: [Domain: Work] = [:]
    for (domain, names) in changed {
      guard let names, var zone = zones[domain] else {
        work[domain] = Work(zone: zones[domain], names: nil)
        continue
      }
      // Not the whole zone, which would be copied at the next change.
      let all = zone.names
      zone.names = [:]
      for name in names { zone.names[name] = all[name] }
      work[domain] = Work(zone: zone, names: names)
    }
    return work
  }
}

/// A domain name on the wire (RFC 1035, 3.1).
func wire(_ name: String) -> [UInt8] {
  name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + $0.utf8 } + [0]
}

extension String {
  /// Whether this name is the domain's or below it.
  fileprivate func isInside(_ domain: Domain) -> Bool {
    let (bytes, zone) = (utf8, domain.rawValue.utf8)
    guard bytes.count > zone.count else { return self == domain.rawValue }
    return bytes.suffix(zone.count).elementsEqual(zone) && bytes.dropLast(zone.count).last == UInt8(ascii: ".")
  }

  /// The text as one string of a TXT record in presentation format.
  fileprivate var zoneText: String {
    "\"" + replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
}
