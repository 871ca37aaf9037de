import ProxyConfig
import System
import TestSupport
import Testing

/// A route for whatever is for no other route's domain.
@Suite(.timeLimit(.minutes(5)))
struct CatchAllTests {
  private static func route(
    redirecting redirected: [String] = [], _ backend: String = "127.0.0.1:9", http: String = "127.0.0.1:9"
  ) throws -> Route {
    try Route(
      workload: WorkloadID("rest"), domain: nil, redirecting: Set(redirected.map { try Domain($0) }), tls: .passthrough,
      kind: .fqdn, backends: [backend], httpBackends: [http], under: .alreadyAccepted)
  }

  private static func other(_ name: String, _ tls: Route.TLS, _ backend: String, http: [String] = []) throws -> Route {
    try Route(
      workload: WorkloadID(name), domain: Domain("\(name).example.com"), tls: tls, backends: [backend],
      httpBackends: http, under: .alreadyAccepted)
  }

  private static let proxies = ["10.0.0.0/8"].map { try! IPNetwork($0) }

  @Test func writesItBelowAllOthers() throws {
    let bytes = try Self.route(redirecting: ["b.test", "a.test"]).encoded(trusting: Self.proxies)
    #expect(
      String(decoding: bytes, as: UTF8.self)
        == """
        tcp:
          routers:
            rest-route:
              rule: HostSNIRegexp(`^.*$`)
              priority: 1
              service: rest
              tls:
                passthrough: "true"
          services:
            rest:
              loadbalancer:
                servers:
                - address: 127.0.0.1:9
        http:
          routers:
            rest-http:
              entryPoints:
              - web
              rule: PathPrefix(`/`)
              priority: 2
              middlewares:
              - rest-forwarded
              service: rest~http
            rest-trusted:
              entryPoints:
              - web
              rule: PathPrefix(`/`) && (ClientIP(`10.0.0.0/8`))
              priority: 3
              service: rest~http
            rest-421:
              rule: PathPrefix(`/`)
              middlewares:
              - rest-421
              service: noop@internal
              tls: {}
              priority: 1
            rest-redirect:
              entryPoints:
              - web
              rule: Host(`a.test`) || Host(`b.test`)
              priority: 4
              middlewares:
              - redirect-web-to-web-secure@internal
              service: noop@internal
          services:
            rest~http:
              loadbalancer:
                servers:
                - url: http://127.0.0.1:9
          middlewares:
            rest-421:
              errors:
                status:
                - "418"
                statusRewrites:
                  "418": 421
                service: noop@internal
                query: /
            rest-forwarded:
              headers:
                customRequestHeaders:
                  Forwarded: ""
        kind: fqdn

        """)
  }

  @Test func readsItBack() throws {
    for redirected in [[], ["a.test"], ["b.test", "a.test", "1.e4", "_x.-y.test"]] {
      let route = try Self.route(redirecting: redirected)
      #expect(route.domainName == "*" && route.redirected.count == redirected.count)
      for proxies in [[], Self.proxies] {
        let bytes = route.encoded(trusting: proxies)
        #expect(RouteFile.read(bytes.span, name: "rest.yaml", trusting: proxies) == .route(route))
      }
      #expect(
        RouteFile.read(route.encoded().span, name: "rest.yaml", trusting: Self.proxies)
          == .route(route, isCurrent: false))
    }
  }

  @Test func thousandsAreRedirectedBesideIt() async throws {
    let names = (0..<5000).map { "n\($0).gent01.example.test" }
    let route = try Self.route(redirecting: names)
    #expect(RouteFile.read(route.encoded().span, name: "rest.yaml") == .route(route))
    try await Traefik.withServer(for: [route]) { traefik in
      let routers = try await eventually {
        try await traefik.routers()
      } until: {
        $0.count == 4
      }
      #expect(routers.values.allSatisfy { $0.status == "enabled" }, "\(routers.values.map(\.errors))")
      let web = try await traefik.client("web")
      for host in [names[0], names[4999]] { #expect(try await web.fetch("http://\(host)/").status == 301) }
      #expect(try await web.fetch("http://other.example.test/").status == 502)
    }
  }

  @Test func namesThatNoFileTakesAreRefused() throws {
    let names = (0..<20_000).map { "\($0).\(String(repeating: "a", count: 40)).test" }
    let error = #expect(throws: InvalidValue.self) { try Self.route(redirecting: names) }
    #expect(
      error?.description
        == "beside a route without a domain too many others are redirected: their names take 2 MiB")
  }

  @Test(
    "What says it otherwise is somebody's own",
    arguments: [
      ("priority: 1\n", "priority: 9\n"), ("      priority: 1\n", ""), ("priority: 2\n", "priority: 5000\n"),
      ("`^.*$`", "`^.+$`"), ("HostSNIRegexp(`^.*$`)", "HostSNI(`*`)"),
      ("HostSNIRegexp(`^.*$`)", "HostSNI(`x.test`)"), ("Host(`a.test`)", "Host(`a.test`) && Path(`/x`)"),
      ("Host(`a.test`)", "HostRegexp(`a.test`)"), ("rest-redirect", "rest-other"),
    ])
  func otherForm(part: String, other: String) throws {
    let text = String(decoding: try Self.route(redirecting: ["a.test"]).encoded(), as: UTF8.self)
    #expect(text.contains(part))
    guard case .foreign = RouteFile.read(text.replacing(part, with: other), "rest") else {
      Issue.record("\(other) is taken for a route")
      return
    }
  }

  @Test func refusesTLSThatEndsHere() throws {
    for tls in [Route.TLS.terminated(.own), .passthrough] {
      let error = #expect(throws: InvalidValue.self) {
        try Route(
          workload: WorkloadID("rest"), domain: nil, tls: tls, backends: ["http://10.1.2.3"], under: .alreadyAccepted)
      }
      #expect(error?.description == "without a domain TLS is passed through, and there are HTTP backends")
    }
  }

  /// In the real Traefik: what others have is theirs, redirections included.
  @Test func othersGoBeforeIt() async throws {
    try await HTTPBackend.withServer("rest", tls: true) { rest in
      try await HTTPBackend.withServer("rest") { restPlain in
        try await HTTPBackend.withServer("bank", tls: true) { bank in
          try await HTTPBackend.withServer("bank") { bankPlain in
            let routes: [Route] = try [
              Self.route(
                redirecting: ["shop.example.com", "passed.example.com"], rest.endpoint, http: restPlain.endpoint),
              Self.other("bank", .passthrough, bank.endpoint, http: [bankPlain.endpoint]),
              Self.other("passed", .passthrough, bank.endpoint),
              Self.other("shop", .terminated(.wildcard(of: Domain("example.com"))), "http://127.0.0.1:9"),
            ]
            try await Traefik.withServer(for: routes) { traefik in
              let routers = try await eventually {
                try await traefik.routers()
              } until: {
                $0.count == 11
              }
              #expect(routers.values.allSatisfy { $0.status == "enabled" && $0.errors.isEmpty }, "\(routers)")
              let (web, secure) = try await (traefik.client("web"), traefik.client("web-secure"))
              // By a name, and by an address, for which a client sends no name.
              for host in ["unknown.test", "deep.shop.example.com", "192.0.2.1"] {
                let answer = try await secure.fetch("https://\(host)/a?b")
                #expect(answer.answer?.name == "rest" && answer.answer?.path == "/a?b", "\(host)")
                #expect(answer.certificateSubject?.contains("rest") == true, "\(host)")
                #expect(try await web.fetch("http://\(host)/a?b").answer?.name == "rest", "\(host)")
              }
              for host in ["bank.example.com", "passed.example.com"] {
                #expect(try await secure.fetch("https://\(host)/").answer?.name == "bank")
              }
              let shop = try await secure.fetch("https://shop.example.com/")
              #expect(shop.status == 502 && shop.certificateSubject?.contains("TRAEFIK") == true, "\(shop)")
              // On another one's connection a client is told to open one of its own.
              let astray = try await secure.fetch("https://shop.example.com/", headers: ["Host": "unknown.test"])
              #expect(astray.status == 421)
              #expect(try await web.fetch("http://bank.example.com/").answer?.name == "bank")
              for host in ["shop.example.com", "passed.example.com"] {
                #expect(try await web.fetch("http://\(host)/").status == 301, "\(host)")
              }
            }
          }
        }
      }
    }
  }
}
