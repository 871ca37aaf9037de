import ProxyConfig

/// Nothing but loopback backends is refused.
let anyPublicAddress = AddressPolicy.requested(nodeAddresses: [])

extension Route {
  /// A route whose content must be valid.
  static func make(
    _ workload: String, _ domain: String, _ tls: TLS, _ backends: [String] = ["http://10.1.2.3:9000"]
  ) throws -> Route {
    try Route(
      workload: WorkloadID(workload), domain: Domain(domain), tls: tls, backends: backends, under: anyPublicAddress)
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
