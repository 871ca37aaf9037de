import FoundationEssentials
import GatewayClient
import GatewayControl
import GatewayModule
import Testing

@Suite(.timeLimit(.minutes(5)))
struct RouteTableTests {
  private func route(
    _ workload: String, _ domain: String, _ backends: [String] = ["http://10.1.2.3:80"]
  ) throws -> RouteInfo {
    let json = """
      {"Workload": "\(workload)", "Kind": "fqdn", "FQDN": "\(domain)", "TLSPassthrough": false,
       "Backends": [\(backends.map { "\"\($0)\"" }.joined(separator: ","))]}
      """
    return try JSONDecoder().decode(RouteInfo.self, from: Data(json.utf8))
  }

  private static let filters: [(workload: String?, domain: String?, expected: [String])] = [
    (nil, nil, ["1-shop", "2-bank", "2-blog"]), ("2-*", nil, ["2-bank", "2-blog"]), ("2", nil, []),
    ("?-b[al]*", nil, ["2-bank", "2-blog"]), (nil, "*.EXAMPLE.org", ["1-shop", "2-blog"]),
    (nil, "example.org", []), ("2-*", "*.org", ["2-blog"]),
  ]

  @Test(arguments: filters)
  func filter(workload: String?, domain: String?, expected: [String]) throws {
    let routes = try [
      route("1-shop", "shop.example.org"), route("2-bank", "bank.example.com"), route("2-blog", "blog.example.org"),
    ]
    let filter = RouteFilter(workload: workload, domain: domain)
    #expect(routes.filter(filter.matches).map(\.workload) == expected)
  }

  @Test func sortedByWorkload() throws {
    let table = RouteTable(try [route("b", "b.test"), route("a", "a.test")])
    #expect(
      table.text(for: Terminal(isInteractive: false)) == """
        WORKLOAD  KIND  DOMAIN  TLS         BACKENDS
        a         fqdn  a.test  terminated  http://10.1.2.3:80
        b         fqdn  b.test  terminated  http://10.1.2.3:80
        """)
  }

  @Test func plainHTTPIsThereToo() throws {
    let json = """
      {"Workload": "w", "Kind": "fqdn", "FQDN": "w.test", "TLSPassthrough": true, "Backends": ["10.1.2.3:443"],
       "HTTPBackends": ["10.1.2.3:80"]}
      """
    let route = try JSONDecoder().decode(RouteInfo.self, from: Data(json.utf8))
    let line = RouteTable([route]).text(for: Terminal(isInteractive: false)).split(separator: "\n")[1]
    #expect(line == "w         fqdn  w.test  passthrough  10.1.2.3:443 http://10.1.2.3:80")
  }

  @Test func backendsAreShortenedOnATerminalOnly() throws {
    let backends = (1...64).map { "http://10.1.2.\($0):8080" }
    let table = RouteTable([try route("w", "w.test", backends)])
    #expect(table.text(for: Terminal(isInteractive: false)).hasSuffix("terminated  " + backends.joined(separator: " ")))
    let lines = table.text(for: Terminal(isInteractive: true, width: 80)).split(separator: "\n")
    #expect(lines[1] == "w         fqdn  w.test  terminated  http://10.1.2.1:8080 +63 more")
    for width in [40, 66, 90, 100, 200] {
      let line = table.text(for: Terminal(isInteractive: true, width: width)).split(separator: "\n")[1]
      #expect(line.count <= max(width, 66), "\(line)")
    }
    // As many as there is room for: one more would be too long.
    let wide = table.text(for: Terminal(isInteractive: true, width: 100)).split(separator: "\n")[1]
    #expect(wide.hasSuffix("terminated  http://10.1.2.1:8080 http://10.1.2.2:8080 +62 more"))
  }

  @Test func tenThousandRoutes() throws {
    let routes = try (0..<10_000).reversed().map { try route("w-\($0)", "w-\($0).example.org") }
    let lines = RouteTable(routes).text(for: Terminal(isInteractive: true)).split(separator: "\n")
    #expect(lines.count == 10_001 && lines[1].hasPrefix("w-0 "))
  }
}
