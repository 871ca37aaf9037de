import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// What a backend gets to see of a client's request, through the real Traefik with what the gateway wrote for it.
@Suite(.timeLimit(.minutes(5)))
struct ClientTests {
  /// Runs `body` with a site, and a client for it.
  private func withSite(
    _ flags: [String] = [], _ body: (GatewayProcess, HTTPClient) async throws -> Void
  ) async throws {
    try await HTTPBackend.withServer("shop") { shop in
      try await GatewayProcess.withGateway(GatewayProcess.permissive + flags) { gateway in
        try await gateway.setName("shop", "shop", shop.url)
        try await gateway.withTraefik { traefik in
          let client = try await traefik.client("web-secure")
          try await eventually(within: .seconds(60)) { try await client.fetch("https://shop.\(zone)/").status == 200 }
          try await body(gateway, client)
        }
      }
    }
  }

  private static let forged = [
    "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "bank.example.org", "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Port": "70", "X-Forwarded-Server": "elsewhere", "X-Real-Ip": "192.0.2.1",
    "X-Forwarded-Prefix": "/admin", "X-Forwarded-Uri": "/admin", "X-Forwarded-Method": "DELETE",
    "X-Forwarded-Tls-Client-Cert": "mine",
  ]

  private func headers(_ client: HTTPClient, sending headers: [String: String]) async throws -> JSON {
    try await client.fetch("https://shop.\(zone)/headers", headers: headers).json()
  }

  @Test func clientDoesNotTellTheBackendWhoItIs() async throws {
    try await withSite { _, client in
      let seen = try await headers(client, sending: Self.forged)
      let expected = [
        "x-forwarded-for": "127.0.0.1", "x-forwarded-host": "shop.\(zone)", "x-forwarded-proto": "https",
        "x-forwarded-port": "443", "x-real-ip": "127.0.0.1", "host": "shop.\(zone)",
      ]
      for (name, value) in expected { #expect(seen[name][0].string == value && seen[name][1].isNull, "\(name)") }
      #expect(seen["x-forwarded-server"][0].string != "elsewhere")
      for name in ["x-forwarded-prefix", "x-forwarded-uri", "x-forwarded-method", "x-forwarded-tls-client-cert"] {
        #expect(seen[name].isNull, "\(name)")
      }
      // What is between two neighbours goes no further (RFC 9110, 7.6.1).
      let hop = [
        "Keep-Alive": "timeout=5", "TE": "gzip", "Proxy-Authorization": "Basic eDp5", "Proxy-Connection": "keep-alive",
      ]
      let between = try await headers(client, sending: hop)
      for name in ["connection", "keep-alive", "te", "proxy-authorization", "proxy-connection"] {
        #expect(between[name].isNull, "\(name)")
      }
    }
  }

  @Test func loadBalancerThatIsTrustedDoes() async throws {
    try await withSite(["--trusted-proxy", "127.0.0.0/8", "2001:db8::/32"]) { _, client in
      let seen = try await headers(client, sending: Self.forged)
      #expect(seen["x-forwarded-for"][0].string == "192.0.2.1, 127.0.0.1")
      #expect(seen["x-forwarded-host"][0].string == "bank.example.org")
      #expect(seen["x-forwarded-proto"][0].string == "gopher")
      #expect(seen["x-real-ip"][0].string == "192.0.2.1")
    }
    try await withSite(["--trusted-proxy", "198.51.100.1"]) { _, client in
      let seen = try await headers(client, sending: Self.forged)
      #expect(seen["x-forwarded-for"][0].string == "127.0.0.1")
      #expect(seen["x-real-ip"][0].string == "127.0.0.1")
    }
  }

  @Test(arguments: ["keep", "delete", "reject"])
  func headersThatSomeBackendsTakeForOthers(strategy: String) async throws {
    try await withSite(strategy == "keep" ? [] : ["--alias-headers", strategy]) { _, client in
      let url = "https://shop.\(zone)/headers"
      let answer = try await client.fetch(
        url, headers: ["X_Forwarded_For": "192.0.2.1", "X_Other": "1", "X.Real.Ip": "1"])
      #expect(answer.status == (strategy == "reject" ? 400 : 200))
      guard strategy != "reject" else { return }
      let seen = try answer.json()
      // That one Traefik has always taken away.
      #expect(seen["x_forwarded_for"].isNull)
      #expect(seen["x_other"].isNull == (strategy == "delete"))
      #expect(seen["x.real.ip"].isNull == (strategy == "delete"))
    }
  }

  @Test func loadBalancerThatMayTellsTheAddressByPROXYProtocol() async throws {
    func address(_ gateway: GatewayProcess) async throws -> String? {
      let place = gateway.address("--https-address").split(separator: ":").map(String.init)
      let outcome = try await Command.run(
        Repository.program("python3"),
        [Repository.file("Tests/python/proxied_fetch.py")] + place + ["192.0.2.7", "shop.\(zone)", "/headers"])
      return (try? JSON(parsing: outcome.standardOutput))?["x-real-ip"][0].string
    }
    try await withSite(["--proxy-protocol-from", "127.0.0.1"]) { gateway, client in
      let told = try await address(gateway)
      #expect(told == "192.0.2.7")
      // One that does not tell is served all the same.
      let seen = try await headers(client, sending: [:])
      #expect(seen["x-real-ip"][0].string == "127.0.0.1")
    }
    try await withSite(["--proxy-protocol-from", "198.51.100.0/24"]) { gateway, _ in
      let told = try await address(gateway)
      #expect(told != "192.0.2.7")
    }
  }

  /// What a client asks for, and what the backend gets: without and with `--keep-urls`.
  private static let urls = [
    ("/a//b", "/a/b", "/a//b"), ("/a/../b", "/b", "/a/../b"), ("/a/./b", "/a/b", "/a/./b"),
    ("/..", "/", "/.."), ("/a/%2e%2e/b", "/b", "/a/../b"), ("/?a=1;b=2", "/?a=1&b=2", "/?a=1%3Bb=2"),
    // The same either way.
    ("/a%2Fb", "/a%2Fb", "/a%2Fb"), ("/a%2fb", "/a%2Fb", "/a%2Fb"), ("/a%5Cb", "/a%5Cb", "/a%5Cb"),
    ("/x%00y", "/x%00y", "/x%00y"), ("/x%3By;z", "/x%3By;z", "/x%3By;z"), ("/a%7Eb%41", "/a~bA", "/a~bA"),
    ("/a%20b+c", "/a%20b+c", "/a%20b+c"), ("/?q=%7e%2B+", "/?q=%7e%2B+", "/?q=%7e%2B+"),
    ("/?a=1%3Bb", "/?a=1%3Bb", "/?a=1%3Bb"), ("/a?b//c/../d", "/a?b//c/../d", "/a?b//c/../d"),
  ]

  @Test(arguments: [false, true])
  func urlsAreTidiedUnlessTheyAreToBeKept(areKept: Bool) async throws {
    try await withSite(areKept ? ["--keep-urls"] : []) { _, client in
      for (asked, tidied, kept) in Self.urls {
        let answer = try await client.fetch("https://shop.\(zone)\(asked)")
        #expect(answer.answer?.path == (areKept ? kept : tidied), "\(asked)")
      }
    }
  }
}
