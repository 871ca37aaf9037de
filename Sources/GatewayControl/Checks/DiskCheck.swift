import Glibc
import Records
import System

/// Whether a route could be put on disk: one is written, synced and taken away where the gateway writes them first.
struct DiskCheck {
  private static let name = "disk"
  /// Below it, in bytes and files, somebody has to make room.
  private static let (leastSpace, leastFiles) = (64.0 * 1024 * 1024, UInt(1000))

  let root: GatewayRoot

  func check() -> Check {
    let file = "\(root.staging)/.gatewayctl-check-\(getpid())"
    do throws(FileError) {
      defer { unlink(file) }
      try FileSystem.write(Array("check\n".utf8), to: file, mode: 0o600)
      try FileSystem.syncDirectory(root.staging)
      for directory in [root.staging, root.proxy, root.quarantine] { try FileSystem.checkAccess(directory) }
    } catch {
      let remedy =
        switch error.code {
        case EACCES, EPERM: "run this as root, or as the user of the gateway"
        case ENOENT: "\(Unit.gateway.remedy(.start)), which makes it, or correct --root"
        case ENOSPC, EDQUOT: "make room"
        case EROFS: "mount it writable"
        default: ""
        }
      return .failure(Self.name, "\(error)", remedy)
    }
    var system = statvfs()
    guard statvfs(root.path, &system) == 0 else { return .ok(Self.name, "\(root.path) can be written") }
    let space = Double(system.f_bavail) * Double(system.f_frsize)
    let text = "\(root.path) can be written; \(ByteSize(space)) are free"
    // A file system without a number of files says 0.
    let hasFiles = system.f_files == 0 || system.f_favail >= Self.leastFiles
    if space >= Self.leastSpace, hasFiles { return .ok(Self.name, text) }
    return .warning(Self.name, hasFiles ? text : "\(text), and \(system.f_favail) files", "make room")
  }
}
