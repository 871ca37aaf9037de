import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// Calls that must be refused, each with its exact words, and with nothing changed on disk.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct BadInputTests {
  /// A call and the error it gets.
  struct Refusal: Sendable {
    let method: String
    let arguments: [JSON]
    let error: String
    var isProtocolError = false
  }

  /// Refusals for one reason, tried with one gateway.
  struct Group: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let refusals: [Refusal]

    init(_ name: String, _ refusals: [Refusal]) {
      testDescription = name
      self.refusals = refusals
    }
  }

  @Test(
    "What is wrong is refused, in words that say what and why, and changes nothing",
    arguments: groups)
  func refuses(group: Group) async throws {
    try await GatewayProcess.withGateway(GatewayProcess.node + ["--no-domain-check"]) { gateway in
      try await gateway.setName("held", "held", "http://10.1.2.3")
      try await gateway.setFQDN("held-2", "held.example.org", "10.1.2.3:443")
      let before = try gateway.files()
      for refusal in group.refusals {
        let reply = try await gateway.caller.call(refusal.method, with: refusal.arguments)
        let told = "\(refusal.method)(\(refusal.arguments))"
        #expect((refusal.isProtocolError ? reply.protocolError : reply.callError) == refusal.error, "\(told)")
        #expect((refusal.isProtocolError ? reply.callError : reply.protocolError) == nil, "\(told)")
        #expect(try gateway.files() == before, "\(told)")
      }
      #expect(try await gateway.domains() == ["held": "held.\(zone)", "held-2": "held.example.org"])
    }
  }

  @Test func thereAreAtLeastSixty() {
    #expect(Self.groups.reduce(0) { $0 + $1.refusals.count } >= 60)
  }

  // MARK: The table

  static let groups = [
    workloads, workloadsOfServices, names, domains, zones, backends, passthrough, plainHTTP, counts, types, networks,
    objects,
  ]

  static let workloads = Group(
    "workloads",
    [
      ("", "it is empty"), (".", "it must not start with '.' or '-'"), ("..", "it must not start with '.' or '-'"),
      (".hidden", "it must not start with '.' or '-'"), ("-rf", "it must not start with '.' or '-'"),
      ("a/b", forbiddenInWorkload), ("../../etc/passwd", forbiddenInWorkload), ("a@file", forbiddenInWorkload),
      ("a b", forbiddenInWorkload), ("a\0b", forbiddenInWorkload), ("a\nb", forbiddenInWorkload),
      ("é", forbiddenInWorkload), ("a`b", forbiddenInWorkload), (String(repeating: "w", count: 129), tooLongWorkload),
    ].flatMap { workload, rule in
      let error = "invalid workload \(shown(workload)): \(rule)"
      return [
        Refusal(
          method: "SetNamedProxy", arguments: [.string(workload), "shop", ["http://10.1.2.3"], false], error: error),
        Refusal(method: "DeleteNamedProxy", arguments: [.string(workload)], error: error),
      ]
    })

  private static let forbiddenInWorkload = "only letters, digits, '.', '_' and '-' may appear"
  private static let tooLongWorkload = "it is longer than 128 bytes"

  static let workloadsOfServices = Group(
    "workloads of tcprouter's services",
    ["tcprouter-shop.example.org", "tcprouter-", "tcprouter"].map { workload in
      Refusal(
        method: "SetFQDNProxy", arguments: [.string(workload), "shop.example.org", ["http://10.1.2.3"], false],
        error:
          "invalid workload \(shown(workload)): what begins with 'tcprouter-' follows from tcprouter's services in "
          + "Redis")
    })

  static let names = Group(
    "names",
    [
      ("", "it is empty"), (".a", nameRule), ("a b", nameRule), ("a`b", nameRule), ("*", nameRule), ("a\0", nameRule),
      ("web.\(zone)", #"it is one label, without the node's domain: "web""#),
      ("web.", #"it is one label, without the node's domain: "web""#),
      ("shöp", nameRule + #"; in the DNS it is written "xn--shp-tna""#),
      (String(repeating: "n", count: 64), "it is longer than 63 bytes"),
    ].map { name, rule in
      Refusal(
        method: "SetNamedProxy", arguments: ["w", ["Name": .string(name), "Backends": ["http://10.1.2.3"]]],
        error: "invalid name \(shown(name)): \(rule)")
    } + [
      Refusal(
        method: "SetNamedProxy", arguments: ["w", "HELD", ["http://10.1.2.3"], false],
        error: "domain already registered: held.\(zone)")
    ])

  private static let nameRule = "it may hold only letters, digits, '-' and '_'"
  private static let labelRule = "a label may hold only letters, digits, '-' and '_'"

  static let domains = Group(
    "domains",
    [
      ("", "it is empty"), (".", "it is empty"), ("localhost", "it needs at least two labels"),
      ("localhost.", "it needs at least two labels"), (".example.org", "a label is empty"),
      ("a..example.org", "a label is empty"), ("example.org..", "a label is empty"),
      ("*.example.org", labelRule), ("a b.example.org", labelRule), ("a`) || Host(`b.example.org", labelRule),
      ("http://example.org", labelRule), ("example.org:80", labelRule),
      ("exämple.org", labelRule + #"; in the DNS it is written "xn--exmple-cua.org""#),
      ("10.1.2.3", "the last label is a number"),
      (String(repeating: "a", count: 64) + ".org", "a label is longer than 63 bytes"),
      (String(repeating: "abcdefghi.", count: 25) + "long", "it is longer than 253 bytes"),
    ].map { fqdn, rule in
      Refusal(
        method: "SetFQDNProxy", arguments: ["w", .string(fqdn), ["http://10.1.2.3"], false],
        error: "invalid domain \(shown(fqdn)): \(rule)")
    } + [
      Refusal(
        method: "SetFQDNProxy", arguments: ["w", ["FQDN": "Held.Example.Org.", "Backends": ["http://10.1.2.3"]]],
        error: "domain already registered: held.example.org")
    ])

  static let zones = Group(
    "the node's own domain",
    [zone, "shop.\(zone)", "a.b.\(zone)", "HELD.\(zone.uppercased())."].map { fqdn in
      let domain = fqdn.lowercased().hasSuffix(".") ? String(fqdn.lowercased().dropLast()) : fqdn
      return Refusal(
        method: "SetFQDNProxy", arguments: ["w", .string(fqdn), ["http://10.1.2.3"], false],
        error: "domain \(domain) is inside this node's domain \(zone): use SetNamedProxy")
    })

  static let backends = Group(
    "backends",
    [
      ("", form), ("10.1.2.3:80", form), ("ftp://10.1.2.3", form), ("HTTP://10.1.2.3", form),
      ("http://", "the host must be an IP address"), ("http://example.com", "the host must be an IP address"),
      ("http://localhost:80", "the host must be an IP address"), ("http://10.1.2", "the host must be an IP address"),
      ("http://2130706433", "the host must be an IP address"), ("http://10.1.2.3/", "it must have no path"),
      ("http://10.1.2.3?a", "it must have no query"), ("http://10.1.2.3#a", "it must have no fragment"),
      ("http://u:p@10.1.2.3", "it must have no credentials"), ("http://10.1.2.3:0", portRule),
      ("http://10.1.2.3:65536", portRule), ("http://10.1.2.3:", portRule),
      ("http://2001:db8::1", "an IPv6 address must stand in brackets"),
      ("http://[fe80::1%eth0]", "the host must be an IP address"), ("http://0.0.0.0", "the address is unspecified"),
      ("http://[::]", "the address is unspecified"), ("http://127.0.0.1", "the address is loopback"),
      ("http://[::1]", "the address is loopback"), ("http://[::ffff:127.0.0.1]", "the address is loopback"),
      ("http://169.254.169.254", "the address is link-local"), ("http://[fe80::1]", "the address is link-local"),
      ("http://224.0.0.1", "the address is multicast"), ("http://[ff02::1]", "the address is multicast"),
      ("http://255.255.255.255", "the address is broadcast"),
      ("http://203.0.113.7", "the address is one of this node's own"),
      ("http://[::ffff:203.0.113.7]", "the address is one of this node's own"),
      ("https://[2001:db8::7]:8443", "the address is one of this node's own"),
    ].map { backend, rule in
      Refusal(
        method: "SetNamedProxy", arguments: ["w", "shop", [.string(backend)], false],
        error: "invalid backend \(shown(backend)): \(rule)")
    } + [
      Refusal(
        method: "SetNamedProxy", arguments: ["w", "shop", [], false], error: "at least one backend is needed"),
      Refusal(
        method: "SetNamedProxy", arguments: ["w", ["Name": "shop", "Backends": nil]],
        error: "at least one backend is needed"),
      Refusal(
        method: "SetFQDNProxy",
        arguments: ["w", "example.org", .array((1...65).map { .string("http://10.0.0.\($0)") }), false],
        error: "at most 64 backends are allowed, not 65"),
      Refusal(
        method: "SetFQDNProxy",
        arguments: ["w", "example.org", ["http://10.1.2.3", "x", "http://10.1.2.4", "http://[::1]"], false],
        error: #"invalid backend "x": \#(form); invalid backend "http://[::1]": the address is loopback"#),
    ])

  private static let form = "it must be http://IP[:port] or https://IP[:port]"
  private static let portRule = "the port must be a number from 1 to 65535"

  static let passthrough = Group(
    "backends to which TLS is passed through",
    [
      ("http://10.1.2.3:443", "with TLS passed through it must be IP:port or https://IP[:port]"),
      ("10.1.2.3", "the port is missing"), ("example.com:443", "the host must be an IP address"),
      ("10.1.2.3:0", portRule), ("127.0.0.1:443", "the address is loopback"),
      ("203.0.113.7:443", "the address is one of this node's own"),
    ].map { backend, rule in
      Refusal(
        method: "SetFQDNProxy", arguments: ["w", "example.org", [.string(backend)], true],
        error: "invalid backend \(shown(backend)): \(rule)")
    })

  static let plainHTTP = Group(
    "plain HTTP",
    [
      ("https://10.1.2.3", "it must be IP[:port], where plain HTTP is spoken"),
      ("10.1.2.3/x", "it must be IP[:port], where plain HTTP is spoken"),
      ("example.org", "the host must be an IP address"),
      ("10.1.2.3:0", "the port must be a number from 1 to 65535"), ("127.0.0.1", "the address is loopback"),
      ("203.0.113.7", "the address is one of this node's own"),
    ].map { backend, rule in
      Refusal(
        method: "SetNamedProxy",
        arguments: [
          "w",
          [
            "Name": "shop", "TLSPassthrough": true, "Backends": ["10.1.2.3:443"], "HTTPBackends": [.string(backend)],
          ],
        ], error: "invalid HTTP backend \(shown(backend)): \(rule)")
    } + [
      Refusal(
        method: "SetFQDNProxy",
        arguments: ["w", ["FQDN": "a.example.org", "Backends": ["http://10.1.2.3"], "HTTPBackends": ["10.1.2.3"]]],
        error: "HTTP backends are for TLS that is passed through: where it ends here, HTTP is redirected to HTTPS")
    ])

  static let counts = Group(
    "numbers of arguments",
    [
      ("SetNamedProxy", [], "expecting 2 got 0"), ("SetNamedProxy", ["w"], "expecting 2 got 1"),
      ("SetNamedProxy", ["w", "shop", ["http://10.1.2.3"]], "expecting 2 got 3"),
      ("SetFQDNProxy", ["w", "example.org", ["http://10.1.2.3"], false, "?"], "expecting 4 got 5"),
      ("DeleteNamedProxy", [], "expecting 1 got 0"), ("DeleteNamedProxy", ["w", "v"], "expecting 1 got 2"),
      ("Metrics", ["w"], "expecting 0 got 1"), ("Routes", ["w", "v"], "expecting 1 got 2"),
      ("Node", ["w"], "expecting 0 got 1"),
    ].map { method, arguments, count in
      Refusal(
        method: method, arguments: arguments, error: "invalid number of arguments \(count)", isProtocolError: true)
    })

  static let types = Group(
    "types of arguments",
    [
      ("SetNamedProxy", [1, "shop", ["http://10.1.2.3"], false], "[0] expecting string got integer"),
      ("SetNamedProxy", ["w", "shop", "http://10.1.2.3", false], "[2] expecting array got string"),
      ("SetNamedProxy", ["w", "shop", [1], false], "[2] expecting string got integer"),
      ("SetNamedProxy", ["w", "shop", ["http://10.1.2.3"], "false"], "[3] expecting boolean got string"),
      ("SetNamedProxy", ["w", "shop"], "[1] expecting map got string"),
      ("SetFQDNProxy", ["w", ["FQDN": 1, "Backends": []]], "[1] expecting string got integer"),
      ("DeleteNamedProxy", [["w"]], "[0] expecting string got array"),
      ("DeleteNamedProxy", [["$raw": ""]], "[0] the MessagePack value is cut short"),
    ].map { method, arguments, error in
      Refusal(method: method, arguments: arguments, error: "invalid argument type \(error)", isProtocolError: true)
    })

  static let networks = Group(
    "private networks",
    [
      Refusal(
        method: "SetNamedProxy",
        arguments: ["w", ["Name": "shop", "Backends": ["http://10.1.2.3"], "Network": "net-1"]],
        error: #"private network "net-1": backends in private networks are not supported"#),
      Refusal(
        method: "SetFQDNProxy",
        arguments: ["w", ["FQDN": "example.org", "Backends": ["http://10.1.2.3"], "Network": "a\nb"]],
        error: #"private network "a\nb": backends in private networks are not supported"#),
    ])

  static let objects = Group(
    "methods",
    ["", "setnamedproxy", "SetNamedProxy "].map {
      Refusal(method: $0, arguments: [], error: "not a function", isProtocolError: true)
    })

  /// As an error shows a text.
  private static func shown(_ text: String) -> String {
    let cut = text.utf8.count > 100 ? text.prefix(100) + "…" : text[...]
    return "\"" + cut.replacing("\0", with: "\\u{0}").replacing("\n", with: "\\n") + "\""
  }
}
