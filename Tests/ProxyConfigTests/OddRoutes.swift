import ProxyConfig

/// Routes that are valid and look as if they might not be: what YAML or Traefik could take for something else.
enum OddRoutes {
  /// Workloads that YAML would read as truth values, nulls, numbers, dates or special keys, the longest, and those that are called
  /// like something of another one's.
  static let workloads = [
    "true", "True", "TRUE", "false", "null", "Null", "NULL", "yes", "No", "on", "OFF", "y", "Y", "n", "N", "0", "12",
    "1_0",
    "007", "1e3", "1E-3", "1.5", "1.", "1.5e-3", "0x1f", "0X1F", "0o7", "0b1", "1.2.3", "2001-01-01", "2001-1-1", "_1",
    "1-2", "1e", "0x", "inf", "nan", "a.yaml", "default", "api", "http", String(repeating: "w", count: 128),
    String(repeating: "1", count: 128), "12-route", "12-http", "12-421", "12-retry", "12-forwarded", "12-trusted",
    "12-trusted-route",
  ]

  /// Domains that YAML would read as numbers, the longest ones, and what DNS allows though host names do not have it.
  static let domains = [
    "1.e3", "12.3e4", "0.0x1", "1.0_", "a.b", "_.-", "-a-.example.com", "_dmarc.example.com", "a_b.example.com",
    "xn--e1afmkfd.xn--p1ai", "xn--.example.com", "true.null", "127.0.0.1.example.com",
    "\(label63).example.com", "\(label63).\(label63).\(label63).\(String(repeating: "b", count: 61))",
  ]

  private static let label63 = String(repeating: "a", count: 63)

  /// One or more each of the above, and every kind of backend and certificate.
  static func all() throws -> [Route] {
    var routes: [Route] = []
    let zone = try Domain("gent01.dev.grid.tf")
    for (index, workload) in workloads.enumerated() {
      let tls: Route.TLS = [.terminated(.wildcard(of: zone)), .terminated(.own), .passthrough][index % 3]
      let backends = tls == .passthrough ? ["10.1.2.3:443"] : [["http", "https"][index % 2] + "://10.1.2.3:9000"]
      routes.append(try .make(workload, "w\(index).gent01.dev.grid.tf", tls, backends))
    }
    for (index, domain) in domains.enumerated() {
      routes.append(try .make("domain-\(index)-own", domain, .terminated(.own)))
      let passed = try Domain(Label("p"), in: zone)
      routes.append(
        try .make("domain-\(index)-wildcard", "x\(index).\(passed)", .terminated(.wildcard(of: Domain(domain)))))
    }
    routes.append(try .make("domain-passed", "1.e4", .passthrough, ["10.1.2.3:443"]))
    for kind in Route.Kind.allCases {
      routes.append(
        try .make("passed-\(kind)", "\(kind).example.com", .passthrough, ["10.1.2.3:443"]).known(as: kind))
    }
    let addresses = (1...32).map { "10.0.0.\($0):8080" } + (1...32).map { "[2001:db8::\($0)]:8080" }
    routes.append(try .make("many-passed", "many-passed.example.com", .passthrough, addresses))
    routes.append(
      try .make("plain", "plain.example.com", .passthrough, ["10.1.2.3:443"], http: ["10.1.2.3", "[2001:db8::1]:8080"]))
    routes.append(try .make("true-plain", "plain.1.e4", .passthrough, ["10.1.2.3:443"], http: ["10.1.2.3"]))
    routes.append(
      try .make("many", "many.example.com", .terminated(.own), addresses.map { "http://\($0)" }))
    routes.append(
      try .make("mixed", "mixed.example.com", .terminated(.own), ["http://[2001:db8::1]", "https://10.0.0.1"]))
    routes.append(
      try .make("twice", "twice.example.com", .terminated(.own), ["http://10.0.0.1", "http://10.0.0.1:80"]))
    return routes
  }
}
