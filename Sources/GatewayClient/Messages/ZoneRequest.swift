/// A zone that is asked for: the argument of `SetZone`.
public struct ZoneRequest: Hashable, Sendable, Codable {
  /// The domain that was delegated to the gateway.
  public var domain: String

  /// - Parameter domain: whose NS records at its parent name the gateway's name servers.
  public init(domain: String) {
    self.domain = domain
  }

  private enum CodingKeys: String, CodingKey {
    case domain = "Domain"
  }
}

/// What is to be entered at the parent of a zone: the answer of `SetZone`.
public struct ZoneDelegation: Hashable, Sendable, Codable {
  /// The names of the gateway's name servers, for NS records.
  public var nameservers: [String]
  /// The data of DS records (RFC 4034, 5.3); empty where the zone is not signed, or not yet.
  public var ds: [String]

  /// Each parameter is the property of that name.
  public init(nameservers: [String], ds: [String]) {
    self.nameservers = nameservers
    self.ds = ds
  }

  private enum CodingKeys: String, CodingKey {
    case nameservers = "Nameservers"
    case ds = "DS"
  }
}

/// A zone, of the list of `Zones`.
public struct ZoneInfo: Hashable, Sendable, Codable {
  /// The workload that has it; empty for a managed one, and `hash:KEY` for one that only a hash in Redis has.
  public var workload: String
  /// Its domain.
  public var domain: String
  /// Whether it is the operator's, in which everybody may take a name.
  public var managed: Bool
  /// Of its start of authority (RFC 1982), as knotd serves it; 0 while it serves none.
  public var serial: UInt32
  /// How many records workloads have set in it; for one of a hash, those of the hash too.
  public var records: Int
  /// The data of DS records for its parent (RFC 4034, 5.3); empty where it is not signed, or not yet.
  public var ds: [String]
  /// Whether its parent names one of the gateway's name servers; nil where that is not known.
  public var delegated: Bool?

  /// Each parameter is the property of that name.
  public init(
    workload: String, domain: String, managed: Bool, serial: UInt32, records: Int, ds: [String], delegated: Bool?
  ) {
    self.workload = workload
    self.domain = domain
    self.managed = managed
    self.serial = serial
    self.records = records
    self.ds = ds
    self.delegated = delegated
  }

  private enum CodingKeys: String, CodingKey {
    case workload = "Workload"
    case domain = "Domain"
    case managed = "Managed"
    case serial = "Serial"
    case records = "Records"
    case ds = "DS"
    case delegated = "Delegated"
  }
}
