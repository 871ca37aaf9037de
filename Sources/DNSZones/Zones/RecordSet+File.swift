public import Records
import System

/// The file of a set of records:
///
///     name: web.example.net
///     records:
///     - type: A
///       ttl: 3600
///       value: 192.0.2.7
extension RecordSet: StoredRecord {
  public static var claimKind: String { "name" }

  public var claim: RecordName { name }

  public func encoded() -> [UInt8] {
    YAMLWriter.document { writer in
      writer.field("name", name.description)
      writer.sequence("records") {
        for record in records {
          writer.mapping {
            writer.field("type", record.type.rawValue)
            writer.field("ttl", record.ttl)
            writer.field("value", record.value)
          }
        }
      }
    }
  }

  public init(file: Span<UInt8>, of workload: WorkloadID) throws(FileMismatch) {
    let root = try YAMLNode(document: file)
    let fields = try root.members(["name", "records"])
    let (name, records) = (try fields[0].required("name", in: root), try fields[1].required("records", in: root))
    var found: [Record] = []
    for element in try records.elements {
      let parts = try element.members(["type", "ttl", "value"])
      let type = try parts[0].required("type", in: element).string
      let ttl = try parts[1]?.wholeNumber
      let value = try parts[2].required("value", in: element).string
      found.append(
        try element.checked(
          Result { () throws(InvalidValue) in try Record(RecordType(type), ttl: ttl, value: value) }))
    }
    let text = try name.string
    self = try root.checked(
      Result { () throws(InvalidValue) in try RecordSet(workload: workload, name: RecordName(text), records: found) })
  }
}
