extension Route {
  /// What stands in a route file besides its values; reading and writing agree on it.
  enum Resolver {
    static let wildcard = "dnsresolver"
    static let own = "resolver"
  }

  var routerName: String { "\(workload)-route" }

  var serviceName: String { workload.rawValue }

  /// The file's bytes. Equal routes have equal bytes.
  public func encoded() -> [UInt8] {
    YAMLWriter.document { yaml in
      switch tls {
      case .terminated(let certificate): yaml.mapping("http") { encodeHTTP(certificate, to: yaml) }
      case .passthrough: yaml.mapping("tcp") { encodeTCP(to: yaml) }
      }
    }
  }

  private func encodeHTTP(_ certificate: Certificate, to yaml: YAMLWriter) {
    encodeRouter(rule: "Host(`\(domain)`)", to: yaml) {
      switch certificate {
      case .wildcard(let zone):
        yaml.field("certResolver", Resolver.wildcard)
        yaml.sequence("domains") { yaml.mapping { yaml.sequence("sans") { yaml.text("*.\(zone)") } } }
      case .own:
        yaml.field("certResolver", Resolver.own)
        yaml.sequence("domains") { yaml.mapping { yaml.field("main", domain.rawValue) } }
      }
    }
    // The certificate of a backend that is addressed by its IP names something else, if anything: it cannot be verified.
    let usesTLS = backends.contains { $0.scheme == .https }
    encodeService(serverKey: "url", serversTransport: usesTLS ? serviceName : nil, to: yaml)
    if usesTLS {
      yaml.mapping("serversTransports") { yaml.mapping(serviceName) { yaml.field("insecureSkipVerify", true) } }
    }
  }

  private func encodeTCP(to yaml: YAMLWriter) {
    encodeRouter(rule: "HostSNI(`\(domain)`)", to: yaml) {
      // A string, as the files of the earlier module have it.
      yaml.field("passthrough", "true")
    }
    encodeService(serverKey: "address", serversTransport: nil, to: yaml)
  }

  private func encodeRouter(rule: String, to yaml: YAMLWriter, tls: () -> Void) {
    yaml.mapping("routers") {
      yaml.mapping(routerName) {
        yaml.field("rule", rule)
        yaml.field("service", serviceName)
        yaml.mapping("tls", tls)
      }
    }
  }

  private func encodeService(serverKey: String, serversTransport: String?, to yaml: YAMLWriter) {
    yaml.mapping("services") {
      yaml.mapping(serviceName) {
        yaml.mapping("loadbalancer") {
          yaml.sequence("servers") {
            for backend in backends {
              yaml.mapping { yaml.field(serverKey, backend.description) }
            }
          }
          if let serversTransport { yaml.field("serversTransport", serversTransport) }
        }
      }
    }
  }
}
