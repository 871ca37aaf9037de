import Foundation
import TestSupport
import Testing

/// A backend that has its own TLS gets its certificate itself, by HTTP-01, through Traefik; while Traefik gets those of others.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CertificatePassthroughTests {
  private static let domain = "bank.example.org"

  /// Has lego, at the backend, get a certificate, and Traefik another one.
  private func getCertificates(_ node: CertificateNode, _ flags: [String]) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let lego = try await Command.run(
        Repository.program("lego"),
        [
          "--server", node.pebble.directoryURL, "--accept-tos", "--email", "bank@example.org", "--path", directory.path,
          "--domains", Self.domain, "--http",
        ] + flags + ["run"], environment: node.pebble.environment, within: .seconds(60))
      try #require(lego.status == .code(0), "\(lego.standardError)")
      let file = directory.file("certificates/\(Self.domain).crt")
      try await Command.succeed("openssl", ["verify", "-CAfile", node.pebble.root, "-untrusted", file, file])
    }
    try await HTTPBackend.withServer("app") { app in
      try await node.gateway.setFQDN("app", "app.example.org", app.url)
      #expect(try await node.fetch("https://app.example.org/").certificateNames == ["app.example.org"])
    }
    #expect(node.pebble.certificates == 2)
  }

  private func publish(_ node: CertificateNode, to backend: HTTPBackend, _ flags: String...) async throws {
    let set = try await Command.run(
      Repository.product("gatewayctl"),
      ["set-fqdn", "bank", Self.domain, "--tls-passthrough", "--backend", backend.endpoint] + flags,
      environment: ["GATEWAY_BROKER": node.gateway.redis.unixURL])
    try #require(set.status == .code(0), "\(set.standardError)")
    let client = node.gateway.client("--https-address")
    try await eventually { try await client.fetch("https://\(Self.domain)/").answer?.name == Self.domain }
  }

  @Test func challengeGoesToTheBackendForPlainHTTP() async throws {
    try await HTTPBackend.withServer(Self.domain, tls: true) { bank in
      try await CertificateNode.withNode(domains: [Self.domain, "app.example.org"]) { node in
        try await node.gateway.withTraefikAsInstalled(environment: node.pebble.environment) { _ in
          let plain = try "127.0.0.1:\(FreePort.next())"
          try await publish(node, to: bank, "--http-backend", plain)
          try await getCertificates(node, ["--http.port", plain])
        }
      }
    }
  }

  @Test func challengeIsRedirectedToTheBackendsTLS() async throws {
    try await TemporaryDirectory.withDirectory { webroot in
      try await HTTPBackend.withServer(Self.domain, tls: true, challenges: webroot.path) { bank in
        try await CertificateNode.withNode(domains: [Self.domain, "app.example.org"]) { node in
          try await node.gateway.withTraefikAsInstalled(environment: node.pebble.environment) { _ in
            try await publish(node, to: bank)
            try await getCertificates(node, ["--http.webroot", webroot.path])
          }
        }
      }
    }
  }
}
