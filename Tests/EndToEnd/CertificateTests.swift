import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// Certificates from an ACME server, on the loopback: with Traefik as `zinit/traefik.yaml` starts it, on the static
/// configuration that the gateway wrote.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CertificateTests {
  @Test(.enabled(if: geteuid() == 0, "the challenge is answered on port 53, which only root may listen on"))
  func oneWildcardCertificateIsForAllNames() async throws {
    try await HTTPBackend.withServer("hats") { hats in
      try await CertificateNode.withNode { node in
        try await node.gateway.withTraefikAsInstalled(environment: node.pebble.environment) { _ in
          try await node.gateway.setName("1-shop", "shop", hats.url)
          let shop = try await node.fetch("https://shop.\(zone)/hats")
          #expect(shop.answer == HTTPBackend.Answer(name: "hats", host: "shop.\(zone)", path: "/hats", method: "GET"))
          #expect(shop.certificateNames == ["*.\(zone)"])

          try await node.gateway.setName("2-club", "club", hats.url)
          let club = try await node.fetch("https://club.\(zone)/")
          #expect(club.answer?.host == "club.\(zone)")
          #expect(club.certificateNames == ["*.\(zone)"])
        }
        // Nor does it need another one after a restart, at which Traefik looks for all that is missing.
        try await node.gateway.withTraefikAsInstalled(environment: node.pebble.environment) { _ in
          let club = try await node.fetch("https://club.\(zone)/")
          #expect(club.certificateNames == ["*.\(zone)"])
        }
        #expect(node.pebble.orders == 1)
        #expect(node.pebble.certificates == 1)
      }
    }
  }

  @Test(.enabled(if: geteuid() == 0, "the challenge is answered on port 53, which only root may listen on"))
  func authorityIsNotBotheredBeforeTheResolversSeeTheRecord() async throws {
    try await CertificateNode.withNode(isDelegated: false) { node in
      let environment = node.pebble.environment.merging(["EXEC_PROPAGATION_TIMEOUT": "3"]) { $1 }
      try await node.gateway.withTraefikAsInstalled(environment: environment) { traefik in
        try await node.gateway.setName("1-shop", "shop", "http://127.0.0.1:9")
        let error = try await traefik.line { $0.contains("Unable to obtain ACME certificate") }
        #expect(error.contains("dns01: time limit exceeded: last error: recursive nameservers: NS 127.0.0.1:"))
        // A challenge that failed counts against the node.
        #expect(node.pebble.orders == 1 && !node.pebble.output.contains("validations"))
      }
    }
  }

  @Test func domainGetsItsOwnCertificateOverPlainHTTPWhichIsRedirectedAllTheSame() async throws {
    let domains = ["app.example.org", "blog.example.org"]
    try await HTTPBackend.withServer("app") { app in
      try await CertificateNode.withNode(domains: domains) { node in
        try await node.gateway.withTraefikAsInstalled(environment: node.pebble.environment) { _ in
          for name in domains {
            try await node.gateway.setFQDN(name, name, app.url)
            let response = try await node.fetch("https://\(name)/today")
            #expect(response.answer?.host == name)
            #expect(response.certificateNames == [name])
            let plain = try await node.gateway.client("--http-address").fetch("http://\(name)/today")
            #expect(plain.status == 301)
            #expect(
              plain.headers["location"] == ["https://\(name):\(node.gateway.port("--https-address"))/today"])
          }
          #expect(node.pebble.orders == 2)
        }
      }
    }
  }

  @Test func passedThroughTLSShowsTheCertificateOfTheBackendAndNeedsNoOther() async throws {
    try await HTTPBackend.withServer("bank.example.org", tls: true) { bank in
      try await CertificateNode.withNode(domains: ["app.example.org", "bank.example.org"]) { node in
        try await node.gateway.withTraefikAsInstalled(environment: node.pebble.environment) { _ in
          try await node.gateway.setFQDN("bank", "bank.example.org", bank.endpoint)
          let client = node.gateway.client("--https-address", trust: .authority(file: bank.certificate))
          let response = try await eventually {
            try await client.fetch("https://bank.example.org/vault")
          } until: { _ in
            true
          }
          #expect(response.answer?.path == "/vault")
          #expect(response.certificateSubject == "CN = bank.example.org")

          // What is asked for later has come, and this was all.
          try await node.gateway.setFQDN("app", "app.example.org", bank.url)
          #expect(try await node.fetch("https://app.example.org/").certificateNames == ["app.example.org"])
          #expect(node.pebble.orders == 1)
        }
      }
    }
  }
}
