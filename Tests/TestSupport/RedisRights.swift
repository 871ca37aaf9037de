import Foundation

extension RedisServer {
  /// What the users of the documents' `ACL SETUSER` lines are given as their password.
  private static let usersPassword = "p-of-the-test"

  /// Makes the users that the documents tell an operator to make, with exactly the rights that stand there, and returns the
  /// commands that each may use, as Redis names them.
  ///
  /// - Parameter documents: paths in this repository.
  @discardableResult
  public func makeUsers(asIn documents: String...) async throws -> [String: Set<String>] {
    var rights: [String: Set<String>] = [:]
    for document in documents {
      let text = try String(contentsOfFile: Repository.file(document), encoding: .utf8)
      let rules = text.split(separator: "\n").filter { $0.hasPrefix("ACL SETUSER ") }
      guard !rules.isEmpty else { throw FixtureError("\(document) has no ACL SETUSER") }
      for rule in rules {
        let words = rule.replacing("PASSWORD", with: Self.usersPassword).split(separator: " ").map(String.init)
        try await command(words)
        let commands = words.map { $0.trimmingCharacters(in: ["(", ")"]) }.filter { $0.hasPrefix("+") }
        rights[words[2], default: []].formUnion(commands.map { String($0.dropFirst()) })
      }
    }
    return rights
  }

  /// The broker URL for one of these users.
  public func url(of user: String) -> String { "redis://\(user):\(Self.usersPassword)@127.0.0.1:\(port)" }

  /// What Redis has denied to anybody so far.
  public func denials() async throws -> String {
    try await command("ACL", "LOG")
  }

  /// How often each command was carried out since `CONFIG RESETSTAT`, by anybody.
  public func commandCounts() async throws -> [String: Int] {
    var counts: [String: Int] = [:]
    for line in try await command("INFO", "commandstats").split(whereSeparator: \.isNewline) {
      // cmdstat_client|list:calls=3,usec=…
      guard let match = line.firstMatch(of: #/^cmdstat_([^:]+):calls=(\d+),/#) else { continue }
      counts[String(match.1)] = Int(match.2)
    }
    return counts
  }
}
