/// What a route's file says besides its domain, certificate and backends. It follows from the route, so that reading only
/// compares: a file that lacks all of it is of an earlier version, one that has some of it otherwise is somebody's own.
///
/// Names are those of the workload with an ending that no other kind of name has, or with a character that no workload has.
extension Route {
  typealias Fields = [(key: YAMLTree.Key, value: YAMLTree)]

  var routerName: String { "\(workload)-route" }

  var serviceName: String { workload.rawValue }

  private var retryName: String { "\(workload)-retry" }
  private var misdirectedName: String { "\(workload)-421" }
  private var plainRouterName: String { "\(workload)-http" }

  /// Traffic of the workload too; see `ServiceTable`.
  var plainServiceName: String { Self.plainServiceName(of: workload) }

  /// The name of the service for a workload's plain HTTP.
  static func plainServiceName(of workload: WorkloadID) -> String { "\(workload)~http" }

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

  private func retrySection(_ backends: Backends) -> Fields {
    Self.isRetried(backends) ? [(.name(retryName), retry(backends))] : []
  }

  private func transportSection(_ backends: Backends) -> YAMLTree? {
    transport(backends).map { .mapping([(.name(serviceName), $0)]) }
  }

  // MARK: TLS terminated here

  /// Of the router.
  var middlewareNames: YAMLTree? { Self.isRetried(backends) ? .strings(retryName) : nil }

  /// Of the service.
  var transportName: YAMLTree? { transport(backends) == nil ? nil : .text(serviceName) }

  /// The section `middlewares`.
  var middlewares: YAMLTree? { Self.isRetried(backends) ? .mapping(retrySection(backends)) : nil }

  /// The section `serversTransports`.
  var transports: YAMLTree? { transportSection(backends) }

  // MARK: TLS passed through

  /// Which backends Traefik can connect to, so that it uses no other; nil for one backend, which is tried in any case.
  var healthCheck: YAMLTree? {
    guard Self.isRetried(backends) else { return nil }
    return .mapping([(.field("interval"), .text("2s")), (.field("timeout"), .text("1s"))])
  }

  /// The section `http` of a route that passes TLS through.
  var httpBesidePassthrough: YAMLTree {
    let routers: Fields = [(.name(plainRouterName), plainRouter), (.name(misdirectedName), misdirectedRouter)]
    var middlewares: Fields = [(.name(misdirectedName), Self.misdirected)]
    guard let httpBackends else {
      return .mapping([(.field("routers"), .mapping(routers)), (.field("middlewares"), .mapping(middlewares))])
    }
    middlewares += retrySection(httpBackends)
    var sections: Fields = [
      (.field("routers"), .mapping(routers)), (.field("services"), plainServices(httpBackends)),
      (.field("middlewares"), .mapping(middlewares)),
    ]
    if let transports = transportSection(httpBackends) { sections.append((.field("serversTransports"), transports)) }
    return .mapping(sections)
  }

  /// Plain HTTP: all of it to its own backends; or only challenges, which a backend that gets its own certificate answers over TLS,
  /// and which Traefik otherwise would look for among its own.
  private var plainRouter: YAMLTree {
    let onWeb = (YAMLTree.Key.field("entryPoints"), YAMLTree.strings(StaticConfiguration.EntryPoint.web))
    guard let httpBackends else {
      return .mapping([
        onWeb, (.field("rule"), .text("Host(`\(domain)`) && PathPrefix(`/.well-known/acme-challenge/`)")),
        (.field("middlewares"), .strings(StaticConfiguration.redirection)), (.field("service"), .text(Self.noService)),
      ])
    }
    var fields: Fields = [
      onWeb, (.field("rule"), .text("Host(`\(domain)`)")),
      // Above Traefik's own for challenges, whose priority is the length of its rule.
      (.field("priority"), .plain("1000")),
    ]
    if Self.isRetried(httpBackends) { fields.append((.field("middlewares"), .strings(retryName))) }
    fields.append((.field("service"), .text(plainServiceName)))
    return .mapping(fields)
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
    .mapping([
      (.field("rule"), .text("HostRegexp(`^\(domain.rawValue.replacing(".", with: "\\."))$`)")),
      (.field("middlewares"), .strings(misdirectedName)), (.field("service"), .text(Self.noService)),
      (.field("tls"), .mapping([])),
    ])
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
