import ProxyConfig
import System
import Testing

/// The part of Traefik's static configuration that is about certificates.
@Suite(.timeLimit(.minutes(5)))
struct CertificateResolversTests {
  private func encoded(_ certificates: CertificateResolvers) throws -> String {
    let configuration = try StaticConfiguration(
      root: "/srv/gateway", http: ListenAddress(":80"), https: ListenAddress(":443"),
      metrics: ListenAddress("127.0.0.1:8082"), certificates: certificates)
    let text = String(decoding: configuration.encoded(), as: UTF8.self)
    let start = try #require(text.firstRange(of: "certificatesResolvers:\n"))
    let end = try #require(text.firstRange(of: "metrics:\n  prometheus:"))
    return String(text[start.lowerBound..<end.lowerBound])
  }

  @Test func nodeWithADomainHasBoth() throws {
    let certificates = try CertificateResolvers(email: EmailAddress("operator@example.org"), hasDomain: true)
    #expect(
      try encoded(certificates) == """
        certificatesResolvers:
          resolver:
            acme:
              email: operator@example.org
              caServer: https://acme-v02.api.letsencrypt.org/directory
              storage: /srv/gateway/traefik/acme.json
              httpChallenge:
                entryPoint: web
          dnsresolver:
            acme:
              email: operator@example.org
              caServer: https://acme-v02.api.letsencrypt.org/directory
              storage: /srv/gateway/traefik/acme2.json
              dnsChallenge:
                provider: exec
                propagation:
                  requireAllRNS: true

        """)
  }

  @Test func nodeWithoutADomainHasNoneForWildcards() throws {
    let certificates = try CertificateResolvers(email: EmailAddress("operator@example.org"), hasDomain: false)
    #expect(try !encoded(certificates).contains("dns"))
  }

  @Test(arguments: [
    (CertificateResolvers.Propagation.all, ["requireAllRNS: true"]),
    (.resolvers, ["requireAllRNS: true", "disableANSChecks: true"]), (.none, ["disableChecks: true"]),
  ])
  func propagationSaysWhoIsAsked(propagation: CertificateResolvers.Propagation, lines: [String]) throws {
    var certificates = try CertificateResolvers(
      email: EmailAddress("operator@example.org"), authority: .letsEncryptStaging, hasDomain: true)
    certificates.resolvers = try [Endpoint("192.0.2.1:53"), Endpoint("[2001:db8::1]:5353")]
    certificates.propagation = propagation
    let challenge = """
              provider: exec
              resolvers:
              - 192.0.2.1:53
              - '[2001:db8::1]:5353'
              propagation:

      """
    #expect(try encoded(certificates).hasSuffix(challenge + lines.map { "          \($0)\n" }.joined()))
  }

  @Test(arguments: [
    ("#{x}@example.org", "'#{x}@example.org'"), ("*x@example.org", "'*x@example.org'"),
    ("o'brien@example.org", "o'brien@example.org"), ("'x'@example.org", "'''x''@example.org'"),
  ])
  func textThatMeansSomethingToYAMLIsQuoted(email: String, field: String) throws {
    let text = try encoded(CertificateResolvers(email: EmailAddress(email), hasDomain: false))
    #expect(text.contains("      email: \(field)\n"))
  }
}
