import Records

@testable import DNSZones

/// A hash as somebody puts it into Redis: fields and their values in turn, a zero byte behind each.
///
/// - Each record that is taken is one record on one line of a zone, of its name and type, inside the hash's zone.
/// - An alias stands alone, no name has more records than it may, and those of one type have one TTL.
/// - The order of the fields means nothing.
@c(fuzz_hashes)
public func fuzzHashes(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let domain = try! Domain("example.test")
  let head = ZoneTable.ZoneHead(nameservers: [RecordName(domain)], owner: nil)
  let parts = bytes(start, count).split(separator: 0, omittingEmptySubsequences: false).map { Array($0) }
  var fields: [(name: [UInt8], value: [UInt8])] = []
  // As in Redis, a field is there once.
  var seen: Set<[UInt8]> = []
  for index in stride(from: 0, to: parts.count - 1, by: 2) where seen.insert(parts[index]).inserted {
    fields.append((parts[index], parts[index + 1]))
  }
  let zone = HashZone(domain, fields: fields, head: head)
  expect(zone == HashZone(domain, fields: fields.reversed(), head: head), "the order of fields means nothing")
  expect(!zone.head.nameservers.isEmpty, "a zone has a name server")
  expect(zone.head.authority(domain, serial: 7).serial == 7, "its authority has its serial")
  for (name, records) in zone.names {
    expect(name == domain.rawValue || name.hasSuffix(".\(domain)"), "names are in the zone")
    expect(!records.isEmpty && records.count <= RecordSet.maximumCount, "as many as may be")
    expect(records.count == 1 || !records.contains { $0.type == .cname }, "an alias stands alone")
    expect(name != domain.rawValue || !records.contains { $0.type == .cname || $0.type == .ns }, "nor at the apex")
    for record in records {
      expect(records.allSatisfy { $0.type != record.type || $0.ttl == record.ttl }, "those of one type have one TTL")
      for text in [record.value, record.data.generic] {
        guard let found = try? ZoneText.records(of: "\(name). \(record.ttl) IN \(record.type) \(text)\n") else {
          fatalError("a record that was taken is none")
        }
        expect(found.count == 1 && ZoneText.name(found[0].owner) == name, "one record of that name")
        expect(RecordData(wire: found[0].data, type: record.type) == record.data, "its data are the same")
      }
    }
  }
  return 0
}
