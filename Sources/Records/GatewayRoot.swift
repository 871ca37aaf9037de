public import System

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
  /// The zones that were delegated to this gateway.
  public var zones: String { "\(path)/zones" }
  /// The DNS records that workloads have set.
  public var dnsRecords: String { "\(path)/records" }
  /// What was last read of the hashes of zones in Redis.
  public var hashes: String { "\(path)/hashes.msgpack" }
  /// All that is knotd's.
  public var knot: String { "\(path)/knot" }
  /// How far the serials of zones have come.
  public var serials: String { "\(path)/serials" }
  /// The tunnels, which the relay serves.
  public var tunnels: String { "\(path)/tunnels" }
  /// The pipes, which the relay serves.
  public var pipes: String { "\(path)/pipes" }
  /// What was counted of each workload's traffic.
  public var traffic: String { "\(path)/traffic.msgpack" }
  /// Traefik's static configuration.
  public var traefikConfiguration: String { "\(path)/traefik.yaml" }

  /// There while Traefik has not taken in a changed static configuration: who stops or dies before the command that
  /// restarts it has ended leaves that to the next start.
  package var restartDue: String { "\(path)/traefik.restart" }
  /// Who serves the root, for whoever tries to as well.
  package var holder: String { "\(path)/holder" }

  /// - Parameter path: a directory; made when it is not there, with all above it.
  public init(_ path: String) {
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
  }

  /// What the root holds, and who may look into it.
  package var directories: [(path: String, mode: UInt32)] {
    [(proxy, 0o755), (staging, 0o755), (quarantine, 0o755), (traefik, 0o700), (acme, 0o700)]
  }

  /// Where DNS-01 challenges are answered, and for which domain.
  package var challengeZone: String { "\(acme)/zone" }

  /// Makes one of the directories when it is not there, and private when it is not.
  package func preparePrivate(_ directory: String) throws(FileError) {
    try FileSystem.makeDirectory(directory, mode: 0o700)
    try FileSystem.setMode(0o700, of: directory)
  }

  /// Makes the directories that are missing.
  public func prepare() throws(FileError) {
    for (path, mode) in directories { try FileSystem.makeDirectory(path, mode: mode) }
  }
}
