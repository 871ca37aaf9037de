public import Records
public import System

/// Traefik's static configuration, `<root>/traefik.yaml`: what it listens on, where it finds the routes and what it tells of itself.
///
/// It has no dashboard and no API, looks for no newer version and reports no usage.
public struct StaticConfiguration: Hashable, Sendable {
  /// Traefik's `log.level`.
  public enum LogLevel: String, Hashable, Sendable, CaseIterable {
    /// Everything.
    case trace = "TRACE"
    /// What a developer of Traefik wants to know.
    case debug = "DEBUG"
    /// What changed.
    case info = "INFO"
    /// What may be wrong.
    case warn = "WARN"
    /// What is wrong.
    case error = "ERROR"
  }

  /// The module's own directory.
  public var root: String
  /// Where plain HTTP comes in, which is sent on to HTTPS.
  public var http: ListenAddress
  /// Where HTTPS and passed-through TLS come in.
  public var https: ListenAddress
  /// Where the Prometheus metrics are. They name every workload: keep it on the loopback.
  public var metrics: ListenAddress
  /// The least that Traefik logs.
  public var logLevel: LogLevel
  /// `nil` for no certificates but Traefik's own self-signed one.
  public var certificates: CertificateResolvers?
  /// What is taken from clients, and how.
  public var clients = Clients()

  /// Where the relay takes clients of tunnels that come by way of Traefik; nil where there are no tunnels.
  public var tunnelDoor: Endpoint?
  /// The node's, where that is known: for ``tunnelEntry``.
  public var domain: Domain?
  /// Whether the node is known to have none.
  public var isWithoutDomain = false

  /// What Traefik takes from clients of its entry points `web` and `web-secure`, and how.
  public struct Clients: Hashable, Sendable {
    /// What becomes of a request's header whose name has other characters than letters, digits and hyphens, `X.Forwarded.For`, which
    /// some backends take for `X-Forwarded-For`: Traefik's `aliasHeadersStrategy`, of 3.7.12 and later.
    public enum AliasHeaders: String, CaseIterable, Hashable, Sendable {
      /// It is handed on, as by every Traefik.
      case keep
      /// The request is handed on without it.
      case delete
      /// The request is refused with status 400.
      case reject
    }

    /// How long one may take for the header of a request, or for the TLS handshake, in seconds, from 1.
    public var headerTimeout = 30
    /// How long a connection without a request is kept, in seconds, from 1.
    public var idleTimeout = 180
    /// The peers whose `X-Forwarded-…` headers are trusted.
    public var trustedProxies: [IPNetwork] = []
    /// Who may begin a connection with PROXY protocol (version 1 or 2), whose word is then taken for the client's address.
    public var proxyProtocolSenders: [IPNetwork] = []
    /// Whether URLs are handed on with the dots, double slashes and semicolons that they came with.
    public var keepsURLs = false
    /// What becomes of headers that some backends take for others.
    public var aliasHeaders = AliasHeaders.keep

    /// The defaults.
    public init() {}
  }

  /// What goes with this configuration so that bodies and streams may take their time; nil where the root's path does not allow
  /// it, and headers then may take theirs too.
  public var longTransfers: LongTransfers? {
    LongTransfers(root: root, entryPoints: [http, https], headerTimeout: clients.headerTimeout)
  }

  /// - Parameters:
  ///   - root: an absolute path without a slash at its end.
  ///   - http: where plain HTTP comes in.
  ///   - https: where HTTPS and passed-through TLS come in.
  ///   - metrics: where the Prometheus metrics are.
  ///   - logLevel: the least that Traefik logs.
  ///   - certificates: how it gets them; `nil` for none.
  public init(
    root: String, http: ListenAddress, https: ListenAddress, metrics: ListenAddress, logLevel: LogLevel = .info,
    certificates: CertificateResolvers? = nil
  ) {
    self.root = root
    self.http = http
    self.https = https
    self.metrics = metrics
    self.logLevel = logLevel
    self.certificates = certificates
  }

  /// The file's bytes. Equal configurations have equal bytes.
  public func encoded() -> [UInt8] {
    YAMLWriter.document { yaml in
      yaml.mapping("entryPoints") { encodeEntryPoints(to: yaml) }
      yaml.mapping("providers") {
        yaml.mapping("file") {
          yaml.field("directory", "\(root)/proxy")
          yaml.field("watch", true)
        }
        // How long it waits after a change before it takes in the next. Its own 2 s make the second of two routes late,
        // and save little: reading the files again, which is most of the work, is not throttled.
        yaml.field("providersThrottleDuration", "250ms")
      }
      if let certificates {
        yaml.mapping("certificatesResolvers") { certificates.encode(root: root, to: yaml) }
      }
      yaml.mapping("metrics") { yaml.mapping("prometheus") { encodePrometheus(to: yaml) } }
      yaml.mapping("log") { yaml.field("level", logLevel.rawValue) }
      yaml.mapping("global") {
        yaml.field("checkNewVersion", false)
        yaml.field("sendAnonymousUsage", false)
      }
      if let longTransfers {
        yaml.mapping("experimental") {
          yaml.mapping("localPlugins") {
            yaml.mapping(LongTransfers.plugin) { yaml.field("moduleName", longTransfers.module) }
          }
        }
      }
    }
  }

  enum EntryPoint {
    static let web = "web"
    static let webSecure = "web-secure"
    static let metrics = "metrics"
  }

  private func encodeEntryPoints(to yaml: YAMLWriter) {
    yaml.mapping(EntryPoint.web) {
      yaml.field("address", http.description)
      // Challenges of domains whose TLS is passed through are their backends' own, as the routes' files say.
      yaml.field("allowACMEByPass", true)
      encodeClients(to: yaml) {
        yaml.mapping("redirections") {
          yaml.mapping("entryPoint") {
            // By its name, so that the port is the one it listens on.
            yaml.field("to", EntryPoint.webSecure)
            yaml.field("scheme", "https")
            yaml.field("permanent", true)
            // Its own would be above that of any route, also of one that has a backend for plain HTTP.
            yaml.field("priority", 1)
          }
        }
      }
    }
    yaml.mapping(EntryPoint.webSecure) {
      yaml.field("address", https.description)
      // Routes name no entry point. Without this Traefik builds each of them for every one, which costs it half its time.
      yaml.field("asDefault", true)
      encodeClients(to: yaml)
    }
    yaml.mapping(EntryPoint.metrics) { yaml.field("address", metrics.description) }
  }

  /// - Parameter more: what else is in the entry point's `http`.
  private func encodeClients(to yaml: YAMLWriter, _ more: (() -> Void)? = nil) {
    if more != nil || clients.keepsURLs || clients.aliasHeaders != .keep {
      yaml.mapping("http") {
        more?()
        if clients.keepsURLs {
          yaml.field("sanitizePath", false)
          yaml.field("encodeQuerySemicolons", true)
        }
        // Older ones know no such field, and do not start with it.
        if clients.aliasHeaders != .keep { yaml.field("aliasHeadersStrategy", clients.aliasHeaders.rawValue) }
      }
    }
    encode(clients.trustedProxies, as: "forwardedHeaders", to: yaml)
    encode(clients.proxyProtocolSenders, as: "proxyProtocol", to: yaml)
    yaml.mapping("transport") {
      yaml.mapping("respondingTimeouts") {
        // For the first bytes of a connection; see LongTransfers for what comes behind them.
        yaml.field("readTimeout", longTransfers == nil ? "0s" : "\(clients.headerTimeout)s")
        yaml.field("idleTimeout", "\(clients.idleTimeout)s")
      }
    }
  }

  private func encode(_ networks: [IPNetwork], as name: String, to yaml: YAMLWriter) {
    guard !networks.isEmpty else { return }
    yaml.mapping(name) {
      yaml.sequence("trustedIPs") { for network in networks { yaml.text(network.description) } }
    }
  }

  /// The byte counters are a service's; all else is kept as small as it can be, as every workload adds to it.
  private func encodePrometheus(to yaml: YAMLWriter) {
    yaml.field("entryPoint", EntryPoint.metrics)
    yaml.field("addServicesLabels", true)
    yaml.field("addEntryPointsLabels", false)
    yaml.field("addRoutersLabels", false)
    // Of the request durations, in seconds: one instead of four series for each service, code and method.
    yaml.sequence("buckets") { yaml.text("1") }
  }
}
