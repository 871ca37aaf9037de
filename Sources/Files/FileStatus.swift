import Glibc

/// What stands under a path.
package struct FileStatus: Hashable, Sendable {
  package enum Kind: Sendable {
    case regular
    case directory
    case pipe
    /// A symbolic link, a socket, a device.
    case other
  }

  package let kind: Kind
  /// Its names.
  package let links: Int
  package let stamp: FileStamp

  init(_ status: stat) {
    kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .regular
      case S_IFDIR: .directory
      case S_IFIFO: .pipe
      default: .other
      }
    links = Int(status.st_nlink)
    stamp = FileStamp(status)
  }
}
