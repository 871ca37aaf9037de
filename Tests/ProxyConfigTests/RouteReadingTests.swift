import ProxyConfig
import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct RouteReadingTests {
  static func named() throws -> Route {
    try .make(
      "37-1976-site", "site.gent01.dev.grid.tf", .terminated(.wildcard(of: Domain("gent01.dev.grid.tf"))))
  }

  private static func ownCertificate() throws -> Route {
    try .make("site", "app.example.com", .terminated(.own), ["https://10.1.2.3:443"])
  }

  private static func passedThrough() throws -> Route {
    try .make("site", "app.example.com", .passthrough, ["137.184.106.152:443"])
  }

  /// The named route, written as nobody would.
  static let forms = [
    ("as the earlier module wrote it", EarlierRoute.named("37-1976-site", "site")),
    (
      "indented by four, with comments, document marks and another order",
      """
      %YAML 1.1
      --- # a route
      http:   # over HTTP
          services:
              37-1976-site: {loadBalancer: {servers: [{url: "http://10.1.2.3:9000"}]}}
          routers:
              37-1976-site-route:
                  tls:
                      domains:
                          -   sans:
                                  - "*.gent01.dev.grid.tf"
                      certResolver: 'dnsresolver'
                  service: >-
                      37-1976-site
                  rule: 'Host(`site.gent01.dev.grid.tf`)'
      ...
      """
    ),
    (
      "JSON",
      #"""
      {"http": {"routers": {"37-1976-site-route": {"rule": "Host(\"site.gent01.dev.grid.tf\")", "service": "37-1976-site",
        "tls": {"certResolver": "dnsresolver", "domains": [{"sans": ["*.gent01.dev.grid.tf"]}]}}},
        "services": {"37-1976-site": {"loadBalancer": {"servers": [{"url": "http://10.1.2.3:9000"}]}}}}}
      """#
    ),
    (
      "keys in any case, names in upper case, escapes, a trailing dot and a default port",
      #"""
      HTTP:
        ROUTERS:
          37-1976-site-route:
            Rule: "\x48ost(`SITE.Gent01.dev.grid.tf.`)"
            SERVICE: 37-1976-site
            Tls:
              CERTRESOLVER: dnsresolver
              Domains:
              - SANS: ['*.GENT01.dev.grid.tf']
        Services:
          37-1976-site:
            LoadBalancer:
              Servers:
              - URL: http://[::ffff:10.1.2.3]:9000
      """#
    ),
    (
      "aliases, complex keys and tags that say nothing new",
      """
      ? http
      : routers:
          37-1976-site-route: &r
            service: &name 37-1976-site
            rule: !!str Host(`site.gent01.dev.grid.tf`)
            tls: !!map {certResolver: dnsresolver, domains: !!seq [sans: ['*.gent01.dev.grid.tf']]}
        services:
          *name :
            loadbalancer: &balancer
              servers: [&server {url: http://10.1.2.3:9000}]
      """
    ),
    (
      "a second document, which Traefik does not read",
      """
      {http: {routers: {37-1976-site-route: {rule: Host(`site.gent01.dev.grid.tf`), service: 37-1976-site, tls:
      {certResolver: dnsresolver, domains: [sans: ['*.gent01.dev.grid.tf']]}}},
      services: {37-1976-site: {loadbalancer: {servers: [url: 'http://10.1.2.3:9000']}}}}}
      ---
      [
      """
    ),
  ]

  @Test("A named route is one in any legal YAML", arguments: forms)
  func readsNamedRoute(form: String, text: String) throws {
    // None of them takes the Forwarded header away.
    let route = try RouteFile.route(Self.named(), isCurrent: false)
    #expect(RouteFile.read(text, "37-1976-site") == route)
    #expect(RouteFile.read(text.replacing("\n", with: "\r\n"), "37-1976-site") == route)
    #expect(RouteFile.read("\u{feff}" + text, "37-1976-site") == route)
  }

  static func utf16(_ ascii: [UInt8]) -> [UInt8] {
    [0xff, 0xfe] + ascii.flatMap { [$0, 0] }
  }

  @Test func readsUTF16WithAByteOrderMarkAsTraefikDoes() throws {
    let route = try Self.named()
    let bytes = Self.utf16(route.encoded())
    #expect(RouteFile.read(bytes, "37-1976-site") == .route(route))
  }

  @Test(
    "A truth value is one as Traefik understands it",
    arguments: ["true", "True", "TRUE", "\"true\"", "'TRUE'", "t", "1", "\"1\""])
  func readsPassthrough(truth: String) throws {
    let text = """
      tcp:
        routers:
          site-route: {rule: 'HostSNI(`app.example.com`)', service: site, tls: {passthrough: \(truth)}}
        services:
          site: {loadBalancer: {servers: [{address: "137.184.106.152:443"}]}}
      """
    #expect(try RouteFile.read(text, "site") == .route(Self.passedThrough(), isCurrent: false))
  }

  @Test(
    "An HTTPS route may come with its transport, named twice or once or not at all",
    arguments: [
      ("serversTransport: site,", "serversTransports: {site: {insecureSkipVerify: 'true'}}"),
      ("serverstransport: site,", ""), ("", ""),
    ])
  func readsTransport(reference: String, transports: String) throws {
    let text = """
      http:
        routers:
          site-route: {rule: 'Host(`app.example.com`)', service: site,
            tls: {certResolver: resolver, domains: [{main: App.Example.Com}]}}
        services:
          site: {loadBalancer: {\(reference) servers: [{url: https://10.1.2.3}]}}
        \(transports)
      """
    #expect(try RouteFile.read(text, "site") == .route(Self.ownCertificate(), isCurrent: false))
  }

  @Test func readsBackendsThatMayNoLongerBeAskedFor() throws {
    let text = String(decoding: try Self.passedThrough().encoded(), as: UTF8.self)
      .replacing("137.184.106.152", with: "127.0.0.1")
    guard case .route(let route, _, _) = RouteFile.read(text, "site") else {
      Issue.record("not a route")
      return
    }
    #expect(route.backends.map(\.description) == ["127.0.0.1:443"])
  }

  private static func objection(to file: RouteFile) -> String {
    switch file {
    case .route: "a route"
    case .foreign(let mismatch): "\(mismatch)"
    case .broken(let fault): "broken: \(fault)"
    }
  }

  /// A route's file, with one thing in it changed.
  @Test(
    "A file that says anything else is no route",
    arguments: [
      ("rule: Host(`app.example.com`)", "rule: HostSNI(`app.example.com`)", "line 4: the rule is not Host(`domain`)"),
      ("rule: Host(`app.example.com`)", "rule: Host(`app.example.com\")", "line 4: the rule is not Host(`domain`)"),
      ("rule: Host(`app.example.com`)", "rule: Host(`)", "line 4: the rule is not Host(`domain`)"),
      ("rule: Host(`app.example.com`)", "rule: Host()", "line 4: the rule is not Host(`domain`)"),
      ("rule: Host(`app.example.com`)", "rule: ''", "line 4: the rule is not Host(`domain`)"),
      ("rule: Host(`app.example.com`)", "rule: [a]", "line 4: a string is needed"),
      (
        "rule: Host(`app.example.com`)", "rule: Host(`app.example.com`) && !Path(`/x`) ",
        #"line 4: invalid domain "app.example.com`) && !Path(`/x": a label may hold only letters, digits, '-' and '_'"#
      ),
      (
        "rule: Host(`app.example.com`)", "rule: Host(`a.b`) || Host(`c.d`)",
        #"line 4: invalid domain "a.b`) || Host(`c.d": a label may hold only letters, digits, '-' and '_'"#
      ),
      ("service: site", "service: other", "line 5: another route's service"),
      ("service: site", "service: 1e3", #"line 5: "1e3" is no string without quotes"#),
      ("service: site", "service: !custom site", "line 5: a tag"),
      ("service: site", "service: site\n      entryPoints: [web]", #"line 6: a route has no "entryPoints" here"#),
      ("service: site", "service: site\n      Service: site", #"line 6: "Service" is there twice"#),
      ("service: site", "service: site\n      <<: {a: b}", #"broken: line 6: Traefik knows no "a" in "routers""#),
      ("service: site", "service: site\n      ? [a]\n      : b", "broken: line 6: a key that is a list or a mapping"),
      ("site-route:", "other-route:", #"line 3: not the one "site-route" of a route"#),
      ("site-route:", "more-route: {}\n    site-route:", #"line 3: not the one "site-route" of a route"#),
      ("certResolver: resolver", "certResolver: other", "line 7: not a certificate that a route asks for"),
      ("certResolver: resolver", "certResolver: dnsresolver", "line 7: not a certificate that a route asks for"),
      ("certResolver: resolver", "options: x", #"line 7: a route has no "options" here"#),
      ("        certResolver: resolver\n", "        certResolver: {}\n", "line 7: a string is needed"),
      (
        "        certResolver: resolver\n        domains:\n        - main: app.example.com",
        "        domains:\n        - main: other.example.com", "line 8: a certificate for another domain"
      ),
      (
        "        certResolver: resolver\n        domains:\n        - main: app.example.com",
        "        domains:\n        - {}", "line 8: not a certificate that a route asks for"
      ),
      (
        "        certResolver: resolver\n        domains:\n        - main: app.example.com", "        {}",
        "line 7: domains is missing"
      ),
      ("- main: app.example.com", "- main: other.example.com", "line 9: a certificate for another domain"),
      ("- main: app.example.com", "- main: app", #"line 9: invalid domain "app": it needs at least two labels"#),
      ("- main: app.example.com", "- sans: [app.example.com]", "line 7: not a certificate that a route asks for"),
      ("- main: app.example.com", "  []", "line 9: one element is needed, there are 0"),
      (
        "- main: app.example.com", "- main: app.example.com\n        - main: app.example.com",
        "line 9: one element is needed, there are 2"
      ),
      ("    site:\n", "    other:\n", #"line 13: not the one "site" of a route"#),
      ("loadbalancer:", "weighted:", #"broken: line 15: Traefik knows no "servers" in "weighted""#),
      ("servers:\n", "sticky: {}\n        servers:\n", #"line 15: a route has no "sticky" here"#),
      ("url: https", "weight: 1\n          url: https", #"line 16: a route has no "weight" here"#),
      ("- url: https://10.1.2.3:443", "  []", "line 2: at least one backend is needed"),
      ("- url: https://10.1.2.3:443", "- {}", "line 16: url is missing"),
      ("- url: https://10.1.2.3:443", "- https://10.1.2.3:443", "line 16: a mapping is needed"),
      ("- url: https://10.1.2.3:443", "  url: https://10.1.2.3:443", "line 16: a sequence is needed"),
      (
        "url: https://10.1.2.3:443", "url: http://backend",
        #"line 2: invalid backend "http://backend": the host must be an IP address"#
      ),
      ("serversTransport: site", "serversTransport: other", "line 17: not what a route has here"),
      ("insecureSkipVerify: true", "insecureSkipVerify: false", "line 25: not what a route has here"),
      ("insecureSkipVerify: true", "serverName: x", #"line 25: a route has no "serverName" here"#),
      (
        "insecureSkipVerify: true", "insecureSkipVerify: {}",
        #"broken: line 25: "insecureSkipVerify" must be true or false"#
      ),
      ("http:\n", "tcp: {}\nhttp:\n", #"broken: line 1: "tcp" must not be empty"#),
      ("http:\n", "udp: {}\nhttp:\n", #"broken: line 1: "udp" must not be empty"#),
      ("http:\n", "tcp:\n", #"broken: line 16: Traefik knows no "url" in "servers""#),
      ("http:\n", "# {{ env \"HOME\" }}\nhttp:\n", "line 1: a Go template: what comes out of it was not checked"),
    ])
  func leavesForeignFilesAlone(part: String, replacement: String, reason: String) throws {
    let text = String(decoding: try Self.ownCertificate().encoded(), as: UTF8.self)
    try #require(text.contains(part))
    let changed = text.replacing(part, with: replacement, maxReplacements: 1)
    #expect(Self.objection(to: RouteFile.read(changed, "site")) == reason)
  }

  @Test(
    "A passed-through file that says anything else is no route",
    arguments: [
      (
        "HostSNI(`app.example.com`)", "HostSNI(`*`)",
        #"line 4: invalid domain "*": a label may hold only letters, digits, '-' and '_'"#
      ),
      ("HostSNI(", "Host(", "line 4: the rule is not HostSNI(`domain`)"),
      ("\"true\"", "false", "line 7: TLS that is not passed through"),
      ("\"true\"", "yes", #"broken: line 7: "passthrough" must be true or false"#),
      ("passthrough: \"true\"", "certResolver: resolver", #"line 7: a route has no "certResolver" here"#),
      ("address:", "url:", #"broken: line 12: Traefik knows no "url" in "servers""#),
      ("servers:\n", "serversTransport: site\n        servers:\n", "line 11: a transport where TLS is passed through"),
    ])
  func leavesForeignPassthroughAlone(part: String, replacement: String, reason: String) throws {
    let text = String(decoding: try Self.passedThrough().encoded(), as: UTF8.self)
    try #require(text.contains(part))
    #expect(Self.objection(to: RouteFile.read(text.replacing(part, with: replacement), "site")) == reason)
  }

  /// Of several backends, and with plain HTTP, one of the parts that every route has by itself is changed or missing.
  @Test(
    "A file of which a part is otherwise than a route has it is somebody's own",
    arguments: [
      ("attempts: 16", "attempts: 3"), ("timeout: 10s", "timeout: 9s"), ("retry:\n", "circuitBreaker:\n"),
      ("      middlewares:\n      - site-forwarded\n      - site-retry\n", ""),
      ("- site-retry", "- site-retry\n      - mine"), ("      - site-forwarded\n", ""),
      ("Forwarded: \"\"", "Forwarded: mine"), ("Forwarded: \"\"", "Forwarded: ''\n          X: ''"),
      ("Forwarded: \"\"", "X-Forwarded-For: ''"),
      ("dialTimeout: 750ms", "dialTimeout: 1s"), ("maxIdleConnsPerHost: 200", "maxIdleConnsPerHost: 2"),
      ("maxIdleConnsPerHost: 200\n", "disableHTTP2: true\n"), ("        serversTransport: site\n", ""),
    ])
  func leavesForeignPartsAlone(part: String, replacement: String) throws {
    let terminated = try Route.make(
      "site", "app.example.com", .terminated(.own), ["http://10.0.0.1", "http://10.0.0.2"])
    let passed = try Route.make(
      "site", "app.example.com", .passthrough, ["10.0.0.1:443"], http: ["10.0.0.1", "10.0.0.2"])
    for route in [terminated, passed] {
      try expectForeign(route, part, replacement)
    }
  }

  /// A route's file is somebody's own once one part of it is another.
  private func expectForeign(_ route: Route, _ part: String, _ replacement: String) throws {
    let text = String(decoding: route.encoded(), as: UTF8.self)
    #expect(RouteFile.read(text, "site") == .route(route))
    try #require(text.contains(part))
    let changed = RouteFile.read(text.replacing(part, with: replacement, maxReplacements: 1), "site")
    guard case .foreign = changed else {
      Issue.record("\(changed)")
      return
    }
  }

  @Test(
    "A passed-through file of which a part is otherwise than a route has it is somebody's own",
    arguments: [
      ("interval: 2s", "interval: 3s"), ("timeout: 1s", "send: x"), ("- web\n", "- web-secure\n"),
      ("^app\\.example", "^app.example"), ("tls: {}", "tls: {options: x}"), ("\"418\": 421", "\"418\": 404"),
      ("- redirect-web-to-web-secure@internal", "- mine"), ("service: noop@internal", "service: mine"),
      ("/.well-known/acme-challenge/", "/.well-known/"), ("      query: /\n", ""),
    ])
  func leavesForeignPassthroughPartsAlone(part: String, replacement: String) throws {
    let route = try Route.make("site", "app.example.com", .passthrough, ["10.0.0.1:443", "10.0.0.2:443"])
    try expectForeign(route, part, replacement)
  }

  @Test(
    "A file of an earlier version is the same route, and known for what it is",
    arguments: [
      ("named", ["http://10.0.0.1:80"]), ("named", ["http://10.0.0.1:80", "http://10.0.0.2:80"]),
      ("own", ["https://10.0.0.1:443"]), ("own", ["http://10.0.0.1:80", "https://10.0.0.2:443"]),
      ("passed", ["10.0.0.1:443"]), ("passed", ["10.0.0.1:443", "10.0.0.2:443"]),
    ])
  func readsEarlierForms(kind: String, backends: [String]) throws {
    let tls: Route.TLS =
      switch kind {
      case "named": .terminated(.wildcard(of: try Domain("example.com")))
      case "own": .terminated(.own)
      default: .passthrough
      }
    let route = try Route.make("site", "app.example.com", tls, backends)
    #expect(RouteFile.read(route.earlierForm, "site") == .route(route, isCurrent: false))
    #expect(RouteFile.read(route.encoded(), "site") == .route(route, isCurrent: true))
  }

  @Test func kindStandsInTheFileWhereTheCertificateDoesNotSayIt() throws {
    let passed = try Route.make("site", "app.example.com", .passthrough, ["10.0.0.1:443"])
    #expect(passed.kind == nil)
    for kind in Route.Kind.allCases {
      let route = passed.known(as: kind)
      #expect(RouteFile.read(route.encoded(), "site") == .route(route))
      #expect(route.encoded() == passed.encoded() + Array("kind: \(kind)\n".utf8))
      // Once it is known it stays.
      #expect(route.known(as: .named) == route)
    }
    try expectForeign(passed.known(as: .named), "kind: named", "kind: other")
    let terminated = try Route.make("site", "app.example.com", .terminated(.own), ["http://10.0.0.1:80"])
    #expect(terminated.kind == .fqdn && terminated.known(as: .named) == terminated)
    try expectForeign(terminated, "http:\n", "kind: fqdn\nhttp:\n")
  }

  /// Two that say where the `Forwarded` header goes, one and several backends each.
  private static let forwarding: [Route] = {
    let several = (1...2).map { "http://10.0.0.\($0)" }
    return [several, [several[0]]].flatMap { backends in
      [
        try! .make("site", "app.example.com", .terminated(.own), backends),
        try! .make("site", "app.example.com", .passthrough, ["10.0.0.1:443"], http: backends),
      ]
    }
  }()

  @Test("A file that hands the Forwarded header on to all backends is an earlier version's", arguments: forwarding)
  func readsTheFormThatKnewNothingOfForwarded(route: Route) throws {
    let removal = "    site-forwarded:\n      headers:\n        customRequestHeaders:\n          Forwarded: \"\"\n"
    var text = String(decoding: route.encoded(), as: UTF8.self)
      .replacing(removal, with: "").replacing("      - site-forwarded\n", with: "")
    for section in ["      middlewares:\n      service", "      middlewares:\n  services", "  middlewares:\n"] {
      let kept = section.drop { $0 != "\n" }.dropFirst()
      if section != "  middlewares:\n" || text.hasSuffix(section) { text = text.replacing(section, with: kept) }
    }
    #expect(!text.contains("forwarded"))
    #expect(RouteFile.read(text, "site") == .route(route, isCurrent: false))
    #expect(
      try RouteFile.read(Array(text.utf8).span, name: "site.yaml", trusting: [IPNetwork("10.0.0.0/8")])
        == .route(route, isCurrent: false))
  }

  @Test(
    "A file for other trusted proxies than this node's is the same route, to be written anew", arguments: forwarding)
  func readsTheFormForOtherProxies(route: Route) throws {
    let lists = try [[], ["10.0.0.0/8"], ["10.0.0.0/8", "2001:db8::/32"], ["2001:db8::/32", "10.0.0.0/8"]]
      .map { try $0.map(IPNetwork.init) }
    for (index, written) in lists.enumerated() {
      for (other, wanted) in lists.enumerated() {
        let file = RouteFile.read(route.encoded(trusting: written).span, name: "site.yaml", trusting: wanted)
        #expect(file == .route(route, isCurrent: index == other))
      }
    }
    let text = String(decoding: route.encoded(trusting: lists[1]), as: UTF8.self)
    for (part, replacement) in [
      ("ClientIP(`10.0.0.0/8`)", "ClientIP(`x`)"), ("(ClientIP(`10.0.0.0/8`))", "()"),
      ("(ClientIP(`10.0.0.0/8`))", "(ClientIP(`10.0.0.0/8`) || Path(`/x`))"), (" && (ClientIP(`10.0.0.0/8`))", ""),
      ("(ClientIP(`10.0.0.0/8`))", "(ClientIP(`10.0.0.0/8`, `11.0.0.0/8`))"), ("site-trusted", "site-more"),
      ("&& (", "|| ("), ("site-trusted:\n", "site-trusted:\n      priority: 5\n"),
      ("site-trusted:\n", "site-trusted: {}\n    mine:\n"),
    ] {
      try #require(text.contains(part))
      let changed = text.replacing(part, with: replacement)
      switch RouteFile.read(changed, "site") {
      case .foreign: continue
      case .broken where replacement.contains("priority"): continue
      case let file: Issue.record("\(replacement): \(file)")
      }
    }
  }

  @Test(
    "A file with nothing in it is foreign, as Traefik bears it",
    arguments: ["", "\n\n", "# nothing\n", "---\n", "~", "null\n", "--- Null\n", "\u{feff}"])
  func leavesEmptyFilesAlone(text: String) throws {
    #expect("\(RouteFile.read(text, "site"))" == "foreign(it is empty)")
  }

  @Test("A route belongs to the workload that its file is named after") func namesItsWorkload() throws {
    guard case .foreign(let mismatch) = try RouteFile.read(Self.named().encoded(), "other") else {
      Issue.record("a route of another workload")
      return
    }
    #expect(mismatch.description == #"line 3: not the one "other-route" of a route"#)
  }
}
