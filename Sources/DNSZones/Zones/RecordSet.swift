public import Records
public import System

/// All records that a workload has set, of one name.
public struct RecordSet: Hashable, Sendable {
  /// One of them, as it was given.
  public struct Record: Hashable, Sendable {
    public let type: RecordType
    /// In seconds: 30 to 604,800 where a workload has set it.
    public let ttl: Int
    /// In presentation format.
    public let value: String
    let data: RecordData

    /// - Parameters:
    ///   - ttl: in seconds; nil for ``standardTTL``.
    ///   - value: in presentation format (RFC 1035, 5.1); a name in it is a whole one, with or without a dot at its end.
    /// - Throws: `InvalidValue` for a TTL out of range, and for a value that knotd's scanner does not take.
    public init(_ type: RecordType, ttl: Int? = nil, value: String) throws(InvalidValue) {
      let ttl = ttl ?? Self.standardTTL
      guard Self.ttls.contains(ttl) else {
        throw InvalidValue("TTL", "\(ttl)", "it is \(Self.ttls.lowerBound) to \(Self.ttls.upperBound) seconds")
      }
      self = try Record(type, anyTTL: ttl, value: value)
    }

    /// With any TTL.
    ///
    /// - Throws: `InvalidValue` for a value that knotd's scanner does not take.
    init(_ type: RecordType, anyTTL ttl: Int, value: String) throws(InvalidValue) {
      self.type = type
      self.ttl = ttl
      self.value = value
      data = try RecordData(value, type: type)
    }

    /// What nobody else has given: a value that is one of its type, with any TTL.
    package init(unchecked type: RecordType, ttl: Int, value: String) {
      do throws(InvalidValue) {
        self = try Record(type, anyTTL: ttl, value: value)
      } catch {
        preconditionFailure("\(error)")
      }
    }

    /// The same with another TTL.
    func with(ttl: Int) -> Record { Record(type: type, ttl: ttl, value: value, data: data) }

    private init(type: RecordType, ttl: Int, value: String, data: RecordData) {
      self.type = type
      self.ttl = ttl
      self.value = value
      self.data = data
    }

    /// An hour, in seconds.
    public static let standardTTL = 3600
    private static let ttls = 30...604_800
  }

  /// At most 256.
  static let maximumCount = 256
  /// Of the values together, in bytes.
  static let maximumSize = 64 << 10

  public let workload: WorkloadID
  public let name: RecordName
  /// At least one.
  public let records: [Record]

  /// - Throws: `InvalidValue` for no records, more than 256, more than 64 KiB, a CNAME beside anything else, records of one type
  ///   with different TTLs, or the same record twice.
  public init(workload: WorkloadID, name: RecordName, records: [Record]) throws(InvalidValue) {
    func refuse(_ rule: String) -> InvalidValue { InvalidValue("records of", name.description, rule) }
    guard !records.isEmpty else { throw refuse("at least one is needed; DeleteRecords takes them away") }
    guard records.count <= Self.maximumCount else {
      throw refuse("there are \(records.count), at most \(Self.maximumCount) may be")
    }
    let size = records.reduce(0) { $0 + $1.value.utf8.count }
    guard size <= Self.maximumSize else { throw refuse("they take \(size) bytes, at most \(Self.maximumSize) may be") }
    guard records.count == 1 || !records.contains(where: { $0.type == .cname }) else {
      throw refuse("a CNAME stands alone (RFC 1034, 3.6.2)")
    }
    var ttls: [RecordType: Int] = [:]
    var seen: Set<[UInt8]> = []
    for record in records {
      if let ttl = ttls.updateValue(record.ttl, forKey: record.type), ttl != record.ttl {
        throw refuse("those of one type have one TTL (RFC 2181, 5.2), not \(ttl) and \(record.ttl) for \(record.type)")
      }
      guard seen.insert([UInt8(record.type.code >> 8), UInt8(record.type.code & 0xff)] + record.data.bytes).inserted
      else {
        throw refuse("the \(record.type) record \(quoted(record.value)) is there twice")
      }
    }
    self.workload = workload
    self.name = name
    self.records = records
  }

  /// Whether there is a record of this type.
  public func has(_ type: RecordType) -> Bool { records.contains { $0.type == type } }
}
