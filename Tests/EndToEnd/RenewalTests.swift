import Foundation
import TestSupport
import Testing

/// Certificates that live for hours: Traefik's decision, at its start, whether to renew them.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct RenewalTests {
  private static let domain = "app.example.org"

  private static let renewing = "Renewing ACME certificate: {Main:\(domain)"

  /// Runs a Traefik until it serves the domain with a certificate and has looked, as it does at its start, what to renew.
  ///
  /// - Parameters:
  ///   - run: how many there were with this one.
  ///   - expected: how often it should have wanted to by then, which is waited for.
  /// - Returns: how often it wanted to renew the domain's, over all of them. Whether it can at that moment, before it listens at
  ///   the port where the authority looks, is another matter: it tries again at its next look.
  private func renewals(_ node: CertificateNode, run: Int, expected: Int) async throws -> Int {
    try await node.gateway.withTraefikAsInstalled(environment: node.pebble.environment) { traefik in
      _ = try await node.fetch("https://\(Self.domain)/")
      func count(_ text: String) -> Int {
        traefik.output.split(separator: "\n").count { $0.contains(text) && !$0.contains("dnsresolver") }
      }
      try await eventually(within: .seconds(60)) { count("Testing certificate renew") == run }
      return try await eventually(within: .seconds(60)) {
        count("Renewing ACME certificate: {Main:\(Self.domain)")
      } until: {
        $0 >= expected
      }
    }
  }

  private func check(_ node: CertificateNode) async throws -> JSON {
    let outcome = try await Command.run(
      Repository.product("gatewayctl"),
      ["check", "--json", "--broker", node.gateway.redis.unixURL, "--root", node.gateway.root.path])
    let checks = try JSON(parsing: outcome.standardOutput).array ?? []
    return try #require(checks.first { $0["Check"] == "renewal" }, "\(outcome)")
  }

  @Test func certificatesOfADayAreRenewedInTimeWhenTraefikKnows() async throws {
    try await HTTPBackend.withServer("app") { app in
      try await CertificateNode.withNode(domains: [Self.domain], validity: 86_400) { node in
        try await node.gateway.setFQDN("app", Self.domain, app.url)
        let atFirst = try await renewals(node, run: 1, expected: 0)
        #expect(atFirst == 0)
        let told = try await check(node)
        #expect(told["Outcome"] == "failure")
        #expect(told["Finding"].string?.contains("live for 24 h, and Traefik expects 90 days") == true)
        #expect(told["Remedy"] == "start the gateway with --acme-certificate-hours 24, restart Traefik")
        // It takes a new one for old, at each look, and looks once a day.
        let untold = try await renewals(node, run: 2, expected: 1)
        #expect(untold == 1)

        try await node.gateway.restart(adding: ["--acme-certificate-hours", "24"])
        let inAll = try await renewals(node, run: 3, expected: 1)
        #expect(inAll == 1)
        let toldAfterwards = try await check(node)
        #expect(toldAfterwards["Outcome"] == "ok")
      }
    }
  }

  @Test func certificateThatEndsSoonIsRenewed() async throws {
    let flags = ["--acme-certificate-hours", "24"]
    try await HTTPBackend.withServer("app") { app in
      // Less than the six hours before its end, at which one of a day is renewed.
      try await CertificateNode.withNode(domains: [Self.domain], validity: 5 * 3600, adding: flags) { node in
        try await node.gateway.setFQDN("app", Self.domain, app.url)
        let atFirst = try await renewals(node, run: 1, expected: 0)
        #expect(atFirst == 0)
        let soon = try await renewals(node, run: 2, expected: 1)
        #expect(soon == 1)
      }
    }
  }
}
