import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// The hook as another ACME client runs it: lego, in an earlier version than Traefik's.
@Suite(
  .serialized, .timeLimit(.minutes(5)),
  .enabled(if: geteuid() == 0, "the challenge is answered on port 53, which only root may listen on"))
struct CertificateLegoTests {
  private struct Client {
    let gateway: GatewayProcess
    let pebble: Pebble
    let resolver: String
    let directory: TemporaryDirectory

    /// Gets one certificate for `names` and returns what is in it.
    ///
    /// - Parameter hook: the program for `EXEC_PATH`.
    func certificate(for names: [String], hook: String) async throws -> [String] {
      let place = directory.file("lego-\(names[0].prefix { $0 != "." })")
      try await Command.succeed(
        Repository.program("lego"),
        [
          "--server", pebble.directoryURL, "--accept-tos", "--email", "operator@example.org", "--path", place,
          "--dns", "exec", "--dns.resolvers", resolver, "--dns.disable-cp",
        ] + names.flatMap { ["--domains", $0] } + ["run"],
        environment: pebble.environment.merging([
          "EXEC_PATH": hook, "EXEC_SEQUENCE_INTERVAL": "1", "EXEC_POLLING_INTERVAL": "1",
          "GATEWAY_ROOT": gateway.root.path,
          "LEGO_DISABLE_CNAME_SUPPORT": "true", "PLACE": directory.path,
        ]) { $1 })
      let file = "\(place)/certificates/\(names[0].replacing("*", with: "_")).crt"
      try await Command.succeed("openssl", ["verify", "-CAfile", pebble.root, "-untrusted", file, file])
      let text = try await Command.succeed("openssl", ["x509", "-in", file, "-noout", "-ext", "subjectAltName"])
      return text.matches(of: /DNS:([^, \n]+)/).map { String($0.1) }.sorted()
    }
  }

  private func withClient(_ body: (Client) async throws -> Void) async throws {
    let address = LoopbackAddress.next()
    let resolver = LoopbackAddress.next()
    // One that asks again, as those of an authority do: the node's name server is away for a moment at each change.
    try await Unbound.withServer(at: resolver, .resolver(hints: ["_acme-challenge.\(zone)": address])) { _ in
      let resolver = "\(resolver):53"
      try await Pebble.withServer(resolver: resolver, http: "1") { pebble in
        try await GatewayProcess.withGateway(["--domain", zone, "--public-ip", address]) { gateway in
          try await TemporaryDirectory.withDirectory { directory in
            try await body(Client(gateway: gateway, pebble: pebble, resolver: resolver, directory: directory))
          }
        }
      }
    }
  }

  @Test func domainAndItsWildcardAreInOneOrder() async throws {
    try await withClient { client in
      let names = try await client.certificate(for: [zone, "*.\(zone)"], hook: Repository.product("acme-hook"))
      #expect(names == ["*.\(zone)", zone])
      #expect(client.pebble.orders == 1)
      let left = try client.gateway.files(in: "acme")["challenges"]
      #expect(left?.content.contains("challenge ") == false)
    }
  }

  @Test func twoValuesOfOneNameAreThereAtTheSameTime() async throws {
    try await withClient { client in
      // Lego solves what it may not solve at once one after the other. Here each of two waits for the other.
      let hook = try client.directory.write(
        """
        #!/bin/sh -e
        '\(Repository.product("acme-hook"))' "$@"
        if [ "$1" = cleanup ]; then exit; fi
        mkdir "$PLACE/present-$3"
        until [ "$(ls -d "$PLACE"/present-* | wc -l)" -eq 2 ]; do sleep 0.05; done
        cp "$GATEWAY_ROOT/acme/challenges" "$PLACE/seen-$3"
        mkdir "$PLACE/copied-$3"
        until [ "$(ls -d "$PLACE"/copied-* | wc -l)" -eq 2 ]; do sleep 0.05; done

        """, to: "hook")
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: hook)
      async let domain = client.certificate(for: [zone], hook: hook)
      async let wildcard = client.certificate(for: ["*.\(zone)"], hook: hook)
      let names = try await [domain, wildcard]
      #expect(names == [[zone], ["*.\(zone)"]])

      let seen = try FileManager.default.contentsOfDirectory(atPath: client.directory.path)
        .filter { $0.hasPrefix("seen-") }
        .map { try String(contentsOfFile: client.directory.file($0), encoding: .utf8) }
      #expect(seen.count == 2)
      for records in seen {
        #expect(records.matches(of: /_acme-challenge\.(\S+)/).map { String($0.1) } == [zone, zone])
      }
    }
  }
}
