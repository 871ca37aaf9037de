/// Records that are asked for, all those of one name: the argument of `SetRecords`.
public struct RecordsRequest: Hashable, Sendable, Codable {
  /// One record.
  public struct Record: Hashable, Sendable, Codable {
    /// A, AAAA, CNAME, TXT, MX, SRV, CAA, NS, TLSA, SSHFP, HTTPS or SVCB.
    public var type: String
    /// In seconds, 30 to 604,800; nil or 0 for an hour.
    public var ttl: Int?
    /// In presentation format (RFC 1035, 5.1), such as `10 mail.example.net.` for MX.
    public var value: String

    /// Each parameter is the property of that name.
    public init(_ type: String, ttl: Int? = nil, value: String) {
      self.type = type
      self.ttl = ttl
      self.value = value
    }

    private enum CodingKeys: String, CodingKey {
      case type = "Type"
      case ttl = "TTL"
      case value = "Value"
    }
  }

  /// The full name, inside a managed or a delegated domain; with `*` as its first label it is a wildcard.
  public var name: String
  /// At least one, at most 256.
  public var records: [Record]

  /// Each parameter is the property of that name.
  public init(name: String, records: [Record]) {
    self.name = name
    self.records = records
  }

  private enum CodingKeys: String, CodingKey {
    case name = "Name"
    case records = "Records"
  }
}

/// A record of a zone, of the list of `Records`.
public struct RecordInfo: Hashable, Sendable, Codable {
  /// The workload that has set it; empty for one of the gateway's own, and `hash:KEY` for one of a hash in Redis.
  public var workload: String
  /// Its full name.
  public var name: String
  /// Its type's name.
  public var type: String
  /// In seconds.
  public var ttl: Int
  /// In presentation format (RFC 1035, 5.1).
  public var value: String

  /// Each parameter is the property of that name.
  public init(workload: String, name: String, type: String, ttl: Int, value: String) {
    self.workload = workload
    self.name = name
    self.type = type
    self.ttl = ttl
    self.value = value
  }

  private enum CodingKeys: String, CodingKey {
    case workload = "Workload"
    case name = "Name"
    case type = "Type"
    case ttl = "TTL"
    case value = "Value"
  }
}
