public import Records

/// All zones as they are to be served, and what of them has changed since knotd was last brought up to date.
public struct ZoneTable: Sendable {
  /// What a zone is served with, beside what workloads set in it.
  public struct ZoneHead: Hashable, Sendable {
    /// The gateway's name servers, the first of which is the zone's primary; at least one.
    public let nameservers: [RecordName]
    /// Who may set records in it; empty for the operator, in whose zones everybody may.
    public let owner: String

    public init(nameservers: [RecordName], owner: String) {
      self.nameservers = nameservers
      self.owner = owner
    }

    /// The value of the TXT record `__owner__`, in presentation format: JSON, as TFGateway writes it.
    public var ownerText: String { "{\"owner\":\"\(owner)\"}".zoneText }

    /// Of the records that every zone has, those under its own name.
    fileprivate var apex: NameContent {
      var content = NameContent()
      for name in nameservers {
        content.insert(RecordData(wire: wire(name.description), type: .ns), type: RecordType.ns.code, ttl: 3600)
      }
      return content
    }

    /// The start of the zone's authority (RFC 1035, 3.3.13) but for its serial: with times in seconds.
    func authority(_ domain: Domain, serial: UInt32) -> RecordData {
      let numbers: [UInt32] = [serial, 3600, 900, 1_209_600, 300]
      let bytes = numbers.flatMap { number in stride(from: 24, through: 0, by: -8).map { UInt8(number >> $0 & 0xff) } }
      return RecordData(
        wire: wire(nameservers.first?.description ?? domain.rawValue) + wire("hostmaster.\(domain)") + bytes, type: nil)
    }
  }

  struct Zone: Sendable {
    var head: ZoneHead
    /// By name, in text.
    var names: [String: NameContent] = [:]
  }

  private(set) var zones: [Domain: Zone] = [:]
  /// The names to look at; nil for a zone that is new, or is no more.
  private(set) var changed: [Domain: Set<String>?] = [:]

  public init() {}

  /// The zone that a name is in: the smallest one.
  public func zone(of name: RecordName) -> Domain? {
    var candidate: Domain? = name.domain
    while let domain = candidate {
      if zones[domain] != nil { return domain }
      candidate = domain.parent
    }
    return nil
  }

  /// A zone is to be served, with no records but those that every zone has.
  public mutating func add(_ domain: Domain, _ head: ZoneHead) {
    zones[domain] = Zone(head: head)
    changed[domain] = .some(nil)
    refresh(RecordName(domain), in: domain, set: nil)
    var owner = NameContent()
    if let data = try? RecordData(head.ownerText, type: .txt) {
      owner.insert(data, type: RecordType.txt.code, ttl: 600)
    }
    zones[domain]?.names["__owner__.\(domain)"] = owner
  }

  /// A zone is no longer to be served, nor anything in it.
  public mutating func remove(_ domain: Domain) {
    guard zones.removeValue(forKey: domain) != nil else { return }
    changed[domain] = .some(nil)
  }

  /// What is served under a name from now on, where it is in a zone.
  public mutating func set(_ set: RecordSet) {
    guard let domain = zone(of: set.name) else { return }
    refresh(set.name, in: domain, set: set)
    mark(set.name, in: domain)
  }

  /// Nothing that a workload has set is served under a name any more.
  public mutating func clear(_ name: RecordName) {
    guard let domain = zone(of: name) else { return }
    refresh(name, in: domain, set: nil)
    mark(name, in: domain)
  }

  private mutating func refresh(_ name: RecordName, in domain: Domain, set: RecordSet?) {
    guard let zone = zones[domain] else { return }
    var content = set?.content ?? NameContent()
    if name == RecordName(domain) { content.merge(zone.head.apex) }
    zones[domain]?.names[name.description] = content.isEmpty ? nil : content
  }

  /// What is served of a zone is not what was known.
  mutating func doubt(_ domain: Domain) { changed[domain] = .some(nil) }

  private mutating func mark(_ name: RecordName, in domain: Domain) {
    switch changed[domain] {
    case .some(.none): break
    case .some(.some(var names)):
      changed[domain] = .some([])
      names.insert(name.description)
      changed[domain] = names
    case .none: changed[domain] = [name.description]
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
  /// The text as one string of a TXT record in presentation format.
  fileprivate var zoneText: String {
    "\"" + replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
}
