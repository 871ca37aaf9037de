import Glibc
public import ProxyConfig
public import Records
public import System

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
    // Before the configuration that names them. The routes' directory is for the RouteStore to make, which puts the routes back
    // into it: until then nothing of this is in it either.
    for (path, bytes) in companions {
      let folder = FileSystem.parent(of: "\(root.path)/\(path)")
      if folder != root.proxy {
        try FileSystem.makeDirectory(folder, mode: 0o755)
      } else if (try? FileSystem.status(folder)) == nil {
        continue
      }
      if let bytes {
        _ = try Self.install(bytes, as: path, in: root)
      } else if (try? FileSystem.status("\(root.path)/\(path)")) != nil {
        try FileSystem.remove("\(root.path)/\(path)")
      }
    }
    return try Self.install(encoded(), as: "traefik.yaml", in: root)
  }

  /// - Parameter path: below the root.
  private static func install(
    _ bytes: [UInt8], as path: String, in root: GatewayRoot
  ) throws(FileError) -> Installation {
    let target = "\(root.path)/\(path)"
    let old = try content(of: target)
    if old == bytes { return .unchanged }
    let name = target.split(separator: "/").last ?? ""
    try FileSystem.replace(target, with: bytes, mode: 0o644, staged: "\(root.staging)/\(name).new")
    return old == nil ? .created : .replaced
  }

  /// Whether the file that is there says just this.
  func isInstalled(in root: GatewayRoot) throws(FileError) -> Bool {
    try Self.content(of: root.traefikConfiguration) == encoded()
  }

  /// Whether there is a file, and it says something else.
  func isReplacing(in root: GatewayRoot) throws(FileError) -> Bool {
    let old = try Self.content(of: root.traefikConfiguration)
    return old != nil && old != encoded()
  }

  /// What is there; nil when there is no file.
  private static func content(of path: String) throws(FileError) -> [UInt8]? {
    do throws(FileError) {
      return try FileSystem.content(of: path, limit: 1 << 20)
    } catch {
      guard error.code == EFBIG else { throw error }
      // Somebody else's, whatever it says.
      return []
    }
  }
}
