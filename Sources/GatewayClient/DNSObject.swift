public import RPC

/// How the gateway's DNS is called on the bus.
public enum DNSObject {
  /// The object, of the module `GatewayObject.module`.
  public static let id = ObjectID("dns", version: "0.0.1")

  /// The stream of ``DNSEvent``.
  public static let events = "Changes"

  /// The object's methods.
  public enum Method {
    /// Workload, ``ZoneRequest``; returns ``ZoneDelegation``.
    public static let setZone = "SetZone"
    /// Workload; one that has no zone is no error.
    public static let deleteZone = "DeleteZone"
    /// Workload, ``RecordsRequest``.
    public static let setRecords = "SetRecords"
    /// Workload; one that has no records is no error.
    public static let deleteRecords = "DeleteRecords"
    /// Nothing; returns ``ZoneInfo``, one a zone.
    public static let zones = "Zones"
    /// Domain; returns ``RecordInfo``, one a record in its zone.
    public static let records = "Records"
  }
}
