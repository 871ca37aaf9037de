public import Records
import System

/// What a workload publishes: a domain, or whatever is for no other route's, and the backends behind it.
///
/// Two routes are equal when they were asked for in the same way and Traefik would do the same for both, however they were written;
/// then there is nothing to write.
public struct Route: Hashable, Sendable {
  /// The certificate that Traefik asks for when TLS ends there.
  public enum Certificate: Hashable, Sendable {
    /// One for every name directly in the node's zone, `*.zone`, by DNS-01.
    case wildcard(of: Domain)
    /// One for the route's own domain, by HTTP-01.
    case own
  }

  /// As what a domain was asked for.
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// A name inside the node's domain.
    case named
    /// A whole domain name that points to the node.
    case fqdn
  }

  /// Where TLS ends, and with whose certificate.
  public enum TLS: Hashable, Sendable {
    /// At Traefik, with this certificate.
    case terminated(Certificate)
    /// At the backends, which have the certificate.
    case passthrough

    /// Where TLS ends.
    public var mode: TLSMode {
      switch self {
      case .terminated: .terminated
      case .passthrough: .passthrough
      }
    }
  }

  /// The workload that has the route.
  public let workload: WorkloadID
  /// What it publishes; nil for whatever is for no other route's domain.
  public let domain: Domain?
  /// Of a route without a domain: those whose plain HTTP does not come to it, since it is redirected to HTTPS. In order.
  public let redirected: [Domain]
  /// As what; nil where TLS is passed through and an earlier version wrote the file, which did not say.
  public let kind: Kind?
  /// Where TLS ends.
  public let tls: TLS
  /// Of the TLS mode that `tls` has.
  public let backends: Backends
  /// Where the domain's plain HTTP goes, all of it, when TLS is passed through. With `nil` it is redirected to HTTPS, as that of
  /// every other domain is.
  public let httpBackends: Backends?

  /// Reads the backends in the form that `tls` asks for, and throws what ``Backends`` throws.
  ///
  /// - Parameters:
  ///   - workload: whose route it is.
  ///   - domain: what it publishes; nil for whatever is for no other route's domain, which only a route can have that passes TLS
  ///     through and has backends for plain HTTP.
  ///   - redirected: without a domain, those whose plain HTTP is redirected.
  ///   - tls: where TLS ends.
  ///   - kind: as what it is asked for; where TLS ends at Traefik the certificate says that.
  ///   - backends: in the form that `tls` asks for.
  ///   - httpBackends: for plain HTTP, `IP[:port]` each; only where TLS is passed through.
  ///   - policy: which addresses they may have.
  ///   - tunnels: which tunnels they may be.
  public init(
    workload: WorkloadID, domain: Domain?, redirecting redirected: Set<Domain> = [], tls: TLS, kind: Kind? = nil,
    backends: some Collection<String>, httpBackends: [String] = [],
    under policy: AddressPolicy, tunnels: Backend.Tunnels = [:]
  ) throws(InvalidValue) {
    guard httpBackends.isEmpty || tls == .passthrough else {
      throw InvalidValue(
        "HTTP backends are for TLS that is passed through: where it ends here, HTTP is redirected to HTTPS")
    }
    guard domain != nil || tls == .passthrough && !httpBackends.isEmpty else {
      throw InvalidValue("without a domain TLS is passed through, and there are HTTP backends")
    }
    self.workload = workload
    self.domain = domain
    self.redirected = domain == nil ? try Self.listed(redirected) : []
    self.tls = tls
    self.kind =
      switch tls {
      case .terminated(.wildcard): .named
      case .terminated(.own): .fqdn
      case .passthrough: kind
      }
    self.backends = try Backends(backends, for: tls.mode, under: policy, tunnels: tunnels)
    self.httpBackends = httpBackends.isEmpty ? nil : try Backends(httpBackends, as: .plain, under: policy, tunnels)
  }

  /// The name that Traefik is to have a certificate for, a wildcard as `*.DOMAIN`; nil where TLS is passed through.
  public var certifiedName: String? {
    switch tls {
    case .terminated(.own): domain?.rawValue
    case .terminated(.wildcard(let zone)): "*.\(zone)"
    case .passthrough: nil
    }
  }

  /// Its domain in text; `*` for whatever is for no other route's.
  public var domainName: String { domain?.rawValue ?? "*" }

  /// Whether its domain is inside a zone.
  public func isInside(_ zone: Domain?) -> Bool {
    guard let domain, let zone else { return false }
    return domain.isInside(zone)
  }

  /// The tunnels among its backends.
  public var tunnels: Backend.Tunnels {
    let all = Array(backends) + (httpBackends.map(Array.init) ?? [])
    return Dictionary(
      all.compactMap { backend in backend.tunnel.map { ($0, backend.endpoint) } },
      uniquingKeysWith: { first, _ in first })
  }

  /// The same route of which is known as what it was asked for.
  public func known(as kind: Kind?) -> Route { Route(self, kind: self.kind ?? kind, redirected: redirected) }

  /// The same route where these domains are redirected; with a domain of its own it is itself.
  ///
  /// - Throws: `InvalidValue` when their names take too much of a file.
  public func redirecting(_ domains: Set<Domain>) throws(InvalidValue) -> Route {
    Route(self, kind: kind, redirected: domain == nil ? try Self.listed(domains) : [])
  }

  /// What fits into a file with all that is written around each name.
  private static func listed(_ domains: Set<Domain>) throws(InvalidValue) -> [Domain] {
    let size = domains.reduce(0) { $0 + $1.rawValue.utf8.count + "Host(``) || ".utf8.count }
    guard size <= RouteFile.maximumSize * 9 / 10 else {
      throw InvalidValue(
        "beside a route without a domain too many others are redirected: their names take \(size >> 20 + 1) MiB")
    }
    return domains.sorted()
  }

  private init(_ route: Route, kind: Kind?, redirected: [Domain]) {
    workload = route.workload
    domain = route.domain
    self.redirected = redirected
    self.kind = kind
    tls = route.tls
    backends = route.backends
    httpBackends = route.httpBackends
  }

  /// The name of the route's file in `<root>/proxy`.
  public var fileName: String { workload.fileName }
}
