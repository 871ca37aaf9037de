import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// The whole way as in production: a node on a network of its own, with the ports and the DNS it has there.
@Suite(.timeLimit(.minutes(5)))
struct CertificateDelegationTests {
  /// What the parent of the node's zone says of it, and of what else there is.
  private static let records = [
    "@ NS ns",
    "ns A \(Uplink.nameServer)",
    "acme A \(Uplink.authority)",
    "app A \(Uplink.address)",
    "gent01 A \(Uplink.address)",
    "*.gent01 CNAME gent01",
    "_acme-challenge.gent01 NS gent01",
  ]

  private static let flags = [
    "--domain", zone, "--public-ip", Uplink.address, "--resolver", Uplink.resolver,
    "--http-address", "\(Uplink.address):80", "--https-address", "\(Uplink.address):443",
    "--allow-loopback-backends", "--acme-email", "operator@example.test", "--acme-resolver", "\(Uplink.resolver):53",
    "--acme-propagation", "all",
  ]

  @Test(.enabled(if: TemporaryNetworkNamespace.isPermitted, "network namespaces take root"))
  func delegatedChallengeIsAnsweredByTheNodeForAsLongAsItIsPending() async throws {
    try await Uplink.withUplink { uplink in
      try await TemporaryNetworkNamespace.inside(uplink.world) {
        try await Unbound.withServer(at: Uplink.nameServer, .authority(zone: "example.test", records: Self.records)) {
          _ in
          try await Unbound.withServer(at: Uplink.resolver, .resolver(hints: ["example.test": Uplink.nameServer])) {
            resolver in
            try await Pebble.withServer(
              at: Uplink.authority, named: "acme.example.test", port: 443, resolver: "\(Uplink.resolver):53", http: "80"
            ) { pebble in
              try await TemporaryNetworkNamespace.inside(uplink.node) {
                try await fetchSites(uplink, resolver, pebble)
              }
            }
          }
        }
      }
    }
  }

  private func fetchSites(_ uplink: Uplink, _ resolver: Unbound, _ pebble: Pebble) async throws {
    try await HTTPBackend.withServer("hats") { hats in
      try await GatewayProcess.withGateway(Self.flags + ["--acme-ca", pebble.directoryURL]) { gateway in
        try await gateway.withTraefikAsInstalled(environment: pebble.environment) { traefik in
          try await expectSilence(of: uplink)

          try await gateway.setName("1-shop", "shop", hats.url)
          try await gateway.setFQDN("2-app", "app.example.test", hats.url)
          for (site, name) in [("shop.\(zone)", "*.\(zone)"), ("app.example.test", "app.example.test")] {
            // As anybody's browser does: by name, at port 443.
            let response = try await TemporaryNetworkNamespace.inside(uplink.world) {
              let client = HTTPClient(connectingTo: "\(Uplink.address):443", trust: .authority(file: pebble.root))
              return try await eventually {
                try await client.fetch("https://\(site)/")
              } until: {
                $0.status == 200
              }
            }
            #expect(response.answer?.host == site)
            #expect(response.certificateNames == [name])
          }
          #expect(resolver.output.contains(" _acme-challenge.\(zone). TXT IN NOERROR "))
          #expect(!resolver.output.contains(" _acme-challenge.\(zone). TXT IN SERVFAIL "))
          #expect(pebble.orders == 2, "each at the first attempt:\n\(traefik.lastWords)")

          try await expectSilence(of: uplink)
        }
      }
    }
  }

  /// Nobody answers the world on the node's port 53.
  private func expectSilence(of uplink: Uplink) async throws {
    try await TemporaryNetworkNamespace.inside(uplink.world) {
      for transport in ["+notcp", "+tcp"] {
        let answer = try await Command.run(
          "dig", ["@\(Uplink.address)", "+tries=1", "+time=1", transport, "_acme-challenge.\(zone)", "TXT"])
        #expect(answer.status == .code(9), "dig's status for no reply:\n\(answer.standardOutput)")
      }
    }
  }
}
