import Foundation
import ProxyConfig
import System
import TestSupport
import Testing

/// What the real Traefik makes of our files.
@Suite(.timeLimit(.minutes(5)))
struct TraefikTests {
  @Test(arguments: [[], ["10.0.0.0/8", "2001:db8::1"]])
  func loadsEveryOddRoute(proxies: [String]) async throws {
    let routes = try OddRoutes.all()
    try await Traefik.withServer(for: routes, trusting: proxies.map(IPNetwork.init)) { traefik in
      // Each that passes TLS through has one for plain HTTP and one for requests that went astray.
      let isForwarding = { (route: Route) in route.tls != .passthrough || route.httpBackends != nil }
      let count =
        routes.reduce(0) { $0 + ($1.tls == .passthrough ? 3 : 1) }
        + (proxies.isEmpty ? 0 : routes.count(where: isForwarding))
      let routers = try await eventually {
        try await traefik.routers()
      } until: {
        $0.count >= count
      }
      #expect(routers.count == count)
      for route in routes {
        let router = try #require(routers["\(route.workload)-route@file"], "\(route.workload)")
        #expect(router.status == "enabled", "\(route.workload): \(router.errors)")
        #expect(router.service == route.workload.rawValue)
        #expect(router.kind == (route.tls == .passthrough ? .tcp : .http))
        #expect(router.rule.contains("`\(route.domainName)`"))
        #expect(router.entryPoints == ["web-secure"])
        if !proxies.isEmpty, isForwarding(route) {
          let router = try #require(routers["\(route.workload)-trusted@file"], "\(route.workload)")
          #expect(router.status == "enabled", "\(route.workload): \(router.errors)")
          #expect(router.kind == .http && router.entryPoints == [route.tls == .passthrough ? "web" : "web-secure"])
        }
        guard route.tls == .passthrough else { continue }
        for (name, entryPoint) in [("http", "web"), ("421", "web-secure")] {
          let router = try #require(routers["\(route.workload)-\(name)@file"], "\(route.workload)")
          #expect(router.status == "enabled", "\(route.workload): \(router.errors)")
          #expect(router.kind == .http && router.entryPoints == [entryPoint])
        }
      }
      // It has no certificate resolvers here.
      let errors = traefik.output.split(separator: "\n")
        .filter { $0.contains(" ERR ") && !$0.contains("nonexistent certificate resolver") }
      #expect(errors.isEmpty)
    }
  }

  @Test func servesRedirectsAndCounts() async throws {
    try await HTTPBackend.withServer("plain") { plain in
      try await HTTPBackend.withServer("secure", tls: true) { secure in
        let routes = try [("plain", plain.url), ("secure", secure.url)].map { name, url in
          // The certificate resolver it names is not in the static configuration: Traefik serves its default certificate.
          try Route(
            workload: WorkloadID(name), domain: Domain("\(name).example.com"), tls: .terminated(.own), backends: [url],
            under: .requested(nodeAddresses: [], allowLoopback: true))
        }
        try await Traefik.withServer(for: routes) { traefik in
          try await eventually {
            try await traefik.routers()
          } until: {
            $0.count == 2
          }
          for name in ["plain", "secure"] {
            let response = try await traefik.client("web-secure").fetch("https://\(name).example.com/x")
            #expect(response.status == 200)
            #expect(response.answer?.name == name)

            let redirect = try await traefik.client("web").fetch("http://\(name).example.com/x")
            let port = try #require(try await traefik.entryPoints()["web-secure"]).split(separator: ":").last!
            #expect(redirect.status == 301)
            #expect(redirect.headers["location"] == ["https://\(name).example.com:\(port)/x"])

            let scrape = try await traefik.client("metrics").fetch("http://metrics/metrics").body
            for counter in ["traefik_service_requests_bytes_total", "traefik_service_responses_bytes_total"] {
              #expect(
                scrape.split(separator: "\n").contains {
                  $0.hasPrefix("\(counter){") && $0.contains("service=\"\(name)@file\"")
                })
            }
            #expect(!scrape.contains("traefik_router_"))
            #expect(!scrape.contains("traefik_entrypoint_"))
          }
        }
      }
    }
  }

  @Test("A route in any legal YAML that is read here is one for Traefik too") func loadsEveryForm() async throws {
    let route = try RouteReadingTests.named()
    let forms = RouteReadingTests.forms.flatMap { [$0.1, $0.1.replacing("\n", with: "\r\n"), "\u{feff}" + $0.1] }
    let files = forms.map { Array($0.utf8) } + [RouteReadingTests.utf16(route.encoded())]
    try await withWatchedDirectory { traefik, routes, staging in
      for (index, bytes) in files.enumerated() {
        // Another name for each, so that it is this file that is seen.
        let file = "form-\(index).yaml"
        try put(bytes, staging, "\(routes)/\(file)")
        let routers = try await eventually {
          try await traefik.routers()
        } until: {
          !$0.isEmpty
        }
        let router = try #require(routers["37-1976-site-route@file"])
        #expect(router.status == "enabled")
        #expect(router.rule.lowercased().contains("site.gent01.dev.grid.tf"))
        try FileManager.default.removeItem(atPath: "\(routes)/\(file)")
        try await eventually { try await traefik.routers().isEmpty }
      }
    }
  }

  @Test("What is unreadable here is so for Traefik too") func failsOnEveryUnreadableFile() async throws {
    let files =
      UnreadableFileTests.texts.map { Array($0.0.utf8) }
      + UnreadableFileTests.octets.map { UnreadableFileTests.file($0.bytes) }
      + [Array(UnreadableFileTests.nested(10_001, "[", "]").utf8)]
    try await withWatchedDirectory { traefik, routes, staging in
      for (index, bytes) in files.enumerated() {
        let file = "unreadable-\(index).yaml"
        try put(bytes, staging, "\(routes)/\(file)")
        try await eventually {
          traefik.output
        } until: {
          $0.contains("/\(file): ")
        }
        try FileManager.default.removeItem(atPath: "\(routes)/\(file)")
      }
    }
  }

  /// Runs a Traefik that takes changes in at once, with the directory it watches and one to write in.
  private func withWatchedDirectory(
    _ body: (Traefik, _ routes: String, _ staging: String) async throws -> Void
  ) async throws {
    try await TemporaryDirectory.withDirectory { root in
      let (routes, staging) = try (root.directory("proxy"), root.directory("staging"))
      try await Traefik.withServer(routes: routes) { traefik in try await body(traefik, routes, staging) }
    }
  }

  private func put(_ bytes: [UInt8], _ staging: String, _ path: String) throws {
    try Data(bytes).write(to: URL(filePath: "\(staging)/new"))
    try FileManager.default.moveItem(atPath: "\(staging)/new", toPath: path)
  }
}
