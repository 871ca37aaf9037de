import Glibc

/// What stands under a path.
package struct FileStatus: Hashable, Sendable {
  package enum FileKind: Sendable {
    case regular
    case directory
    case pipe
    /// A symbolic link, a socket, a device.
    case other
  }

  package let kind: FileKind
  /// Who may do what with it: the lowest nine bits.
  package let mode: UInt32
  /// Its names.
  package let links: Int
  package let stamp: FileStamp
  /// When it was last given its content, name, times or rights, in nanoseconds since the epoch.
  package let changed: Int64

  init(_ status: stat) {
    kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .regular
      case S_IFDIR: .directory
      case S_IFIFO: .pipe
      default: .other
      }
    mode = UInt32(status.st_mode) & 0o777
    links = Int(status.st_nlink)
    stamp = FileStamp(status)
    changed = Int64(status.st_ctim.tv_sec) * 1_000_000_000 + Int64(status.st_ctim.tv_nsec)
  }
}
