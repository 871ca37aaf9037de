import Records
import System

/// What lets the body of a request and a stream take as long as they need, while a request's header may not.
///
/// Traefik 3.7 has one limit for both, `respondingTimeouts.readTimeout`. The Go server below it has two, `ReadTimeout` for the whole
/// request and `ReadHeaderTimeout` (package `net/http`, type `Server`). A local plugin, which Traefik interprets, lifts the first
/// and sets the second. It is on no request's way: Traefik's own health check of a service whose servers are the entry points
/// comes by it, a second after a start and then every second. Where that fails the limit stays at what Traefik's static
/// configuration says, for header and body together, and Traefik's log has `Health check failed` for the service `.gateway`, or
/// `unknown plugin type`.
public struct LongTransfers: Hashable, Sendable {
  /// The host under which the plugin is reached; `invalid` is no domain of anybody's (RFC 2606).
  public static let host = "timeouts.gateway.invalid"
  /// The file of its routers in Traefik's directory, which no workload's file can be.
  public static let fileName = ".gateway.yaml"
  /// What ``fileName`` names its routers, middleware and service; no workload is called so.
  static let name = ".gateway"
  static let plugin = "timeouts"
  /// Where the plugin is, below the root.
  static let folder = "plugins/timeouts"

  /// The module's own directory.
  let root: String
  /// The entry points.
  let entryPoints: [ListenAddress]
  /// In seconds.
  let headerTimeout: Int

  /// Whether the path of a root can be that of a Go package: it has no other characters than letters and digits of ASCII, `/`,
  /// `.`, `_`, `~` and `-`.
  public static func isPossible(in root: String) -> Bool {
    root.utf8.allSatisfy { ASCII.isLetterOrDigit($0) || "/._~-".utf8.contains($0) }
  }

  /// Returns nil where that is not possible.
  init?(root: String, entryPoints: [ListenAddress], headerTimeout: Int) {
    guard Self.isPossible(in: root) else { return nil }
    self.root = root
    self.entryPoints = entryPoints
    self.headerTimeout = headerTimeout
  }

  /// Traefik looks for a local plugin below its working directory, of which nothing is known here: this leads from any up to the
  /// file system's root, and down from there.
  var module: String { String(repeating: "../", count: 32) + root.drop { $0 == "/" } + "/" + Self.folder }

  /// What has to be in the root, by the path there, before Traefik starts.
  public var files: [(path: String, bytes: [UInt8])] {
    [
      ("\(Self.folder)/.traefik.yml", manifest), ("\(Self.folder)/timeouts.go", Array(Self.source.utf8)),
      ("proxy/\(Self.fileName)", routers),
    ]
  }

  private var manifest: [UInt8] {
    YAMLWriter.document { yaml in
      yaml.field("displayName", Self.plugin)
      yaml.field("type", "middleware")
      yaml.field("import", module)
      yaml.field("summary", "Limits the time for a request's header, and not that for its body.")
      yaml.mapping("testData") { yaml.field("headerTimeout", "\(headerTimeout)s") }
    }
  }

  /// It answers by itself. Anybody may ask it, and changes nothing thereby.
  private static let source = """
    // Package timeouts limits the time for a request's header, and not that for its body.
    package timeouts

    import (
    \t"context"
    \t"net/http"
    \t"time"
    )

    // Config is the middleware's.
    type Config struct {
    \tHeaderTimeout string
    }

    // CreateConfig is called by Traefik.
    func CreateConfig() *Config { return &Config{} }

    // New is called by Traefik.
    func New(_ context.Context, _ http.Handler, config *Config, _ string) (http.Handler, error) {
    \tlimit, err := time.ParseDuration(config.HeaderTimeout)
    \tif err != nil {
    \t\treturn nil, err
    \t}
    \treturn http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
    \t\tserver, ok := request.Context().Value(http.ServerContextKey).(*http.Server)
    \t\tif !ok {
    \t\t\tanswer.WriteHeader(http.StatusInternalServerError)
    \t\t\treturn
    \t\t}
    \t\tif server.ReadTimeout != 0 {
    \t\t\tserver.ReadHeaderTimeout = limit
    \t\t\tserver.ReadTimeout = 0
    \t\t}
    \t\tanswer.WriteHeader(http.StatusNoContent)
    \t}), nil
    }

    """

  private var routers: [UInt8] {
    YAMLWriter.document { yaml in
      yaml.mapping("http") {
        yaml.mapping("routers") {
          // An entry point has a server of its own for what comes in TLS.
          encodeRouter("\(Self.name)-plain", to: yaml) {}
          encodeRouter("\(Self.name)-tls", to: yaml) {
            yaml.mapping("tls") { yaml.field("options", Self.name) }
          }
        }
        yaml.mapping("middlewares") {
          yaml.mapping(Self.name) {
            yaml.mapping("plugin") {
              yaml.mapping(Self.plugin) { yaml.field("headerTimeout", "\(headerTimeout)s") }
            }
          }
        }
        yaml.mapping("services") { yaml.mapping(Self.name) { encodeService(to: yaml) } }
        yaml.mapping("serversTransports") {
          yaml.mapping(Self.name) {
            yaml.field("serverName", Self.host)
            yaml.field("insecureSkipVerify", true)
            yaml.field("disableHTTP2", true)
          }
        }
      }
      // Whatever somebody's default options ask of clients, it is not asked here.
      yaml.mapping("tls") {
        yaml.mapping("options") { yaml.mapping(Self.name) { yaml.field("minVersion", "VersionTLS12") } }
      }
    }
  }

  private func encodeRouter(_ name: String, to yaml: YAMLWriter, _ more: () -> Void) {
    yaml.mapping(name) {
      yaml.sequence("entryPoints") {
        yaml.text(StaticConfiguration.EntryPoint.web)
        yaml.text(StaticConfiguration.EntryPoint.webSecure)
      }
      yaml.field("rule", "Host(`\(Self.host)`)")
      yaml.sequence("middlewares") { yaml.text(Self.name) }
      yaml.field("service", Self.name)
      more()
    }
  }

  private func encodeService(to yaml: YAMLWriter) {
    yaml.mapping("loadBalancer") {
      yaml.field("serversTransport", Self.name)
      yaml.sequence("servers") {
        for address in entryPoints.map(Self.reachable) {
          for scheme in ["http", "https"] { yaml.mapping { yaml.field("url", "\(scheme)://\(address)") } }
        }
      }
      yaml.mapping("healthCheck") {
        yaml.field("path", "/")
        yaml.field("hostname", Self.host)
        yaml.field("interval", "1s")
        yaml.field("timeout", "5s")
        yaml.field("followRedirects", false)
        yaml.field("status", "204")
      }
    }
  }

  /// Where a program on the same machine reaches it.
  private static func reachable(_ listening: ListenAddress) -> String {
    guard let address = listening.address, !address.isUnspecified else {
      return listening.address?.isIPv4 == false ? "[::1]:\(listening.port)" : "127.0.0.1:\(listening.port)"
    }
    return "\(Endpoint(address: address, port: listening.port))"
  }
}
