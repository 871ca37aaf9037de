/// A route as the gateway has it: one of the results of `Routes`.
public struct RouteInfo: Hashable, Sendable, Codable {
  /// By which method a route was set.
  public enum Kind: String, Hashable, Sendable, Codable {
    /// By `SetNamedProxy`: a name inside the node's domain.
    case named
    /// By `SetFQDNProxy`.
    case fqdn
  }

  /// The workload that set it.
  public let workload: String
  /// By which method.
  public let kind: Kind
  /// The whole domain name; `*` for what is for no other route's.
  public let fqdn: String
  /// Whether TLS ends at the backends.
  public let passesTLSThrough: Bool
  /// As they were set: `http://IP:PORT`, `https://IP:PORT`, or `IP:PORT` when TLS is passed through.
  public let backends: [String]
  /// For plain HTTP, `IP:PORT` each.
  public let httpBackends: [String]

  /// - Parameters:
  ///   - workload: the workload that set it.
  ///   - kind: by which method.
  ///   - fqdn: the whole domain name.
  ///   - passesTLSThrough: whether TLS ends at the backends.
  ///   - backends: where the workload listens.
  ///   - httpBackends: where plain HTTP goes when TLS is passed through.
  public init(
    workload: String, kind: Kind, fqdn: String, passesTLSThrough: Bool = false, backends: [String],
    httpBackends: [String] = []
  ) {
    self.workload = workload
    self.kind = kind
    self.fqdn = fqdn
    self.passesTLSThrough = passesTLSThrough
    self.backends = backends
    self.httpBackends = httpBackends
  }

  /// Reads one, also of a gateway that knows of no backends for plain HTTP.
  ///
  /// - Throws: when a field is of another type than it should be.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    workload = try container.decode(String.self, forKey: .workload)
    kind = try container.decode(Kind.self, forKey: .kind)
    fqdn = try container.decode(String.self, forKey: .fqdn)
    passesTLSThrough = try container.decode(Bool.self, forKey: .passesTLSThrough)
    backends = try container.decode([String].self, forKey: .backends)
    httpBackends = try container.decodeIfPresent([String].self, forKey: .httpBackends) ?? []
  }

  private enum CodingKeys: String, CodingKey {
    case workload = "Workload"
    case kind = "Kind"
    case fqdn = "FQDN"
    case passesTLSThrough = "TLSPassthrough"
    case backends = "Backends"
    case httpBackends = "HTTPBackends"
  }
}
