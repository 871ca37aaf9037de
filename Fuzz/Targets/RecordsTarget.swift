import Records

@testable import DNSZones

/// Records as somebody asks for them: the name, and then a type, a TTL and a value a line.
///
/// - What passes is one record on one line of a zone, of that name and type, whatever its value says.
/// - It reads back from its file as the same, and equal ones have equal bytes.
/// - What is sent to knotd is the same data.
@c(fuzz_records)
public func fuzzRecords(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let lines = String(decoding: bytes(start, count), as: UTF8.self).split(
    separator: "\n", omittingEmptySubsequences: false)
  guard let name = try? RecordName(lines.first.map(String.init) ?? "") else { return 0 }
  var records: [RecordSet.Record] = []
  for line in lines.dropFirst() {
    let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 3, let type = try? RecordType(parts[0]) else { continue }
    // A line end in a value as well, which a line cannot have.
    for value in [parts[2], parts[2].replacing("\\n", with: "\n")] {
      guard let record = try? RecordSet.Record(type, ttl: Int(parts[1]), value: value) else { continue }
      for text in [value, record.data.generic] {
        guard let found = try? ZoneText.records(of: "\(name). \(record.ttl) IN \(type) \(text)\n") else {
          fatalError("a record that passed is none")
        }
        expect(found.count == 1 && ZoneText.name(found[0].owner) == name.description, "one record of that name")
        expect(RecordData(wire: found[0].data, type: type) == record.data, "its data are the same")
      }
      records.append(record)
    }
  }
  let workload = try! WorkloadID("w")
  guard let set = try? RecordSet(workload: workload, name: name, records: records) else { return 0 }
  let file = set.encoded()
  expect(try RecordSet(file: file.span, of: workload) == set, "a file says its records")
  expect(try RecordSet(file: file.span, of: workload).encoded() == file, "equal records have equal bytes")
  // Any bytes may stand in a file.
  let content = bytes(start, count)
  if let other = try? RecordSet(file: content.span, of: workload) {
    expect(try RecordSet(file: other.encoded().span, of: workload) == other, "a file that was read says its records")
  }
  return 0
}
