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
      yaml.mapping("http") {
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
    }
    yaml.mapping(EntryPoint.metrics) { yaml.field("address", metrics.description) }
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
