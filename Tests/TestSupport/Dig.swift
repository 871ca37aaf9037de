/// A DNS client that has nothing to do with the code it tests: BIND's.
public enum Dig {
  public struct Answer: Sendable, Hashable {
    public struct Record: Sendable, Hashable {
      public let name: String
      public let ttl: Int
      public let kind: String
      public let data: String
    }

    /// `NOERROR`, `REFUSED` and so on.
    public let status: String
    /// `aa`, `ra` and so on.
    public let flags: Set<String>
    public let records: [Record]

    public var isAuthoritative: Bool { flags.contains("aa") }
  }

  /// Asks one question of one server.
  ///
  /// - Throws: when no answer comes.
  public static func ask(
    _ name: String, _ kind: String, at address: String, port: UInt16, _ flags: [String] = []
  ) async throws -> Answer {
    let output = try await Command.succeed(
      Repository.program("dig"),
      ["@\(address)", "-p", "\(port)", "+noall", "+comments", "+answer", "+norecurse", "+tries=2", "+time=2"] + flags
        + [name, kind])
    let lines = output.split(separator: "\n")
    guard let header = lines.first(where: { $0.contains("->>HEADER<<-") }),
      let flagLine = lines.first(where: { $0.hasPrefix(";; flags:") })
    else { throw FixtureError("no answer in: \(output)") }
    let records = lines.filter { !$0.hasPrefix(";") }.map { line in
      let fields = line.split(maxSplits: 4) { $0 == " " || $0 == "\t" }
      return Answer.Record(
        name: String(fields[0]), ttl: Int(fields[1]) ?? -1, kind: String(fields[3]), data: String(fields[4]))
    }
    return Answer(
      status: String(header.split(separator: "status: ")[1].prefix { $0 != "," }),
      flags: Set(flagLine.dropFirst(";; flags:".count).prefix { $0 != ";" }.split(separator: " ").map(String.init)),
      records: records)
  }

  /// Whether a server answers at all.
  public static func isAnswered(at address: String, port: UInt16, _ flag: String) async throws -> Bool {
    let outcome = try await Command.run(
      Repository.program("dig"), ["@\(address)", "-p", "\(port)", "+tries=1", "+time=1", flag, "example.com", "A"])
    return outcome.status == .code(0)
  }
}
