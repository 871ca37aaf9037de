import Foundation
import System
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
    "X-Forwarded-Tls-Client-Cert": "mine", "Forwarded": "for=192.0.2.1;host=bank.example.org;proto=gopher",
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
      for name in [
        "x-forwarded-prefix", "x-forwarded-uri", "x-forwarded-method", "x-forwarded-tls-client-cert", "forwarded",
      ] {
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

  /// As docs/operating.md lists them: backends should not believe these.
  @Test func whatElseAClientMaySay() async throws {
    let others = [
      "X-Client-Ip", "Client-Ip", "True-Client-Ip", "CF-Connecting-Ip", "X-Cluster-Client-Ip", "Forwarded-For",
      "X-Forwarded",
      "X-Forwarded-Scheme", "X-Scheme", "X-Forwarded-Ssl", "Front-End-Https", "X-Original-Url", "X-Forwarded-User",
    ]
    try await withSite { _, client in
      let seen = try await headers(client, sending: Dictionary(uniqueKeysWithValues: others.map { ($0, "mine") }))
      for name in others { #expect(seen[name.lowercased()][0].string == "mine", "\(name)") }
    }
  }

  @Test func loadBalancerThatIsTrustedDoes() async throws {
    try await withSite(["--trusted-proxy", "127.0.0.0/8", "2001:db8::/32"]) { _, client in
      let seen = try await headers(client, sending: Self.forged)
      #expect(seen["x-forwarded-for"][0].string == "192.0.2.1, 127.0.0.1")
      #expect(seen["x-forwarded-host"][0].string == "bank.example.org")
      #expect(seen["x-forwarded-proto"][0].string == "gopher")
      #expect(seen["x-real-ip"][0].string == "192.0.2.1")
      #expect(seen["forwarded"][0].string == Self.forged["Forwarded"])
    }
    try await withSite(["--trusted-proxy", "198.51.100.1"]) { _, client in
      let seen = try await headers(client, sending: Self.forged)
      #expect(seen["x-forwarded-for"][0].string == "127.0.0.1")
      #expect(seen["x-real-ip"][0].string == "127.0.0.1")
      #expect(seen["forwarded"].isNull)
    }
  }

  @Test("Forwarded reaches a backend from a trusted peer only, whatever the protocol and whoever tells who the peer is")
  func forwardedIsBelievedWhereXForwardedForIs() async throws {
    let flags = ["--trusted-proxy", "127.0.0.2", "192.0.2.7", "--proxy-protocol-from", "127.0.0.3"]
    try await withSite(flags) { gateway, client in
      try await HTTPBackend.withServer("plain") { plain in
        let bank: JSON = [
          "Name": "bank", "TLSPassthrough": true, "Backends": ["127.0.0.1:9"],
          // Two, so that requests are tried again.
          "HTTPBackends": [.string(plain.endpoint), .string("127.0.0.1:\(try FreePort.next())")],
        ]
        #expect(try await gateway.call("SetNamedProxy", "bank", bank).callError == nil)
        let web = HTTPClient(connectingTo: gateway.address("--http-address"))
        let plainURL = "http://bank.\(zone)/headers"
        try await eventually { try await web.fetch(plainURL).status == 200 }

        for (peer, isTrusted) in [("127.0.0.1", false), ("127.0.0.2", true), ("127.0.0.4", false)] {
          for (client, url) in [
            (client, "https://shop.\(zone)/headers"), (client.overHTTP1, "https://shop.\(zone)/headers"),
            (web, plainURL),
          ] {
            let seen = try await client.from(peer).fetch(url, headers: ["forWarded": "for=192.0.2.1"]).json()
            #expect(seen["forwarded"][0].string == (isTrusted ? "for=192.0.2.1" : nil), "\(peer) \(url)")
            #expect(seen["x-real-ip"][0].string == peer)
          }
        }
        for (told, isTrusted) in [("192.0.2.7", true), ("192.0.2.8", false), ("127.0.0.2", true)] {
          for (flag, host) in [("--https-address", "shop.\(zone)"), ("--http-address", "bank.\(zone)")] {
            let seen = try await proxied(
              told, from: "127.0.0.3", to: gateway.address(flag), host, tls: host.hasPrefix("shop"))
            #expect(seen["forwarded"][0].string == (isTrusted ? "for=192.0.2.1" : nil), "\(told) \(host)")
            #expect(seen["x-real-ip"][0].string == told)
          }
        }
      }
    }
  }

  /// The headers that a backend sees, when a load balancer tells the client's address by PROXY protocol.
  private func proxied(
    _ told: String, from source: String = "127.0.0.1", to address: String, _ host: String = "shop.\(zone)",
    tls: Bool = true
  ) async throws -> JSON {
    let outcome = try await Command.run(
      Repository.program("python3"),
      [
        Repository.file("Tests/python/proxied_fetch.py"), source, address, told, tls ? "tls" : "plain", host,
        "/headers",
      ])
    return try JSON(parsing: outcome.standardOutput)
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
    try await withSite(["--proxy-protocol-from", "127.0.0.1"]) { gateway, client in
      let told = try await proxied("192.0.2.7", to: gateway.address("--https-address"))
      #expect(told["x-real-ip"][0].string == "192.0.2.7")
      #expect(told["forwarded"].isNull)
      // One that does not tell is served all the same.
      let seen = try await headers(client, sending: [:])
      #expect(seen["x-real-ip"][0].string == "127.0.0.1")
    }
    try await withSite(["--proxy-protocol-from", "198.51.100.0/24"]) { gateway, _ in
      let told = try? await proxied("192.0.2.7", to: gateway.address("--https-address"))
      #expect(told?["x-real-ip"][0].string != "192.0.2.7")
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
