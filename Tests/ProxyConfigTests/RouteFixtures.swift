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

/// A generator of the same numbers each time (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
