/// The module's directory and what is where in it.
public struct GatewayRoot: Sendable {
  /// Where it is unless somebody says otherwise.
  package static let standardPath = "/var/cache/modules/gateway"

  public let path: String

  /// The route files, which Traefik watches.
  public var proxy: String { "\(path)/proxy" }
  /// Files being written: on the same file system, and where Traefik does not look.
  public var staging: String { "\(path)/staging" }
  /// Files that would break Traefik.
  public var quarantine: String { "\(path)/quarantine" }
  /// Traefik's storage of certificates.
  public var traefik: String { "\(path)/traefik" }
  /// The state of the DNS-01 hook.
  public var acme: String { "\(path)/acme" }
  /// What was counted of each workload's traffic.
  public var traffic: String { "\(path)/traffic.msgpack" }
  /// Traefik's static configuration.
  public var traefikConfiguration: String { "\(path)/traefik.yaml" }

  /// - Parameter path: a directory; made when it is not there, with all above it.
  public init(_ path: String) {
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
  }

  /// Makes the directories that are missing.
  public func prepare() throws(FileError) {
    for directory in [proxy, staging, quarantine] { try FileSystem.makeDirectory(directory, mode: 0o755) }
    for directory in [traefik, acme] { try FileSystem.makeDirectory(directory, mode: 0o700) }
  }
}
