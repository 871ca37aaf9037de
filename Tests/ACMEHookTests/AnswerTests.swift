import Foundation
import System
import TestSupport
import Testing

@testable import ACMEHook

/// What the world sees, asked with BIND's client.
@Suite(.timeLimit(.minutes(5)))
struct AnswerTests {
  @Test func recordIsAnsweredWhenTheHookEndsAndGoneAfterTheLastOne() async throws {
    try await Node.with { node in
      #expect(try await node.isSilent())
      try await node.present("one")
      #expect(try await node.values() == ["one"])
      try await node.cleanUp("one")
      #expect(try await node.isSilent())
      #expect(node.servers.isEmpty)
    }
  }

  @Test func valuesOfOneNameAndOtherNamesAreAnsweredSideBySide() async throws {
    try await Node.with { node in
      let other = "_acme-challenge.sub.\(Node.domain)"
      try await node.present("one")
      try await node.present("two")
      try await node.present("three", at: other)
      #expect(try await node.values() == ["one", "two"])
      #expect(try await node.values(of: other) == ["three"])
      try await node.cleanUp("one")
      #expect(try await node.values() == ["two"])
      #expect(try await node.values(of: other) == ["three"])
      try await node.cleanUp("two")
      #expect(try await node.values(of: other) == ["three"])
      #expect(try await node.ask(Node.name, "TXT").status == "REFUSED")
      try await node.cleanUp("three", at: other)
      #expect(try await node.isSilent())
    }
  }

  @Test(arguments: ["+notcp", "+tcp"])
  func answersHaveAuthorityAndMayNotBeKept(transport: String) async throws {
    try await Node.with { node in
      try await node.present("one")
      let name = Node.name
      let domain = "\(Node.domain)."
      for (asked, kind, data) in [
        (name, "TXT", "\"one\""), (name.uppercased(), "TXT", "\"one\""), (name, "NS", domain),
        (name, "SOA", "\(domain) . 1 1200 180 1209600 0"), (domain, "A", node.address),
      ] {
        let answer = try await node.ask(asked, kind, transport)
        #expect(answer.status == "NOERROR" && answer.isAuthoritative, "\(kind): \(answer)")
        #expect(
          answer.records.map { [$0.name.lowercased(), "\($0.ttl)", $0.kind, $0.data] }
            == [[asked.lowercased(), "0", kind, data]])
      }
    }
  }

  @Test(arguments: ["+notcp", "+tcp"])
  func everythingElseIsRefused(transport: String) async throws {
    try await Node.with { node in
      try await node.present("one")
      let domain = Node.domain
      for (name, kind) in [
        (domain, "TXT"), (domain, "SOA"), (domain, "NS"), (domain, "MX"), ("www.\(domain)", "A"),
        ("_acme-challenge.www.\(domain)", "TXT"), ("_acme-challenge.example.com", "TXT"), ("example.com", "A"),
        (".", "NS"), ("localhost", "A"), ("1.0.0.127.in-addr.arpa", "PTR"), ("com", "NS"),
      ] {
        let answer = try await node.ask(name, kind, transport, "+recurse")
        #expect(answer.status == "REFUSED" && answer.records.isEmpty, "\(name) \(kind): \(answer)")
      }
    }
  }

  /// A resolver that were refused would not come back for the record that is there.
  @Test(arguments: ["A", "AAAA", "CNAME", "CAA"])
  func nameHasNoRecordsOfOtherKinds(kind: String) async throws {
    try await Node.with { node in
      try await node.present("one")
      let answer = try await node.ask(Node.name, kind)
      #expect(answer.status == "NOERROR" && answer.records.isEmpty)
      // docs/certificates.md says so: once dnsmasq gives that with authority, it is to say so no more.
      #expect(!answer.isAuthoritative)
    }
  }

  @Test(.enabled(if: Self.hasIPv6, "this machine has no ::1"))
  func answersOverIPv6Too() async throws {
    try await Node.with(others: ["::1"]) { node in
      try await node.present("one")
      #expect(try await node.values(at: "::1") == ["one"])
      #expect(try await node.values() == ["one"])
      let answer = try await node.ask(Node.domain, "AAAA", at: "::1")
      #expect(answer.isAuthoritative && answer.records.map(\.data) == ["::1"])
    }
  }

  @Test func nothingIsListenedOnButThePublicAddresses() async throws {
    try await Node.with { node in
      try await node.present("one")
      #expect(try await !Dig.isAnswered(at: "127.77.255.254", port: node.port, "+notcp"))
      #expect(try await !Dig.isAnswered(at: "127.77.255.254", port: node.port, "+tcp"))
    }
  }

  /// Forty values are more than fit into one answer over UDP.
  @Test func moreValuesThanOneDatagramHoldsAreAnsweredOverTCP() async throws {
    try await Node.with { node in
      let values = (0..<40).map { "\($0)-" + String(repeating: "x", count: 40) }
      for value in values { try await node.present(value) }
      #expect(try await node.values() == Set(values))
    }
  }

  @Test(.enabled(if: Node.isRoot, "only root has rights to give up"))
  func serverHasNoRightsOnceThePortIsBound() async throws {
    try await Node.with { node in
      try await node.present("one")
      let pid = try #require(node.servers.first)
      let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
      let fields = Dictionary(
        uniqueKeysWithValues: status.split(separator: "\n").compactMap { line -> (Substring, Substring)? in
          let parts = line.split(separator: "\t", maxSplits: 1)
          return parts.count == 2 ? (parts[0], parts[1]) : nil
        })
      let nobody = try #require(getpwnam("nobody")).pointee
      let uid = "\(nobody.pw_uid)"
      let gid = "\(nobody.pw_gid)"
      #expect(fields["Uid:"]?.split(separator: "\t").allSatisfy { $0 == uid } == true)
      #expect(fields["Gid:"]?.split(separator: "\t").allSatisfy { $0 == gid } == true)
      #expect(fields["Groups:"].map { $0.allSatisfy(\.isWhitespace) } ?? true)
      for capabilities in ["CapInh:", "CapPrm:", "CapEff:"] {
        #expect(fields[Substring(capabilities)] == "0000000000000000")
      }
    }
  }

  /// The server is another one after each, and there again when the hook ends.
  @Test func otherChallengesAreAnsweredOnceTheHookHasEnded() async throws {
    try await Node.with { node in
      try await node.present("one")
      let question = TXTQuestion(
        name: try ChallengeName(Node.name).name, server: Endpoint(address: try .init(node.address), port: node.port))
      var servers = Set(node.servers)
      for number in 0..<5 {
        try await node.present("another-\(number)")
        // Asked once: a question that finds nobody is refused at once.
        let answer = question.ask(within: .patience)
        guard case .values(let values) = answer, values.isSuperset(of: ["one", "another-\(number)"]) else {
          Issue.record("\(answer)")
          continue
        }
        servers.formUnion(node.servers)
      }
      #expect(servers.count == 6)
    }
  }

  private static let hasIPv6 = (try? Port.isLocal(.init("::1"))) ?? false
}
