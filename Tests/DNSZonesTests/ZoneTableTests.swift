import Records
import Testing

@testable import DNSZones

/// Which zone a name is in, and what is to be done when something changes.
@Suite(.timeLimit(.minutes(5)))
struct ZoneTableTests {
  private let head = ZoneTable.ZoneHead(nameservers: [RecordName(try! Domain("ns.gateway.test"))], owner: "37")

  private func set(_ name: String, _ value: String = "192.0.2.7") throws -> RecordSet {
    try RecordSet(
      workload: WorkloadID("37-1-w"), name: RecordName(name), records: [RecordSet.Record(.a, value: value)])
  }

  @Test func theSmallestZoneIsTheNames() throws {
    var table = ZoneTable()
    for zone in ["example.test", "deep.example.test"] { table.add(try Domain(zone), head) }
    for (name, zone) in [
      ("example.test", "example.test"), ("a.b.example.test", "example.test"), ("*.example.test", "example.test"),
      ("a.deep.example.test", "deep.example.test"), ("*.deep.example.test", "deep.example.test"),
      ("notdeep.example.test", "example.test"), ("evilexample.test", nil), ("other.test", nil),
    ] {
      #expect(table.zone(of: try RecordName(name))?.rawValue == zone, "\(name)")
    }
  }

  @Test func workIsWhatHasChanged() throws {
    var table = ZoneTable()
    let (domain, other) = (try Domain("example.test"), try Domain("other.test"))
    table.add(domain, head)
    table.add(other, head)
    try table.set(set("a.example.test"))
    let whole = table.takeWork(everything: false)
    #expect(whole.count == 2 && whole[domain]?.names == nil)
    #expect(whole[domain]?.zone?.names.keys.sorted() == ["__owner__.example.test", "a.example.test", "example.test"])
    #expect(table.takeWork(everything: false).isEmpty)

    try table.set(set("b.example.test"))
    table.clear(try RecordName("a.example.test"))
    let part = table.takeWork(everything: false)
    #expect(part.count == 1 && part[domain]?.names == ["a.example.test", "b.example.test"])
    #expect(part[domain]?.zone?.names.keys.sorted() == ["b.example.test"])

    table.remove(other)
    #expect(table.takeWork(everything: false)[other]?.zone == nil)
    #expect(table.takeWork(everything: true).keys.sorted() == [domain])
  }

  /// The zone's own NS records stay, whatever a workload sets at its apex.
  @Test func apexKeepsWhatIsTheGateways() throws {
    var table = ZoneTable()
    let domain = try Domain("example.test")
    table.add(domain, head)
    try table.set(set("example.test"))
    var types = table.takeWork(everything: true)[domain]?.zone?.names["example.test"]?.types.keys.sorted()
    #expect(types == [1, 2])
    table.clear(RecordName(domain))
    types = table.takeWork(everything: true)[domain]?.zone?.names["example.test"]?.types.keys.sorted()
    #expect(types == [2])
  }

  /// Of several who say something of a name the gateway comes first, then the workload.
  @Test func whoSaysItDecidesWhatIsServed() throws {
    var table = ZoneTable()
    let domain = try Domain("example.test")
    func served(_ name: String) -> [String] {
      table.records(in: domain).filter { $0.name == name }.map { "\($0.origin) \($0.record.type) \($0.record.value)" }
    }
    table.setHash(domain, hash(domain, ["a": "192.0.2.1"]))
    table.add(domain, head)
    #expect(served("a.example.test") == ["hash A 192.0.2.1"])
    try table.set(set("a.example.test"))
    #expect(served("a.example.test") == ["workload A 192.0.2.7"])
    try table.setOwn([RecordName("a.example.test"): [RecordSet.Record(.txt, value: "x")]])
    #expect(served("a.example.test") == ["gateway TXT x", "workload A 192.0.2.7"])
    try table.setOwn([RecordName("a.example.test"): [RecordSet.Record(.cname, value: "b.test")]])
    #expect(served("a.example.test") == ["gateway CNAME b.test"])
    table.setOwn([:])
    table.clear(try RecordName("a.example.test"))
    #expect(served("a.example.test") == ["hash A 192.0.2.1"])
    table.setHash(domain, nil)
    #expect(served("a.example.test").isEmpty)
  }

  private func hash(_ domain: Domain, _ addresses: [String: String]) -> HashZone {
    let fields = addresses.map { (name: Array($0.utf8), value: Array(#"{"a":[{"ip":"\#($1)","ttl":60}]}"#.utf8)) }
    return HashZone(domain, fields: fields, head: ZoneTable.ZoneHead(nameservers: head.nameservers, owner: nil))
  }

  /// Of a hash that is read again only what differs is work.
  @Test func hashThatChangesIsTheDifference() throws {
    var table = ZoneTable()
    let domain = try Domain("example.test")
    table.setHash(domain, hash(domain, ["a": "192.0.2.1", "b": "192.0.2.2", "sub.*": "192.0.2.3"]))
    let whole = table.takeWork(everything: false)[domain]
    #expect(whole?.names == nil)
    #expect(
      whole?.zone?.names.keys.sorted()
        == ["a.example.test", "b.example.test", "example.test", "sub.*.example.test"])
    #expect(table.hashZones == [domain: 3])
    table.setHash(domain, hash(domain, ["a": "192.0.2.1", "b": "192.0.2.9", "c": "192.0.2.3"]))
    let part = table.takeWork(everything: false)[domain]
    #expect(part?.names == ["b.example.test", "c.example.test", "sub.*.example.test"])
    #expect(part?.zone?.names.keys.sorted() == ["b.example.test", "c.example.test"])
    table.setHash(domain, hash(domain, ["a": "192.0.2.1", "b": "192.0.2.9", "c": "192.0.2.3"]))
    #expect(table.takeWork(everything: false).isEmpty)
    // Workloads set records in zones of records alone.
    #expect(table.zoneForWorkloads(of: try RecordName("x.example.test")) == nil)
    table.add(domain, head)
    #expect(table.zoneForWorkloads(of: try RecordName("x.example.test")) == domain && table.hashZones.isEmpty)
    table.setHash(domain, nil)
    #expect(
      table.takeWork(everything: false)[domain]?.zone?.names.keys.sorted() == [
        "__owner__.example.test", "example.test",
      ])
    table.remove(domain)
    #expect(table.takeWork(everything: false)[domain]?.zone == nil && table.zones.isEmpty)
  }

  /// What a hash says of names that are in a smaller zone does not count there, and does again when that is gone.
  @Test func hashSaysNothingOfOtherZones() throws {
    var table = ZoneTable()
    let (outer, inner) = (try Domain("example.test"), try Domain("in.example.test"))
    func names(_ domain: Domain) -> [String] { table.records(in: domain).filter { $0.origin == .hash }.map(\.name) }
    table.setHash(outer, hash(outer, ["a": "192.0.2.1", "x.in": "192.0.2.2", "in": "192.0.2.3"]))
    #expect(names(outer) == ["a.example.test", "in.example.test", "x.in.example.test"])
    table.add(inner, head)
    #expect(names(outer) == ["a.example.test"] && names(inner).isEmpty)
    table.setHash(inner, hash(inner, ["y": "192.0.2.4"]))
    table.remove(inner)
    #expect(names(outer) == ["a.example.test"] && names(inner) == ["y.in.example.test"])
    table.setHash(inner, nil)
    #expect(names(outer) == ["a.example.test", "in.example.test", "x.in.example.test"])
  }

  /// A challenge has a zone of its own only where its name is in no other.
  @Test func challengeIsInTheZoneOfAHash() throws {
    var table = ZoneTable()
    let (domain, name) = (try Domain("example.test"), try Domain("_acme-challenge.example.test"))
    func tell() throws {
      try table.setOwn([RecordName(name): [RecordSet.Record(.txt, value: "x")]], challenges: [name], head)
    }
    try tell()
    #expect(table.zones.keys.sorted() == [name])
    table.setHash(domain, hash(domain, ["a": "192.0.2.1"]))
    try tell()
    #expect(table.zones.keys.sorted() == [domain])
    #expect(table.records(in: domain).contains { $0.name == name.rawValue && $0.origin == .gateway })
    table.setHash(domain, nil)
    try tell()
    #expect(table.zones.keys.sorted() == [name])
  }

  /// A zone that comes takes its names from the one around it, and one that goes gives them back.
  @Test func namesGoWithTheirZones() throws {
    var table = ZoneTable()
    let (outer, inner) = (try Domain("example.test"), try Domain("in.example.test"))
    try table.set(set("a.in.example.test"))
    table.add(outer, head)
    try table.set(set("*.in.example.test"))
    func names(_ domain: Domain) -> [String] { table.records(in: domain).filter { $0.origin == .workload }.map(\.name) }
    let both = ["*.in.example.test", "a.in.example.test"]
    #expect(names(outer) == both)
    table.setZone(inner, head, by: .hash)
    #expect(names(outer).isEmpty && names(inner) == both)
    table.add(inner, head)
    table.setZone(inner, nil, by: .hash)
    #expect(names(inner) == both)
    table.remove(inner)
    #expect(names(outer) == both && names(inner).isEmpty)
    table.remove(outer)
    #expect(names(outer).isEmpty)
    table.add(outer, head)
    #expect(names(outer) == both)
  }
}
