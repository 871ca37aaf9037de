import ProxyConfig
import System
import Testing

@Suite(.timeLimit(.minutes(5)))
struct RouteEncodingTests {
  private func encoded(_ route: Route) -> String {
    String(decoding: route.encoded(), as: UTF8.self)
  }

  /// The middleware of `site` by which a request for one of several backends goes to the next.
  private static let retry = """
        site-retry:
          retry:
            attempts: 16
            timeout: 10s
    """

  /// The middleware of `site` that takes a client's own `Forwarded` header away.
  private static let forwarded = """
        site-forwarded:
          headers:
            customRequestHeaders:
              Forwarded: ""
    """

  /// How each of several backends is connected to.
  private static let transport = """
          maxIdleConnsPerHost: 200
          forwardingTimeouts:
            dialTimeout: 750ms
    """

  /// The middleware by which a workload's domain, whose TLS is passed through, is answered on another's connection.
  private static func misdirected(_ workload: String) -> String {
    """
        \(workload)-421:
          errors:
            status:
            - "418"
            statusRewrites:
              "418": 421
            service: noop@internal
            query: /
    """
  }

  @Test func writesANamedRoute() throws {
    let route = try Route.make(
      "37-1976-workloadname", "workloadname.gent01.dev.grid.tf",
      .terminated(.wildcard(of: Domain("gent01.dev.grid.tf"))))
    #expect(route.fileName == "37-1976-workloadname.yaml")
    #expect(
      encoded(route) == """
        http:
          routers:
            37-1976-workloadname-route:
              rule: Host(`workloadname.gent01.dev.grid.tf`)
              service: 37-1976-workloadname
              tls:
                certResolver: dnsresolver
                domains:
                - sans:
                  - '*.gent01.dev.grid.tf'
              middlewares:
              - 37-1976-workloadname-forwarded
          services:
            37-1976-workloadname:
              loadbalancer:
                servers:
                - url: http://10.1.2.3:9000
          middlewares:
            37-1976-workloadname-forwarded:
              headers:
                customRequestHeaders:
                  Forwarded: ""

        """)
  }

  @Test("On hold a route says the same but for who is asked for its certificate")
  func writesRoutesOnHold() throws {
    for (tls, resolver) in [
      (Route.TLS.terminated(.wildcard(of: try Domain("example.com"))), "dnsresolver"), (.terminated(.own), "resolver"),
    ] {
      let route = try Route.make("site", "app.example.com", tls, ["https://10.1.2.3", "http://[2001:db8::1]"])
      let whole = encoded(route)
      let line = "        certResolver: \(resolver)\n"
      #expect(whole.contains(line))
      #expect(String(decoding: route.encoded(onHold: true), as: UTF8.self) == whole.replacing(line, with: ""))
    }
    let route = try Route.make("site", "app.example.com", .passthrough, ["10.1.2.3:443"])
    #expect(route.encoded(onHold: true) == route.encoded())
  }

  @Test func writesAnFQDNRouteWithHTTPSAndIPv6Backends() throws {
    let route = try Route.make(
      "site", "app.example.com", .terminated(.own), ["https://10.1.2.3", "http://[2001:db8::1]"])
    #expect(
      encoded(route) == """
        http:
          routers:
            site-route:
              rule: Host(`app.example.com`)
              service: site
              tls:
                certResolver: resolver
                domains:
                - main: app.example.com
              middlewares:
              - site-forwarded
              - site-retry
          services:
            site:
              loadbalancer:
                servers:
                - url: https://10.1.2.3:443
                - url: http://[2001:db8::1]:80
                serversTransport: site
          middlewares:
        \(Self.forwarded)
        \(Self.retry)
          serversTransports:
            site:
              insecureSkipVerify: true
        \(Self.transport)

        """)
  }

  @Test func writesAPassedThroughRoute() throws {
    let route = try Route.make(
      "37-2039-testname", "remote.omar.grid.tf", .passthrough, ["137.184.106.152:443", "[2001:db8::1]:443"])
    #expect(
      encoded(route) == """
        tcp:
          routers:
            37-2039-testname-route:
              rule: HostSNI(`remote.omar.grid.tf`)
              service: 37-2039-testname
              tls:
                passthrough: "true"
          services:
            37-2039-testname:
              loadbalancer:
                servers:
                - address: 137.184.106.152:443
                - address: '[2001:db8::1]:443'
                healthCheck:
                  interval: 2s
                  timeout: 1s
        http:
          routers:
            37-2039-testname-http:
              entryPoints:
              - web
              rule: Host(`remote.omar.grid.tf`) && PathPrefix(`/.well-known/acme-challenge/`)
              middlewares:
              - redirect-web-to-web-secure@internal
              service: noop@internal
            37-2039-testname-421:
              rule: HostRegexp(`^remote\\.omar\\.grid\\.tf$`)
              middlewares:
              - 37-2039-testname-421
              service: noop@internal
              tls: {}
          middlewares:
        \(Self.misdirected("37-2039-testname"))

        """)
  }

  @Test func writesAPassedThroughRouteWithPlainHTTP() throws {
    let route = try Route.make(
      "site", "app.example.com", .passthrough, ["10.1.2.3:443"], http: ["10.1.2.3", "http://[2001:db8::1]:8080"])
    let text = encoded(route)
    let routers = try #require(text.split(separator: "\nhttp:\n").last)
    #expect(
      routers.hasPrefix(
        """
          routers:
            site-http:
              entryPoints:
              - web
              rule: Host(`app.example.com`)
              priority: 1000
              middlewares:
              - site-forwarded
              - site-retry
              service: site~http
            site-421:

        """))
    #expect(
      routers.hasSuffix(
        """
              tls: {}
          services:
            site~http:
              loadbalancer:
                servers:
                - url: http://10.1.2.3:80
                - url: http://[2001:db8::1]:8080
                serversTransport: site
          middlewares:
        \(Self.misdirected("site"))
        \(Self.forwarded)
        \(Self.retry)
          serversTransports:
            site:
        \(Self.transport)

        """))
    let one = try encoded(.make("site", "app.example.com", .passthrough, ["10.1.2.3:443"], http: ["10.1.2.3"]))
    #expect(!one.contains("retry") && !one.contains("serversTransport"))
  }

  private static let proxies = ["10.0.0.0/8", "2001:db8::1"].map { try! IPNetwork($0) }

  @Test("A client that is a trusted proxy has a router of its own, which leaves its Forwarded header alone")
  func writesRoutersForTrustedProxies() throws {
    let rule = "Host(`app.example.com`) && (ClientIP(`10.0.0.0/8`) || ClientIP(`2001:db8::1/128`))"
    for backends in [["http://10.1.2.3"], ["http://10.1.2.3", "http://10.1.2.4"]] {
      let terminated = try Route.make("site", "app.example.com", .terminated(.own), backends)
      let retry = backends.count == 1 ? "" : "\n      middlewares:\n      - site-retry"
      let router = """
            site-trusted:
              rule: \(rule)
              service: site
              tls: {}\(retry)
          services:

        """
      let text = String(decoding: terminated.encoded(trusting: Self.proxies), as: UTF8.self)
      #expect(text.contains(router), "\(text)")
      #expect(text.replacing(router, with: "  services:\n") == encoded(terminated))

      let plain = try Route.make("site", "app.example.com", .passthrough, ["10.1.2.3:443"], http: backends)
      let plainRouter = """
            site-trusted:
              entryPoints:
              - web
              rule: \(rule)
              priority: 1001\(retry)
              service: site~http
            site-421:

        """
      let plainText = String(decoding: plain.encoded(trusting: Self.proxies), as: UTF8.self)
      #expect(plainText.contains(plainRouter), "\(plainText)")
      #expect(plainText.replacing(plainRouter, with: "    site-421:\n") == encoded(plain))
    }
    // Of what is passed through, nobody sees a header.
    let passed = try Route.make("site", "app.example.com", .passthrough, ["10.1.2.3:443"])
    #expect(passed.encoded(trusting: Self.proxies) == passed.encoded())
  }

  @Test func refusesPlainHTTPWhereTLSEnds() throws {
    for tls in [Route.TLS.terminated(.own), .terminated(.wildcard(of: try Domain("example.com")))] {
      let error = #expect(throws: InvalidValue.self) {
        try Route.make("site", "app.example.com", tls, http: ["10.1.2.3"])
      }
      #expect(
        error?.description
          == "HTTP backends are for TLS that is passed through: where it ends here, HTTP is redirected to HTTPS")
    }
  }

  @Test(
    "A workload that YAML would read as something else than a string is quoted",
    arguments: [
      "true", "True", "TRUE", "false", "null", "NULL", "yes", "No", "on", "OFF", "y", "N", "0", "12", "1_0", "007",
      "1e3",
      "1E-3", "1.5", "1.", "1.5e-3", "0x1f", "0X1F", "0o7", "0b1", "2001-01-01", "2001-1-1",
    ])
  func quotes(workload: String) throws {
    let text = try encoded(.make(workload, "a.example.com", .terminated(.own)))
    #expect(text.contains("\n      service: \"\(workload)\"\n"))
    #expect(text.contains("\n    \"\(workload)\":\n"))
  }

  @Test(
    "A workload that is a string anyway is written without quotes",
    arguments: [
      "a", "nope", "truer", "tRUE", "_1", "1-2", "1e", "e3", "37-1976-workloadname", "1.2.3", "2001-01", "2001-01-01x",
      "2001-001-01", "20010-1-1", "inf", "nan", "0xg", "1.5.e3", "ye", "12-34-abc",
    ])
  func doesNotQuote(workload: String) throws {
    let text = try encoded(.make(workload, "a.example.com", .terminated(.own)))
    #expect(text.contains("\n      service: \(workload)\n"))
    #expect(text.contains("\n    \(workload):\n"))
  }

  @Test func quotesADomainThatIsANumber() throws {
    #expect(try encoded(.make("a", "1.e3", .terminated(.own))).contains("\n        - main: \"1.e3\"\n"))
  }

  @Test func writesEqualRoutesAlike() throws {
    let short = try Route.make("a", "A.example.com.", .terminated(.own), ["http://10.0.0.1"])
    let long = try Route.make("a", "a.example.com", .terminated(.own), ["http://[::ffff:10.0.0.1]:80"])
    #expect(short == long)
    #expect(short.encoded() == long.encoded())
  }
}
