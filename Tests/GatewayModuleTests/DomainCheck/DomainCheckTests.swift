import ProxyConfig
import System
import TestSupport
import Testing

@testable import GatewayModule

@Suite(.timeLimit(.minutes(5)))
struct DomainCheckTests {
  private static func addresses(_ texts: [String]) throws -> [IPAddress] {
    try texts.map { try IPAddress($0) }
  }

  @Test(arguments: [
    (["192.0.2.1"], ["192.0.2.1"]),
    (["192.0.2.7", "192.0.2.1"], ["192.0.2.1"]),
    (["192.0.2.7", "2001:db8::1"], ["192.0.2.1", "2001:db8::1"]),
    (["::ffff:192.0.2.1"], ["192.0.2.1"]),
  ])
  func oneAddressOfTheNodeIsEnough(_ found: [String], _ node: [String]) throws {
    let records = try AddressRecords(domain: Domain("app.example.com"), addresses: Self.addresses(found))
    #expect(throws: Never.self) { try records.verify(pointTo: Self.addresses(node)) }
  }

  @Test(arguments: [
    (["192.0.2.7"], ["192.0.2.1", "2001:db8::1"], "it has 192.0.2.7, this node is at 192.0.2.1, 2001:db8::1"),
    (["192.0.2.7", "2001:db8::7"], ["192.0.2.1"], "it has 192.0.2.7, 2001:db8::7, this node is at 192.0.2.1"),
    (["192.0.2.7"], [], "it has 192.0.2.7, this node has no public address"),
    (
      (10...20).map { "192.0.2.\($0)" }, ["192.0.2.1"],
      "it has \((10...17).map { "192.0.2.\($0)" }.joined(separator: ", ")) and 3 more, this node is at 192.0.2.1"
    ),
  ])
  func aDomainThatPointsElsewhereIsRefused(_ found: [String], _ node: [String], _ text: String) throws {
    let records = try AddressRecords(domain: Domain("app.example.com"), addresses: Self.addresses(found))
    let error = #expect(throws: DomainCheckError.self) { try records.verify(pointTo: Self.addresses(node)) }
    #expect(error?.description == "app.example.com does not point to this node: \(text)")
  }

  @Test func recordsThatCouldNotBeHadAreMentioned() throws {
    let domain = try Domain("app.example.com")
    let missing = try LookupError(domain: domain, resolver: Endpoint("192.0.2.53:53"), reason: .serverFailure)
    let records = try AddressRecords(domain: domain, addresses: Self.addresses(["192.0.2.7"]), missing: missing)
    let error = #expect(throws: DomainCheckError.self) { try records.verify(pointTo: Self.addresses(["192.0.2.1"])) }
    #expect(
      error?.description == """
        app.example.com does not point to this node: it has 192.0.2.7, this node is at 192.0.2.1; \
        cannot look up app.example.com at 192.0.2.53:53: the resolver could not find out (SERVFAIL)
        """)
  }

  @Test func theResolverDecides() async throws {
    let records: [Dnsmasq.Record] = [
      .address("here.example.com", "192.0.2.1"), .address("away.example.com", "192.0.2.7"),
    ]
    try await Dnsmasq.withServer(records) { server in
      let check = try DomainCheck(at: Resolver(at: Endpoint(server.address)))
      let node = try Self.addresses(["192.0.2.1"])
      try await check.verify(Domain("here.example.com"), pointsTo: node)
      for (name, text) in [
        (
          "away.example.com",
          "away.example.com does not point to this node: it has 192.0.2.7, this node is at 192.0.2.1"
        ),
        (
          "missing.example.com",
          "cannot look up missing.example.com at \(server.address): there is no such domain (NXDOMAIN)"
        ),
      ] {
        let error = await #expect(throws: DomainCheckError.self) {
          try await check.verify(Domain(name), pointsTo: node)
        }
        #expect(error?.description == text)
      }
    }
  }
}
