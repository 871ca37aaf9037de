public import Files
import Glibc
public import ProxyConfig

extension StaticConfiguration {
  public enum Installation: Sendable {
    case unchanged
    /// There was none.
    case created
    case replaced
  }

  /// Puts the configuration where Traefik reads it at its start, and the files in which Traefik keeps certificates where
  /// nobody else can read them. What is right already is not touched.
  public func install(in root: GatewayRoot) throws(FileError) -> Installation {
    if certificates != nil {
      try FileSystem.setMode(0o700, of: root.traefik)
      for storage in CertificateResolvers.Storage.allCases {
        let file = "\(root.traefik)/\(storage.rawValue)"
        try FileSystem.create(file, mode: 0o600)
        // Traefik uses none that others may read.
        try FileSystem.setMode(0o600, of: file)
      }
    }
    let bytes = encoded()
    let old = try Self.installed(in: root)
    if old == bytes { return .unchanged }
    let staged = "\(root.staging)/traefik.yaml.new"
    try FileSystem.write(bytes, to: staged, mode: 0o644)
    try FileSystem.rename(staged, to: root.traefikConfiguration, replacing: true)
    try FileSystem.syncDirectory(root.path)
    return old == nil ? .created : .replaced
  }

  /// Whether the file that is there says just this.
  func isInstalled(in root: GatewayRoot) throws(FileError) -> Bool {
    try Self.installed(in: root) == encoded()
  }

  /// Whether there is a file, and it says something else.
  func isReplacing(in root: GatewayRoot) throws(FileError) -> Bool {
    let old = try Self.installed(in: root)
    return old != nil && old != encoded()
  }

  /// What is there; nil when there is no file.
  private static func installed(in root: GatewayRoot) throws(FileError) -> [UInt8]? {
    do throws(FileError) {
      return try FileSystem.read(root.traefikConfiguration, limit: 1 << 20).bytes
    } catch {
      switch error.code {
      case ENOENT: return nil
      // Somebody else's, whatever it says.
      case EFBIG: return []
      default: throw error
      }
    }
  }
}
