import Records
import System

/// What a route's file says besides its domain, certificate and backends. It follows from the route, so that reading only
/// compares: a file that lacks all of it is of an earlier version, one that has some of it otherwise is somebody's own.
///
/// Names are those of the workload with an ending that no other kind of name has, or with a character that no workload has.
extension Route {
  typealias Fields = [(key: YAMLTree.Key, value: YAMLTree)]

  var routerName: String { "\(workload)-route" }

  var serviceName: String { workload.rawValue }

  var trustedRouterName: String { Self.trustedRouterName(of: workload) }

  private var retryName: String { "\(workload)-retry" }
  private var forwardedName: String { "\(workload)-forwarded" }
  private var misdirectedName: String { "\(workload)-421" }
  private var plainRouterName: String { "\(workload)-http" }
  private var redirectingRouterName: String { Self.redirectingRouterName(of: workload) }

  /// Traffic of the workload too; see `ServiceTable`.
  var plainServiceName: String { Self.plainServiceName(of: workload) }

  /// The name of the service for a workload's plain HTTP.
  static func plainServiceName(of workload: WorkloadID) -> String { "\(workload)~http" }

  /// The name of the router for requests whose `Forwarded` header is believed.
  static func trustedRouterName(of workload: WorkloadID) -> String { "\(workload)-trusted" }

  /// The name of the router for what is redirected beside a route without a domain.
  static func redirectingRouterName(of workload: WorkloadID) -> String { "\(workload)-redirect" }

  // MARK: Which requests

  /// Of requests, also those in plain HTTP.
  var plainRule: String { domain.map { "Host(`\($0)`)" } ?? "PathPrefix(`/`)" }

  /// Of connections whose TLS is passed through. Without a domain it does not name `*`: that would come after all that Traefik has
  /// for HTTPS, and so never.
  var passthroughRule: String { domain.map { "HostSNI(`\($0)`)" } ?? Self.passthroughRuleWithoutDomain }

  static let passthroughRuleWithoutDomain = "HostSNIRegexp(`^.*$`)"

  /// Of that rule's router; nil for Traefik's own, which is the rule's length.
  var passthroughPriority: YAMLTree? { domain == nil ? .plain("1") : nil }

  /// Of routers for plain HTTP, the lowest. With a domain they are above Traefik's own for challenges, whose priority is the length
  /// of its rule; without one above the redirection alone, which has 1.
  private var plainPriority: Int { domain == nil ? 2 : 1000 }

  /// What ``plainPriority`` leaves to others.
  private static let redirectingPriority = 4

  // MARK: What clients say of themselves

  /// Whose header `Forwarded` (RFC 7239) reaches a backend. It says what `X-Forwarded-For` and the like do, which alone Traefik takes
  /// away itself.
  enum Believed {
    /// In files of earlier versions.
    case everybody
    /// That of peers with these addresses, of which there may be none.
    case only([IPNetwork])

    /// Those for which there is a router of their own; nil where there is none.
    fileprivate var proxies: [IPNetwork]? {
      if case .only(let proxies) = self, !proxies.isEmpty { proxies } else { nil }
    }
  }

  private static let forwardedRemoval = YAMLTree.mapping([
    (
      .field("headers"),
      .mapping([(.field("customRequestHeaders"), .mapping([(.name("Forwarded"), .text(""))]))])
    )
  ])

  /// Of the router for all; of the one for those who are believed anyhow, with `everybody`. Nil where it has none.
  private func middlewareNames(_ backends: Backends, _ believed: Believed) -> YAMLTree? {
    var names: [YAMLTree] = []
    if case .only = believed { names.append(.text(forwardedName)) }
    if Self.isRetried(backends) { names.append(.text(retryName)) }
    return names.isEmpty ? nil : .sequence(names)
  }

  /// The middlewares that have these names.
  private func middlewareSection(_ backends: Backends, _ believed: Believed) -> Fields {
    var fields: Fields = []
    if case .only = believed { fields.append((.name(forwardedName), Self.forwardedRemoval)) }
    if Self.isRetried(backends) { fields.append((.name(retryName), retry(backends))) }
    return fields
  }

  /// No middleware depends on the peer, but a router can: its rule is longer than that of the router for all, and goes first.
  private func trustedRule(_ proxies: [IPNetwork]) -> String {
    "\(plainRule) && (\(proxies.map { "ClientIP(`\($0)`)" }.joined(separator: " || ")))"
  }

  /// The networks that a trusted router's rule names, whatever else it says.
  ///
  /// - Throws: `InvalidValue` for what is no network.
  static func proxies(in rule: String) throws(InvalidValue) -> [IPNetwork] {
    var proxies: [IPNetwork] = []
    for part in rule.split(separator: "ClientIP(`").dropFirst() {
      proxies.append(try IPNetwork(String(part.prefix { $0 != "`" })))
    }
    return proxies
  }

  // MARK: More than one backend

  /// Of a backend that does not answer, Traefik shall try the next before it gives up.
  private static func isRetried(_ backends: Backends) -> Bool { backends.count > 1 }

  /// How often a backend is tried, on average. Requests take turns at the backends all together, so that one of many at a time
  /// meets the same backend again and again: of two, one of which is down, one in 2¹⁶ requests finds no other.
  private static let attempts = 8

  /// Traefik tries again only while nothing of the request was written to a backend: no request is sent twice by that.
  private func retry(_ backends: Backends) -> YAMLTree {
    .mapping([
      (
        .field("retry"),
        .mapping([
          (.field("attempts"), .plain("\(Self.attempts * backends.count)")),
          // With all of them unreachable, it ends when this is over.
          (.field("timeout"), .text("10s")),
        ])
      )
    ])
  }

  /// How Traefik connects to backends; nil where its own way will do.
  private func transport(_ backends: Backends) -> YAMLTree? {
    let usesTLS = backends.contains { $0.scheme == .https }
    guard usesTLS || Self.isRetried(backends) else { return nil }
    var fields: Fields = []
    // The certificate of a backend that is addressed by its IP names something else, if anything: it cannot be verified.
    if usesTLS { fields.append((.field("insecureSkipVerify"), .plain("true"))) }
    // As Traefik's own transport; those of files keep only two connections for the next requests.
    fields.append((.field("maxIdleConnsPerHost"), .plain("200")))
    if Self.isRetried(backends) {
      fields.append((.field("forwardingTimeouts"), .mapping([(.field("dialTimeout"), .text("750ms"))])))
    }
    return .mapping(fields)
  }

  private func transportSection(_ backends: Backends) -> YAMLTree? {
    transport(backends).map { .mapping([(.name(serviceName), $0)]) }
  }

  // MARK: TLS terminated here

  /// Of the router.
  func middlewareNames(_ believed: Believed) -> YAMLTree? { middlewareNames(backends, believed) }

  /// For requests whose `Forwarded` header is believed; nil where there are none.
  func trustedRouter(_ believed: Believed) -> YAMLTree? {
    guard let proxies = believed.proxies else { return nil }
    var fields: Fields = [
      (.field("rule"), .text(trustedRule(proxies))), (.field("service"), .text(serviceName)),
      // The other one asks for the certificate.
      (.field("tls"), .mapping([])),
    ]
    if let names = middlewareNames(backends, .everybody) { fields.append((.field("middlewares"), names)) }
    return .mapping(fields)
  }

  /// Of the service.
  var transportName: YAMLTree? { transport(backends) == nil ? nil : .text(serviceName) }

  /// The section `middlewares`.
  func middlewares(_ believed: Believed) -> YAMLTree? {
    let section = middlewareSection(backends, believed)
    return section.isEmpty ? nil : .mapping(section)
  }

  /// The section `serversTransports`.
  var transports: YAMLTree? { transportSection(backends) }

  // MARK: TLS passed through

  /// Which backends Traefik can connect to, so that it uses no other; nil for one backend, which is tried in any case.
  var healthCheck: YAMLTree? {
    guard Self.isRetried(backends) else { return nil }
    return .mapping([(.field("interval"), .text("2s")), (.field("timeout"), .text("1s"))])
  }

  /// The section `http` of a route that passes TLS through.
  func httpBesidePassthrough(_ believed: Believed) -> YAMLTree {
    var others: Fields = [(.name(misdirectedName), misdirectedRouter)]
    if !redirected.isEmpty { others.append((.name(redirectingRouterName), redirectingRouter)) }
    var middlewares: Fields = [(.name(misdirectedName), Self.misdirected)]
    guard let httpBackends else {
      let routers: Fields = [(.name(plainRouterName), challengeRouter)] + others
      return .mapping([(.field("routers"), .mapping(routers)), (.field("middlewares"), .mapping(middlewares))])
    }
    let routers = plainRouters(httpBackends, believed) + others
    middlewares += middlewareSection(httpBackends, believed)
    var sections: Fields = [
      (.field("routers"), .mapping(routers)), (.field("services"), plainServices(httpBackends)),
      (.field("middlewares"), .mapping(middlewares)),
    ]
    if let transports = transportSection(httpBackends) { sections.append((.field("serversTransports"), transports)) }
    return .mapping(sections)
  }

  /// Without backends for plain HTTP: challenges, which a backend that gets its own certificate answers over TLS, and which Traefik
  /// otherwise would look for among its own.
  private var challengeRouter: YAMLTree {
    .mapping([
      (.field("entryPoints"), .strings(StaticConfiguration.EntryPoint.web)),
      (.field("rule"), .text("\(plainRule) && PathPrefix(`/.well-known/acme-challenge/`)")),
      (.field("middlewares"), .strings(StaticConfiguration.redirection)), (.field("service"), .text(Self.noService)),
    ])
  }

  /// All plain HTTP, to its own backends.
  private func plainRouters(_ httpBackends: Backends, _ believed: Believed) -> Fields {
    func router(_ rule: String, priority: Int, _ believed: Believed) -> YAMLTree {
      var fields: Fields = [
        (.field("entryPoints"), .strings(StaticConfiguration.EntryPoint.web)), (.field("rule"), .text(rule)),
        (.field("priority"), .plain("\(priority)")),
      ]
      if let names = middlewareNames(httpBackends, believed) { fields.append((.field("middlewares"), names)) }
      fields.append((.field("service"), .text(plainServiceName)))
      return .mapping(fields)
    }
    var routers: Fields = [(.name(plainRouterName), router(plainRule, priority: plainPriority, believed))]
    if let proxies = believed.proxies {
      routers.append((.name(trustedRouterName), router(trustedRule(proxies), priority: plainPriority + 1, .everybody)))
    }
    return routers
  }

  private func plainServices(_ httpBackends: Backends) -> YAMLTree {
    var balancer: Fields = [
      (
        .field("servers"),
        .sequence(httpBackends.map { .mapping([(.field("url"), .text($0.description))]) })
      )
    ]
    if transport(httpBackends) != nil { balancer.append((.field("serversTransport"), .text(serviceName))) }
    return .mapping([(.name(plainServiceName), .mapping([(.field("loadbalancer"), .mapping(balancer))]))])
  }

  /// A request for this domain that came on another one's connection, where HTTP/2 lets a client send it (RFC 9113, section 9.1.1):
  /// 421 has the client open a connection of its own (RFC 9110, section 15.5.20). `HostRegexp`, because for a plain `Host` Traefik
  /// would end the TLS of the domain itself.
  private var misdirectedRouter: YAMLTree {
    var fields: Fields = [
      (.field("rule"), .text(domain.map { "HostRegexp(`^\($0.rawValue.replacing(".", with: "\\."))$`)" } ?? plainRule)),
      (.field("middlewares"), .strings(misdirectedName)), (.field("service"), .text(Self.noService)),
      (.field("tls"), .mapping([])),
    ]
    // Below all that is for somebody.
    if domain == nil { fields.append((.field("priority"), .plain("1"))) }
    return .mapping(fields)
  }

  /// Plain HTTP that a route without a domain would otherwise get.
  private var redirectingRouter: YAMLTree {
    .mapping([
      (.field("entryPoints"), .strings(StaticConfiguration.EntryPoint.web)),
      (.field("rule"), .text(redirected.map { "Host(`\($0)`)" }.joined(separator: " || "))),
      (.field("priority"), .plain("\(Self.redirectingPriority)")),
      (.field("middlewares"), .strings(StaticConfiguration.redirection)), (.field("service"), .text(Self.noService)),
    ])
  }

  /// The domains that such a router's rule names, whatever else it says.
  static func redirected(in rule: String) throws(InvalidValue) -> Set<Domain> {
    var domains: Set<Domain> = []
    for part in rule.split(separator: "Host(`") {
      domains.insert(try Domain(part.prefix { $0 != "`" }))
    }
    return domains
  }

  private static let misdirected = YAMLTree.mapping([
    (
      .field("errors"),
      .mapping([
        (.field("status"), .strings("418")), (.field("statusRewrites"), .mapping([(.name("418"), .plain("421"))])),
        (.field("service"), .text(noService)), (.field("query"), .text("/")),
      ])
    )
  ])

  /// Traefik's service that answers 418.
  private static let noService = "noop@internal"
}

extension StaticConfiguration {
  /// The middleware that Traefik makes of the redirection of `web`.
  static let redirection = "redirect-\(EntryPoint.web)-to-\(EntryPoint.webSecure)@internal"
}
