import TestSupport

/// A DNS client that has nothing to do with the code it tests: BIND's.
enum Dig {
  struct Answer: Sendable, Hashable {
    struct Record: Sendable, Hashable {
      let name: String
      let ttl: Int
      let kind: String
      let data: String
    }

    /// `NOERROR`, `REFUSED` and so on.
    let status: String
    /// `aa`, `ra` and so on.
    let flags: Set<String>
    let records: [Record]

    var isAuthoritative: Bool { flags.contains("aa") }
  }

  /// Asks one question of one server.
  ///
  /// - Throws: when no answer comes.
  static func ask(
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
  static func isAnswered(at address: String, port: UInt16, _ flag: String) async throws -> Bool {
    let outcome = try await Command.run(
      Repository.program("dig"), ["@\(address)", "-p", "\(port)", "+tries=1", "+time=1", flag, "example.com", "A"])
    return outcome.status == .code(0)
  }
}
