import Glibc

/// The right to serve a module, which one process at a time has: two would take each other's requests in flight for left
/// behind, and run them again.
///
/// The owner is whoever is named in `<module>.in-flight.owner`, for as long as the connection that it made the claim on is open.
/// Redis knows that exactly, so a killed owner is succeeded at once.
struct Ownership {
  /// The module is served already.
  struct ModuleTaken: Error, CustomStringConvertible {
    let description: String
  }

  private static let claimScript = """
    if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[2])
    return 1
    """

  private let module: String
  private let key: String
  /// A connection name: the process, and a part that no other has.
  private let name: String

  /// - Parameter inFlight: the key of the list of requests in flight.
  init(module: String, inFlight: String) {
    self.module = module
    key = "\(inFlight).owner"
    name = "\(module)-\(getpid())-\(UniqueID.random())"
  }

  /// Gives a connection the name by which it is known as this process'.
  func name(_ connection: RedisConnection) async throws(BrokerError) {
    _ = try await connection.call(["CLIENT", "SETNAME", .text(name)])
  }

  /// Makes this process the module's owner for as long as `connection` is open, which no other one of this process or of
  /// the owner before it is from then on: what they have sent and the broker has not read yet is not carried out any more.
  ///
  /// - Returns: the owner there is, if it is another.
  func claim(on connection: RedisConnection) async throws(BrokerError) -> ModuleTaken? {
    try await name(connection)
    guard case .integer(let id) = try await connection.call(["CLIENT", "ID"]) else {
      throw BrokerError(connection.broker, .refused("it has no CLIENT ID"))
    }
    while true {
      let owner = try await connection.call(["GET", .text(key)]).bytes ?? []
      if let line = try await connectionLine(of: String(decoding: owner, as: UTF8.self), on: connection) {
        let address = line.split(separator: " ").filter { $0.hasPrefix("name=") || $0.hasPrefix("age=") }
        return ModuleTaken(
          description: "module \(module) is already served at \(connection.broker) by another process: "
            + address.joined(separator: " ") + " s")
      }
      let claim: [RedisArgument] = [
        "EVAL", .text(Self.claimScript), "1", .text(key), .bytes(owner), .text("\(id) \(name)"),
      ]
      // Somebody else may have claimed it meanwhile; then it is looked at again.
      guard try await connection.call(claim) == .integer(1) else { continue }
      let predecessor = String(decoding: owner, as: UTF8.self).split(separator: " ").last.map(String.init)
      try await closeOthers(of: [name, predecessor ?? name], than: id, on: connection)
      return nil
    }
  }

  private func closeOthers(
    of names: Set<String>, than id: Int, on connection: RedisConnection
  ) async throws(BrokerError) {
    let list = try await connection.call(["CLIENT", "LIST"]).bytes ?? []
    for line in String(decoding: list, as: UTF8.self).split(whereSeparator: \.isNewline) {
      let fields = line.split(separator: " ")
      guard names.contains(where: { fields.contains("name=\($0)") }),
        let other = fields.first?.split(separator: "=").last, other != "\(id)"
      else { continue }
      _ = try await connection.call(["CLIENT", "KILL", "ID", .text(String(other))])
    }
  }

  /// What Redis says of the connection that an owner made its claim on; nil when that is closed.
  private func connectionLine(
    of owner: String, on connection: RedisConnection
  ) async throws(BrokerError) -> Substring? {
    let parts = owner.split(separator: " ")
    guard parts.count == 2, Int(parts[0]) != nil, parts[1] != name else { return nil }
    let list = try await connection.call(["CLIENT", "LIST", "ID", .text(String(parts[0]))]).bytes ?? []
    // The numbers begin anew when Redis restarts: the name tells.
    return String(decoding: list, as: UTF8.self).split(whereSeparator: \.isNewline)
      .first { $0.split(separator: " ").contains("name=\(parts[1])") }
  }
}
