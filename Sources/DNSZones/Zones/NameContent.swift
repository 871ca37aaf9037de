/// What is served under one name: for each type, by its number, the data and their TTL.
struct NameContent: Hashable, Sendable {
  /// The records of one type.
  struct TypeContent: Hashable, Sendable {
    /// In seconds.
    var ttl: UInt32
    /// Sorted.
    var data: [RecordData]
  }

  private(set) var types: [UInt16: TypeContent] = [:]

  init() {}

  init(_ records: [RecordSet.Record]) {
    for record in records { insert(record.data, type: record.type.code, ttl: UInt32(record.ttl)) }
  }

  var isEmpty: Bool { types.isEmpty }

  /// Whether it is another name for something, which stands alone (RFC 1034, 3.6.2).
  var isAlias: Bool { types[RecordType.cname.code] != nil }

  mutating func insert(_ data: RecordData, type: UInt16, ttl: UInt32) {
    var content = types[type] ?? TypeContent(ttl: ttl, data: [])
    content.ttl = ttl
    let place = content.data.firstIndex { !($0 < data) } ?? content.data.endIndex
    if place == content.data.endIndex || content.data[place] != data { content.data.insert(data, at: place) }
    types[type] = content
  }

  /// Takes in what another one has of types that are not here.
  mutating func merge(_ other: NameContent) {
    types.merge(other.types) { mine, _ in mine }
  }
}
