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
      for storage in CertificateResolvers.Storage.allCases {
        try FileSystem.create("\(root.traefik)/\(storage.rawValue)", mode: 0o600)
      }
    }
    let bytes = encoded()
    var old: [UInt8]?
    do throws(FileError) {
      old = try FileSystem.read(root.traefikConfiguration, limit: 1 << 20).bytes
    } catch {
      guard error.code == ENOENT else { throw error }
    }
    if old == bytes { return .unchanged }
    let staged = "\(root.staging)/traefik.yaml.new"
    try FileSystem.write(bytes, to: staged, mode: 0o644)
    try FileSystem.rename(staged, to: root.traefikConfiguration, replacing: true)
    try FileSystem.syncDirectory(root.path)
    return old == nil ? .created : .replaced
  }
}
