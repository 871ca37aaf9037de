import Foundation

/// The object `dns`, and what is done to a gateway and its knotd together.
extension GatewayProcess {
  /// Calls a method of the object `dns`.
  public func dns(_ method: String, _ arguments: JSON...) async throws -> PythonCaller.Reply {
    try await caller.call(method, with: arguments, object: "dns@0.0.1", within: .patience)
  }

  /// Has it serve a domain.
  public func setZone(_ workload: String, _ domain: String) async throws -> PythonCaller.Reply {
    try await dns("SetZone", .string(workload), ["Domain": .string(domain)])
  }

  /// Sets the records of a name.
  public func setRecords(_ workload: String, _ name: String, _ records: [JSON]) async throws -> PythonCaller.Reply {
    try await dns("SetRecords", .string(workload), ["Name": .string(name), "Records": .array(records)])
  }

  /// The same, of any number.
  public func setRecords(_ workload: String, _ name: String, _ records: JSON...) async throws -> PythonCaller.Reply {
    try await setRecords(workload, name, records)
  }

  /// Kills it and its knotd, takes away all that knotd has, and starts both again.
  public func loseAll(of knot: Knot) async throws {
    try await kill()
    try await knot.kill()
    for name in ["confdb", "db", "zones"] { try FileManager.default.removeItem(atPath: root.file("knot/\(name)")) }
    try await start()
    try await knot.start()
  }
}

extension JSON {
  /// A record, for the object `dns`.
  public static func record(_ type: String, _ value: String, ttl: Int? = nil) -> JSON {
    var record: [String: JSON] = ["Type": .string(type), "Value": .string(value)]
    if let ttl { record["TTL"] = .integer(Int64(ttl)) }
    return .object(record)
  }
}
