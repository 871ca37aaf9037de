import Records
import System

extension Route {
  /// What stands in a route file besides its values; reading and writing agree on it.
  enum ResolverName {
    static let wildcard = "dnsresolver"
    static let own = "resolver"
  }

  /// The file's bytes. Equal routes have equal bytes.
  ///
  /// - Parameters:
  ///   - proxies: whose `Forwarded` header (RFC 7239) reaches the backends; from other clients it is taken away.
  ///   - isOnHold: whether Traefik is to ask for no certificate for it: then it shows the one that it has, or its own. Where TLS is
  ///     passed through it asks for none in any case.
  public func encoded(trusting proxies: [IPNetwork] = [], onHold isOnHold: Bool = false) -> [UInt8] {
    YAMLWriter.document { yaml in
      switch tls {
      case .terminated(let certificate):
        yaml.mapping("http") { encodeHTTP(certificate, .only(proxies), onHold: isOnHold, to: yaml) }
      case .passthrough:
        yaml.mapping("tcp") { encodeTCP(to: yaml) }
        yaml.field("http", httpBesidePassthrough(.only(proxies)))
        // Traefik takes no notice of what it does not know at the root.
        if let kind { yaml.field("kind", kind.rawValue) }
      }
      let tunnels = tunnels.sorted { $0.key < $1.key }
      if !tunnels.isEmpty {
        yaml.mapping("tunnels") {
          for (workload, endpoint) in tunnels { yaml.field(workload.rawValue, "\(endpoint)") }
        }
      }
    }
  }

  private func encodeHTTP(
    _ certificate: Certificate, _ believed: Believed, onHold isOnHold: Bool, to yaml: YAMLWriter
  ) {
    encodeRouter(
      rule: plainRule, middlewares: middlewareNames(believed), trusted: trustedRouter(believed), to: yaml
    ) {
      switch certificate {
      case .wildcard(let zone):
        if !isOnHold { yaml.field("certResolver", ResolverName.wildcard) }
        yaml.sequence("domains") { yaml.mapping { yaml.sequence("sans") { yaml.text("*.\(zone)") } } }
      case .own:
        if !isOnHold { yaml.field("certResolver", ResolverName.own) }
        yaml.sequence("domains") { yaml.mapping { yaml.field("main", domainName) } }
      }
    }
    encodeService(serverKey: "url", to: yaml) {
      if let transportName { yaml.field("serversTransport", transportName) }
    }
    if let middlewares = middlewares(believed) { yaml.field("middlewares", middlewares) }
    if let transports { yaml.field("serversTransports", transports) }
  }

  private func encodeTCP(to yaml: YAMLWriter) {
    encodeRouter(rule: passthroughRule, priority: passthroughPriority, middlewares: nil, trusted: nil, to: yaml) {
      // A string, as the files of the earlier module have it.
      yaml.field("passthrough", "true")
    }
    encodeService(serverKey: "address", to: yaml) {
      if let healthCheck { yaml.field("healthCheck", healthCheck) }
    }
  }

  private func encodeRouter(
    rule: String, priority: YAMLTree? = nil, middlewares: YAMLTree?, trusted: YAMLTree?, to yaml: YAMLWriter,
    tls: () -> Void
  ) {
    yaml.mapping("routers") {
      yaml.mapping(routerName) {
        yaml.field("rule", rule)
        if let priority { yaml.field("priority", priority) }
        yaml.field("service", serviceName)
        yaml.mapping("tls", tls)
        if let middlewares { yaml.field("middlewares", middlewares) }
      }
      if let trusted { yaml.field(trustedRouterName, trusted) }
    }
  }

  private func encodeService(serverKey: String, to yaml: YAMLWriter, more: () -> Void) {
    yaml.mapping("services") {
      yaml.mapping(serviceName) {
        yaml.mapping("loadbalancer") {
          yaml.sequence("servers") {
            for backend in backends {
              yaml.mapping { yaml.field(serverKey, backend.description) }
            }
          }
          more()
        }
      }
    }
  }
}
