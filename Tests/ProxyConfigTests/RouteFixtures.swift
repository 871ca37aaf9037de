import ProxyConfig

/// Nothing but loopback backends is refused.
let anyPublicAddress = AddressPolicy.requested(nodeAddresses: [])

extension Route {
  /// A route whose content must be valid.
  static func make(
    _ workload: String, _ domain: String, _ tls: TLS, _ backends: [String] = ["http://10.1.2.3:9000"],
    http httpBackends: [String] = []
  ) throws -> Route {
    try Route(
      workload: WorkloadID(workload), domain: Domain(domain), tls: tls, backends: backends, httpBackends: httpBackends,
      under: anyPublicAddress)
  }

  /// The file that the first versions and the Go module before them wrote for it; for a route without backends for plain HTTP,
  /// of which they knew nothing.
  var earlierForm: String {
    func scalar(_ text: some CustomStringConvertible) -> String { "\"\(text)\"" }
    let (section, matcher, server, ending) =
      switch tls {
      case .terminated(.wildcard(let zone)):
        ("http", "Host", "url", "certResolver: dnsresolver\n        domains:\n        - sans: [\(scalar("*.\(zone)"))]")
      case .terminated(.own):
        ("http", "Host", "url", "certResolver: resolver\n        domains:\n        - main: \(scalar(domainName))")
      case .passthrough: ("tcp", "HostSNI", "address", "passthrough: \"true\"")
      }
    let usesTLS = backends.contains { $0.scheme == .https }
    return """
      \(section):
        routers:
          \(scalar("\(workload)-route")):
            rule: \(matcher)(`\(domainName)`)
            service: \(scalar(workload))
            tls:
              \(ending)
        services:
          \(scalar(workload)):
            loadbalancer:
              servers:
      \(backends.map { "        - \(server): \(scalar($0))" }.joined(separator: "\n"))
      \(usesTLS ? "        serversTransport: \(scalar(workload))" : "")
      \(usesTLS ? "  serversTransports: {\(scalar(workload)): {insecureSkipVerify: true}}" : "")

      """
  }
}

extension RouteFile {
  static func read(_ text: String, _ workload: String) -> RouteFile {
    read(Array(text.utf8), workload)
  }

  static func read(_ bytes: [UInt8], _ workload: String) -> RouteFile {
    read(bytes.span, name: "\(workload).yaml")
  }
}
