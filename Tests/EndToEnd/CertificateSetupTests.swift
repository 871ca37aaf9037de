import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone
private let changed = "Traefik's static configuration changed; Traefik takes it in when it is restarted"

/// What the gateway writes for Traefik to get certificates with.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CertificateSetupTests {
  private static let email = ["--acme-email", "operator@example.org"]

  /// The file's part about certificates; nil when it has none.
  private func resolvers(_ gateway: GatewayProcess) throws -> String? {
    let text = try #require(try gateway.files()["traefik.yaml"]).content
    guard let start = text.range(of: "certificatesResolvers:\n"), let end = text.range(of: "\nmetrics:\n") else {
      return nil
    }
    return String(text[start.upperBound..<end.lowerBound])
  }

  private static func own(root: String, email: String, authority: String) -> String {
    """
      resolver:
        acme:
          email: \(email)
          caServer: \(authority)
          storage: \(root)/traefik/acme.json
          httpChallenge:
            entryPoint: web
    """
  }

  private static func wildcard(root: String, email: String, authority: String, _ lines: String) -> String {
    """
      dnsresolver:
        acme:
          email: \(email)
          caServer: \(authority)
          storage: \(root)/traefik/acme2.json
          dnsChallenge:
            provider: exec\(lines)
    """
  }

  @Test func addressAloneGivesBothResolversAtLetsEncrypt() async throws {
    try await GatewayProcess.withGateway(GatewayProcess.node + Self.email) { gateway in
      let (root, authority) = (gateway.root.path, "https://acme-v02.api.letsencrypt.org/directory")
      let email = "operator@example.org"
      let written = try resolvers(gateway)
      #expect(
        written
          == Self.own(root: root, email: email, authority: authority) + "\n"
          + Self.wildcard(
            root: root, email: email, authority: authority,
            "\n        propagation:\n          requireAllRNS: true"))
      #expect(try gateway.log.allSatisfy { $0["level"] != "warning" })
    }
  }

  static let settings: [(flags: [String], lines: String)] = [
    ([], "propagation:\n  requireAllRNS: true"),
    (
      ["--acme-resolver", "192.0.2.1", "[2001:db8::1]:5353"],
      "resolvers:\n- 192.0.2.1:53\n- '[2001:db8::1]:5353'\npropagation:\n  requireAllRNS: true"
    ),
    (["--acme-propagation", "all"], "propagation:\n  requireAllRNS: true"),
    (["--acme-propagation", "resolvers"], "propagation:\n  requireAllRNS: true\n  disableANSChecks: true"),
    (["--acme-propagation", "none"], "propagation:\n  disableChecks: true"),
  ]

  @Test("Traefik is told whom to ask for the record", arguments: settings)
  func propagation(flags: [String], lines: String) async throws {
    try await GatewayProcess.withGateway(GatewayProcess.node + Self.email + ["--acme-ca", "staging"] + flags) {
      gateway in
      let indented = lines.split(separator: "\n").map { "\n        \($0)" }.joined()
      let expected = Self.wildcard(
        root: gateway.root.path, email: "operator@example.org",
        authority: "https://acme-staging-v02.api.letsencrypt.org/directory", indented)
      let written = try #require(try resolvers(gateway))
      #expect(written.hasSuffix("\n" + expected))
    }
  }

  @Test func environmentVariablesAreFlagsHereToo() async throws {
    let environment = [
      "GATEWAY_ACME_EMAIL": "operator@example.org", "GATEWAY_ACME_CA": "https://ca.example.org/dir",
      "GATEWAY_ACME_RESOLVER": "192.0.2.1,192.0.2.2:54", "GATEWAY_ACME_PROPAGATION": "none",
    ]
    try await GatewayProcess.withGateway(GatewayProcess.node, environment: environment) { gateway in
      let text = try #require(try resolvers(gateway))
      #expect(text.contains("\n      caServer: https://ca.example.org/dir\n"))
      #expect(text.contains("\n        - 192.0.2.1:53\n        - 192.0.2.2:54\n"))
      #expect(text.contains("disableChecks: true"))
    }
  }

  @Test func withoutAnAddressNothingIsAskedForWhichIsSaidOnce() async throws {
    try await GatewayProcess.withGateway([]) { gateway in
      _ = try await gateway.caller.serve(
        "network@0.0.1", of: "network", methods: PublicNetworkAnswer.domain("gent01.example.test"))
      try await eventually {
        try gateway.files(in: "acme")["zone"]?.content.contains("domain gent01.example.test\n") == true
      }
      #expect(try resolvers(gateway) == nil)
      #expect(try gateway.files(in: "traefik").keys.sorted() == [""])
      #expect(try gateway.logged("no certificates will be asked for: --acme-email is not given").count == 1)
    }
  }

  @Test func withoutADomainThereIsNoWildcardWhichIsSaidOnce() async throws {
    try await GatewayProcess.withGateway(["--public-ip", "203.0.113.7"] + Self.email) { gateway in
      let text = try #require(try resolvers(gateway))
      #expect(text.contains("httpChallenge") && !text.contains("dnsresolver"))
      let lines = try gateway.logged("no wildcard certificate will be asked for: this node has no domain")
      #expect(lines.map { $0["level"] } == ["warning"])
    }
  }

  @Test func fileAndCommandFollowTheFlagsAndNothingElse() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let runs = directory.file("runs")
      let restart = ["--traefik-restart", "echo restarted >> \(runs)"]
      try await GatewayProcess.withGateway(GatewayProcess.node + Self.email + restart) { gateway in
        // There is no Traefik that runs on a file that was not there.
        let first = try gateway.files()["traefik.yaml"]
        #expect(try gateway.logged("Traefik's static configuration written").count == 1)
        #expect(!FileManager.default.fileExists(atPath: runs))

        try await gateway.restart()
        #expect(try gateway.files()["traefik.yaml"] == first)
        #expect(try gateway.logged(changed).isEmpty)
        #expect(!FileManager.default.fileExists(atPath: runs))

        try await gateway.restart(adding: ["--acme-email", "other@example.org"])
        #expect(try gateway.files()["traefik.yaml"]?.content.contains("email: other@example.org\n") == true)
        let lines = try gateway.logged(changed)
        #expect(lines.map { $0["command"].string } == [restart[1]])
        #expect(lines.map { $0["file"].string } == [gateway.root.file("traefik.yaml")])
        try await eventually { try gateway.logged("Traefik restarted").count == 1 }
        #expect(try String(contentsOfFile: runs, encoding: .utf8) == "restarted\n")
      }
    }
  }

  @Test func failedRestartIsToldAndKeepsNothingFromWorking() async throws {
    try await GatewayProcess.withGateway(GatewayProcess.node + ["--traefik-restart", "exit 3"]) { gateway in
      try await gateway.restart(adding: Self.email)
      let lines = try await eventually {
        try gateway.logged("Traefik's restart failed")
      } until: {
        !$0.isEmpty
      }
      #expect(lines.map { $0["level"] } == ["error"])
      #expect(lines.map { $0["command"] } == ["exit 3"])
      #expect(lines.map { $0["reason"] } == ["status 3"])
      try await gateway.setName("w", "shop", "http://10.1.2.3")
    }
  }

  @Test func withoutACommandTheLogSaysThatTraefikIsToBeRestarted() async throws {
    try await GatewayProcess.withGateway(GatewayProcess.node) { gateway in
      try await gateway.restart(adding: Self.email)
      #expect(try gateway.logged(changed).count == 1)
    }
  }

  @Test func fileFollowsThePublicNetworkAndStaysWhileThatIsNotKnown() async throws {
    try await GatewayProcess.withGateway(Self.email) { gateway in
      #expect(try resolvers(gateway)?.contains("dnsresolver") == true, "a domain is expected")
      func serve(_ methods: [String: JSON]) async throws {
        _ = try await gateway.caller.serve("network@0.0.1", of: "network", methods: methods)
      }
      try await serve(PublicNetworkAnswer.domain(""))
      try await eventually { try gateway.logged(changed).count == 1 }
      #expect(try resolvers(gateway)?.contains("dnsresolver") == false)

      try await serve(["GetPublicConfig": ["silent": true]])
      let before = try gateway.files()["traefik.yaml"]
      try await gateway.restart()
      #expect(try gateway.files()["traefik.yaml"] == before)
      try await serve(PublicNetworkAnswer.domain("gent01.example.test"))
      try await eventually { try resolvers(gateway)?.contains("dnsresolver") == true }
      #expect(
        try gateway.files(in: "acme")["zone"]?.content
          == "domain gent01.example.test\naddress 185.206.122.33\nport 53\n")
    }
  }

  /// Bad values, and the one line that tells of them.
  static let badValues: [(arguments: [String], error: String)] = [
    (
      ["--acme-email", "operator"],
      #"The value 'operator' is invalid for '--acme-email <address>': invalid e-mail address "operator": it must be "#
        + "NAME@DOMAIN"
    ),
    (
      ["--acme-email", "the operator@example.org"],
      "The value 'the operator@example.org' is invalid for '--acme-email <address>': invalid e-mail address "
        + #""the operator@example.org": the name has a character that no e-mail address has"#
    ),
    (
      ["--acme-ca", "http://ca.example.org/dir"],
      "The value 'http://ca.example.org/dir' is invalid for '--acme-ca <url>': invalid certificate authority "
        + #""http://ca.example.org/dir": it must be the https:// URL of an ACME directory, or the word staging"#
    ),
    (
      ["--acme-ca", "https://ca.example.org/a b"],
      "The value 'https://ca.example.org/a b' is invalid for '--acme-ca <url>': invalid certificate authority "
        + #""https://ca.example.org/a b": a URL has no spaces, quotes or other characters than ASCII's"#
    ),
    (
      ["--acme-resolver", "192.0.2.1:53", "dns.example.org"],
      "The value 'dns.example.org' is invalid for '--acme-resolver <ip:port>': invalid address "
        + #""dns.example.org": the host must be an IP address"#
    ),
    (
      ["--acme-propagation", "some"],
      "The value 'some' is invalid for '--acme-propagation <whom>'. Please provide one of 'all', 'resolvers' or 'none'."
    ),
    (["--traefik-restart"], "Missing value for '--traefik-restart <command>'"),
  ]

  @Test("A bad value is one line and exit status 64", arguments: badValues)
  func badValue(arguments: [String], error: String) async throws {
    let outcome = try await Command.run(Repository.product("gateway"), arguments)
    #expect(outcome.status == .code(64))
    #expect(outcome.standardError == "gateway: \(error)\n")
  }
}

/// What a `network` module says that the test plays.
private enum PublicNetworkAnswer {
  static func domain(_ name: String) -> [String: JSON] {
    [
      "GetPublicConfig": [
        "result": ["Type": "macvlan", "IPv4": ["$net": "185.206.122.33/24"], "IPv6": nil, "Domain": .string(name)]
      ]
    ]
  }
}
