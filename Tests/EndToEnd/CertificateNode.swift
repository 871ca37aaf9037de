import Foundation
import TestSupport

/// A gateway that knows an ACME server, on a node that domains lead to.
struct CertificateNode {
  let gateway: GatewayProcess
  let pebble: Pebble

  /// Runs `body` with a node that `domains` and the gateway's own domain lead to.
  ///
  /// - Parameters:
  ///   - isDelegated: whether the challenge's name leads to the node too.
  ///   - validity: how long certificates live, in seconds; five years when nil.
  ///   - more: flags of the gateway.
  static func withNode(
    domains: [String] = [], isDelegated: Bool = true, validity: Int? = nil, adding more: [String] = [],
    isolation: isolated (any Actor)? = #isolation,
    _ body: (CertificateNode) async throws -> Void
  ) async throws {
    let zone = GatewayProcess.zone
    let address = LoopbackAddress.next()
    let records = domains.map { Dnsmasq.Record.address($0, address) }
    let delegation = isDelegated ? [Dnsmasq.Record.delegated("_acme-challenge.\(zone)", to: address)] : []
    try await Dnsmasq.withServer(records + delegation) { resolver in
      let http = try FreePort.next()
      try await Pebble.withServer(resolver: resolver.address, http: "\(http)", validity: validity ?? 157_766_400) {
        pebble in
        let https = try FreePort.next()
        let flags =
          [
            "--domain", zone, "--public-ip", address, "--resolver", resolver.address, "--allow-loopback-backends",
            "--http-address", "\(address):\(http)", "--https-address", "\(address):\(https)", "--acme-email",
            "operator@example.org",
            "--acme-ca", pebble.directoryURL, "--acme-resolver", resolver.address, "--acme-propagation", "resolvers",
          ] + more
        try await GatewayProcess.withGateway(flags) { gateway in
          try await body(CertificateNode(gateway: gateway, pebble: pebble))
        }
      }
    }
  }

  /// Fetches a URL over HTTPS as soon as it is there with a certificate from the authority.
  func fetch(_ url: String) async throws -> HTTPClient.Response {
    let client = gateway.client("--https-address", trust: .authority(file: pebble.root))
    return try await eventually {
      try await client.fetch(url)
    } until: {
      $0.status == 200
    }
  }
}
