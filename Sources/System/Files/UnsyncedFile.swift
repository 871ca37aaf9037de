import CLinux
import Glibc

/// A file whose bytes are written, but not known to be on the disk.
package final class UnsyncedFile: Sendable {
  private let path: String
  private let descriptor: CInt

  /// Writes a new file, or over an old one.
  ///
  /// - Parameter modified: when it is to have been modified, in nanoseconds since the epoch, from 0; nil for now.
  package init(_ bytes: [UInt8], at path: String, mode: UInt32, modified: Int64? = nil) throws(FileError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw FileError(path, "open") }
    self.path = path
    self.descriptor = descriptor
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw FileError(path, "write") }
      written += count
    }
    if let modified, modified >= 0 {
      let time = timespec(tv_sec: Int(modified / 1_000_000_000), tv_nsec: Int(modified % 1_000_000_000))
      guard futimens(descriptor, [time, time]) == 0 else { throw FileError(path, "futimens") }
    }
  }

  deinit {
    close(descriptor)
  }

  /// From how many files on the whole file system is synced at once: that then costs less than to sync each, though it
  /// waits for what others have written there, too.
  private static let manyFiles = 8

  /// Waits until files of one file system are on the disk.
  ///
  /// - Returns: for each the stamp that it has from now on, or what failed.
  package static func sync(_ files: [UnsyncedFile]) -> [Result<FileStamp, FileError>] {
    // Where that fails, it does not tell for which file.
    let isSynced = files.count >= manyFiles && clinux_syncfs(files[0].descriptor) == 0
    return files.map { file in
      Result { () throws(FileError) in
        if !isSynced, fsync(file.descriptor) != 0 { throw FileError(file.path, "fsync") }
        var status = stat()
        guard fstat(file.descriptor, &status) == 0 else { throw FileError(file.path, "fstat") }
        return FileStamp(status)
      }
    }
  }
}
