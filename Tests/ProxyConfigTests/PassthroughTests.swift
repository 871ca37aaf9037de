import ProxyConfig
import TestSupport
import Testing

/// What a domain whose TLS is passed through has besides, in the real Traefik.
@Suite(.timeLimit(.minutes(5)))
struct PassthroughTests {
  private func withBank(
    http httpBackends: [String] = [], to bank: HTTPBackend, isolation: isolated (any Actor)? = #isolation,
    _ body: (Traefik) async throws -> Void
  ) async throws {
    let routes = try [
      Route(
        workload: WorkloadID("bank"), domain: Domain("bank.example.com"), tls: .passthrough, kind: .fqdn,
        backends: [bank.endpoint],
        httpBackends: httpBackends, under: .alreadyAccepted),
      Route(
        workload: WorkloadID("shop"), domain: Domain("shop.example.com"),
        tls: .terminated(.wildcard(of: Domain("example.com"))), backends: ["http://127.0.0.1:9"],
        under: .alreadyAccepted),
    ]
    try await Traefik.withServer(for: routes) { traefik in
      try await eventually { try await traefik.routers().count == 4 }
      try await body(traefik)
    }
  }

  @Test func plainHTTPIsRedirected() async throws {
    try await HTTPBackend.withServer("bank", tls: true) { bank in
      try await withBank(to: bank) { traefik in
        let client = try await traefik.client("web")
        let port = try #require(try await traefik.entryPoints()["web-secure"]).split(separator: ":").last!
        for path in ["/", "/x?y=z", "/.well-known/acme-challenge/token"] {
          let response = try await client.fetch("http://bank.example.com\(path)")
          #expect(response.status == 301)
          #expect(response.headers["location"] == ["https://bank.example.com:\(port)\(path)"])
        }
        // Those of others are looked for by Traefik itself, which has no resolver here.
        let other = try await client.fetch("http://shop.example.com/.well-known/acme-challenge/token")
        #expect(other.status == 404)
      }
    }
  }

  @Test func plainHTTPGoesToItsOwnBackends() async throws {
    try await HTTPBackend.withServer("bank", tls: true) { bank in
      try await HTTPBackend.withServer("plain") { plain in
        try await withBank(http: [plain.endpoint, "127.0.0.1:\(FreePort.next())"], to: bank) { traefik in
          let client = try await traefik.client("web")
          for path in ["/", "/x?y=z", "/.well-known/acme-challenge/token"] {
            for method in ["GET", "POST"] {
              let response = try await client.fetch("http://bank.example.com\(path)", method: method, body: "a body")
              #expect(
                response.answer
                  == HTTPBackend.Answer(name: "plain", host: "bank.example.com", path: path, method: method))
            }
          }
          #expect(try await client.fetch("http://shop.example.com/").status == 301)
          #expect(try await traefik.client("web-secure").fetch("https://bank.example.com/").answer?.name == "bank")
          let scrape = try await traefik.client("metrics").fetch("http://metrics/metrics").body
          #expect(
            scrape.contains {
              $0.isNewline
            }
              && scrape.split(separator: "\n").contains {
                $0.hasPrefix("traefik_service_requests_bytes_total{") && $0.contains("service=\"bank~http@file\"")
              })
        }
      }
    }
  }

  @Test("On another domain's HTTP/2 connection a request for it gets 421, so that the client opens one of its own")
  func misdirectedRequest() async throws {
    try await HTTPBackend.withServer("bank", tls: true) { bank in
      try await withBank(to: bank) { traefik in
        let address = try #require(try await traefik.entryPoints()["web-secure"])
        func fetch(_ url: String, _ arguments: String...) async throws -> String {
          try await Command.succeed(
            Repository.program("curl"),
            [
              "--silent", "--insecure", "--noproxy", "*", "--connect-to", "::\(address)", "--output", "/dev/null",
              "--write-out", "%{http_version} %{http_code}", url,
            ] + arguments)
        }
        for host in ["bank.example.com", "BANK.example.com"] {
          #expect(try await fetch("https://shop.example.com/", "--header", "Host: \(host)") == "2 421")
          #expect(try await fetch("https://shop.example.com/", "--http1.1", "--header", "Host: \(host)") == "1.1 421")
        }
        #expect(try await fetch("https://shop.example.com/", "--header", "Host: nobody.example.com") == "2 404")
        #expect(try await fetch("https://shop.example.com/") == "2 502")
        #expect(try await fetch("https://bank.example.com/") == "1.1 200")
        #expect(try await fetch("https://BANK.example.com/") == "1.1 200")
      }
    }
  }
}
