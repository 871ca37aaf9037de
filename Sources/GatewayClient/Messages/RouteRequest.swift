/// A route that is asked for: the argument of `SetNamedProxy` and of `SetFQDNProxy`, which differ in the name alone.
///
/// On the wire it is a map of `Name` or `FQDN`, `TLSPassthrough`, `Backends`, `HTTPBackends` and `Network`.
public struct RouteRequest: Hashable, Sendable, Codable {
  /// Under which name a workload is to be published.
  public enum Name: Hashable, Sendable {
    /// One DNS label; the node's domain is added.
    case label(String)
    /// A whole domain name that points to the node.
    case fqdn(String)
  }

  /// Under which name.
  public var name: Name
  /// Whether TLS ends at the backends, which then have the certificate.
  public var passesTLSThrough: Bool
  /// Where the workload listens: `http://IP[:PORT]` or `https://IP[:PORT]` each; `IP:PORT` when TLS is passed through.
  public var backends: [String]
  /// Where the domain's plain HTTP goes when TLS is passed through, `IP[:PORT]` each; without any it is redirected to HTTPS.
  public var httpBackends: [String]?
  /// A private network's name; not supported.
  public var network: String?

  /// - Parameters:
  ///   - name: under which name.
  ///   - backends: where the workload listens, at least one.
  ///   - passesTLSThrough: whether TLS ends at the backends.
  ///   - httpBackends: where the domain's plain HTTP goes when TLS is passed through; nil for a redirect to HTTPS.
  ///   - network: a private network's name; not supported.
  public init(
    _ name: Name, backends: [String], passesTLSThrough: Bool = false, httpBackends: [String]? = nil,
    network: String? = nil
  ) {
    self.name = name
    self.passesTLSThrough = passesTLSThrough
    self.backends = backends
    self.httpBackends = httpBackends
    self.network = network
  }

  /// Reads a request of either method.
  ///
  /// - Throws: when a field is of another type than it should be.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    name =
      if let label = try container.decodeIfPresent(String.self, forKey: .name) { .label(label) } else {
        .fqdn(try container.decode(String.self, forKey: .fqdn))
      }
    passesTLSThrough = try container.decode(Bool.self, forKey: .passesTLSThrough)
    backends = try container.decode([String].self, forKey: .backends)
    httpBackends = try container.decodeIfPresent([String].self, forKey: .httpBackends)
    network = try container.decodeIfPresent(String.self, forKey: .network)
  }

  /// Writes the map. Fields that are nil are left out: an older gateway gets none that it does not know.
  ///
  /// - Throws: what the encoder throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch name {
    case .label(let label): try container.encode(label, forKey: .name)
    case .fqdn(let domain): try container.encode(domain, forKey: .fqdn)
    }
    try container.encode(passesTLSThrough, forKey: .passesTLSThrough)
    try container.encode(backends, forKey: .backends)
    try container.encodeIfPresent(httpBackends, forKey: .httpBackends)
    try container.encodeIfPresent(network, forKey: .network)
  }

  private enum CodingKeys: String, CodingKey {
    case name = "Name"
    case fqdn = "FQDN"
    case passesTLSThrough = "TLSPassthrough"
    case backends = "Backends"
    case httpBackends = "HTTPBackends"
    case network = "Network"
  }
}
