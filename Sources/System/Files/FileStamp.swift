import Glibc

/// Tells a file that was changed or replaced from the one it was, without a look inside.
package struct FileStamp: Hashable, Sendable {
  package let inode: UInt64
  /// In bytes.
  package let size: Int64
  /// When it was last modified, in nanoseconds since the epoch.
  package let modified: Int64

  init(_ status: stat) {
    inode = UInt64(status.st_ino)
    size = Int64(status.st_size)
    modified = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
  }
}
