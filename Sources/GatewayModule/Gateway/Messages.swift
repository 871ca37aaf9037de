import ProxyConfig

/// The argument of `SetNamedProxy`.
public struct NamedProxy: Hashable, Sendable, Codable {
  /// One DNS label; the node's domain is added.
  public var name: String
  public var passesTLSThrough: Bool
  public var backends: [String]
  /// Where the domain's plain HTTP goes when TLS is passed through, `IP[:port]` each; without any it is redirected to HTTPS.
  public var httpBackends: [String]?
  /// A private network's name; not supported.
  public var network: String?

  public init(
    name: String, passesTLSThrough: Bool = false, backends: [String], httpBackends: [String]? = nil,
    network: String? = nil
  ) {
    self.name = name
    self.passesTLSThrough = passesTLSThrough
    self.backends = backends
    self.httpBackends = httpBackends
    self.network = network
  }

  private enum CodingKeys: String, CodingKey {
    case name = "Name"
    case passesTLSThrough = "TLSPassthrough"
    case backends = "Backends"
    case httpBackends = "HTTPBackends"
    case network = "Network"
  }
}

/// The argument of `SetFQDNProxy`.
public struct FQDNProxy: Hashable, Sendable, Codable {
  /// A whole domain name that points to the node.
  public var fqdn: String
  public var passesTLSThrough: Bool
  public var backends: [String]
  /// Where the domain's plain HTTP goes when TLS is passed through, `IP[:port]` each; without any it is redirected to HTTPS.
  public var httpBackends: [String]?
  /// A private network's name; not supported.
  public var network: String?

  public init(
    fqdn: String, passesTLSThrough: Bool = false, backends: [String], httpBackends: [String]? = nil,
    network: String? = nil
  ) {
    self.fqdn = fqdn
    self.passesTLSThrough = passesTLSThrough
    self.backends = backends
    self.httpBackends = httpBackends
    self.network = network
  }

  private enum CodingKeys: String, CodingKey {
    case fqdn = "FQDN"
    case passesTLSThrough = "TLSPassthrough"
    case backends = "Backends"
    case httpBackends = "HTTPBackends"
    case network = "Network"
  }
}

/// The result of `Metrics`: bytes by workload since it was first set. They never go back, and are reported for another
/// hour after it was deleted.
public struct Metrics: Hashable, Sendable, Codable {
  /// Bytes that backends got: bodies of requests where TLS ends at Traefik, all that was sent where it is passed through.
  public var request: [String: Double]
  /// Bytes that backends sent, in the same way.
  public var response: [String: Double]

  /// The same, with nothing for workloads that are not there.
  package func including(_ workloads: [String]) -> Metrics {
    var metrics = self
    for workload in workloads {
      metrics.request[workload, default: 0] += 0
      metrics.response[workload, default: 0] += 0
    }
    return metrics
  }

  package var workloads: Set<String> { Set(request.keys).union(response.keys) }

  private enum CodingKeys: String, CodingKey {
    case request = "Request"
    case response = "Response"
  }

  init(_ totals: [String: ByteCount]) {
    request = totals.mapValues(\.request)
    response = totals.mapValues(\.response)
  }
}

/// One of the results of `Routes`.
public struct RouteInfo: Hashable, Sendable, Codable {
  public enum Kind: String, Hashable, Sendable, Codable {
    /// Set by `SetNamedProxy`: a name inside the node's domain.
    case named
    /// Set by `SetFQDNProxy`.
    case fqdn
  }

  public let workload: String
  public let kind: Kind
  public let fqdn: String
  public let passesTLSThrough: Bool
  public let backends: [String]
  /// For plain HTTP, `IP:port` each.
  public let httpBackends: [String]

  private enum CodingKeys: String, CodingKey {
    case workload = "Workload"
    case kind = "Kind"
    case fqdn = "FQDN"
    case passesTLSThrough = "TLSPassthrough"
    case backends = "Backends"
    case httpBackends = "HTTPBackends"
  }

  /// Also of a gateway that knows of no backends for plain HTTP.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    workload = try container.decode(String.self, forKey: .workload)
    kind = try container.decode(Kind.self, forKey: .kind)
    fqdn = try container.decode(String.self, forKey: .fqdn)
    passesTLSThrough = try container.decode(Bool.self, forKey: .passesTLSThrough)
    backends = try container.decode([String].self, forKey: .backends)
    httpBackends = try container.decodeIfPresent([String].self, forKey: .httpBackends) ?? []
  }

  init(_ route: Route, zone: Domain?) {
    workload = route.workload.rawValue
    fqdn = route.domain.rawValue
    passesTLSThrough = route.tls == .passthrough
    backends = route.backends.map(\.description)
    httpBackends = route.httpBackends?.map(\.endpoint.description) ?? []
    kind =
      switch route.tls {
      case .terminated(.wildcard): .named
      case .terminated(.own): .fqdn
      case .passthrough: zone.map(route.domain.isInside) == true ? .named : .fqdn
      }
  }
}
