public import Files
import Glibc
public import ProxyConfig

extension StaticConfiguration {
  /// Puts the configuration where Traefik reads it at its start; a file that says the same already is not touched.
  ///
  /// - Returns: whether the file changed.
  public func install(in root: GatewayRoot) throws(FileError) -> Bool {
    let bytes = encoded()
    do throws(FileError) {
      if try FileSystem.read(root.traefikConfiguration, limit: 1 << 20).bytes == bytes { return false }
    } catch {
      guard error.code == ENOENT else { throw error }
    }
    let staged = "\(root.staging)/traefik.yaml.new"
    try FileSystem.write(bytes, to: staged, mode: 0o644)
    try FileSystem.rename(staged, to: root.traefikConfiguration, replacing: true)
    try FileSystem.syncDirectory(root.path)
    return true
  }
}
