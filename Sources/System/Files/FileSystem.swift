import CLinux
import Glibc

/// Whole-file operations over system calls, each of which either succeeds or says what failed.
package enum FileSystem {
  /// Makes a directory and all above it, and syncs their names; one that is there is fine.
  ///
  /// - Parameter path: absolute.
  package static func makeDirectory(_ path: String, mode: UInt32) throws(FileError) {
    let parent = parent(of: path)
    if mkdir(path, mode) != 0 {
      if errno == EEXIST { return }
      guard errno == ENOENT, parent != "/" else { throw FileError(path, "mkdir") }
      try makeDirectory(parent, mode: 0o755)
      guard mkdir(path, mode) == 0 || errno == EEXIST else { throw FileError(path, "mkdir") }
    }
    try syncDirectory(parent)
  }

  /// A name in a directory.
  package struct DirectoryEntry: Sendable {
    package let name: String
    package let isDirectory: Bool
  }

  /// The names in a directory, without `.` and `..`.
  package static func names(in directory: String) throws(FileError) -> [String] {
    try entries(in: directory).map(\.name)
  }

  /// What is in a directory, without `.` and `..`.
  package static func entries(in directory: String) throws(FileError) -> [DirectoryEntry] {
    guard let stream = opendir(directory) else { throw FileError(directory, "opendir") }
    defer { closedir(stream) }
    var entries: [DirectoryEntry] = []
    errno = 0
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(entry.pointee.d_reclen)) { String(cString: $0) }
      }
      if name != ".", name != ".." {
        entries.append(DirectoryEntry(name: name, isDirectory: isDirectory(entry, "\(directory)/\(name)")))
      }
      errno = 0
    }
    guard errno == 0 else { throw FileError(directory, "readdir") }
    return entries
  }

  private static func isDirectory(_ entry: UnsafeMutablePointer<dirent>, _ path: String) -> Bool {
    // Not every file system tells.
    guard Int(entry.pointee.d_type) == DT_UNKNOWN else { return Int(entry.pointee.d_type) == DT_DIR }
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// The content of a regular file and its stamp from before it was read. Does not wait on a named pipe.
  ///
  /// - Parameter limit: the most bytes the file may have; a larger one fails with `EFBIG`.
  package static func read(_ path: String, limit: Int) throws(FileError) -> (bytes: [UInt8], stamp: FileStamp) {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw FileError(path, "open") }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw FileError(path, "fstat") }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FileError(path, "read", EISDIR) }
    guard status.st_size <= limit else { throw FileError(path, "read", EFBIG) }
    var code: CInt = 0
    // One byte more than the file had, to see its end.
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(status.st_size) + 1) { buffer, count in
      while count < buffer.count {
        let received = Glibc.read(file, buffer.baseAddress! + count, buffer.count - count)
        if received < 0, errno == EINTR { continue }
        if received < 0 { code = errno }
        guard received > 0 else { break }
        count += received
      }
    }
    guard code == 0 else { throw FileError(path, "read", code) }
    return (bytes, FileStamp(status))
  }

  /// The same without the stamp; nil where no file is.
  package static func content(of path: String, limit: Int) throws(FileError) -> [UInt8]? {
    do throws(FileError) {
      return try read(path, limit: limit).bytes
    } catch {
      guard error.code == ENOENT else { throw error }
      return nil
    }
  }

  /// Writes a new file, or over an old one, and syncs it.
  @discardableResult
  package static func write(_ bytes: [UInt8], to path: String, mode: UInt32) throws(FileError) -> FileStamp {
    try UnsyncedFile.sync([UnsyncedFile(bytes, at: path, mode: mode)])[0].get()
  }

  /// Puts a whole file in the place of an old one, or of none: whenever the power is cut, either this one is there or what was
  /// before.
  ///
  /// - Parameters:
  ///   - staged: where it is written first, on the same file system; nil for a name beside it. Nothing is left there.
  package static func replace(
    _ path: String, with bytes: [UInt8], mode: UInt32, staged: String? = nil
  ) throws(FileError) {
    let staged = staged ?? "\(path).new"
    do throws(FileError) {
      try write(bytes, to: staged, mode: mode)
      try rename(staged, to: path, replacing: true)
    } catch {
      unlink(staged)
      throw error
    }
    try syncDirectory(parent(of: path))
  }

  /// The directory that a file is in, of an absolute path.
  package static func parent(of path: String) -> String {
    path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
  }

  /// What stands under a path; a symbolic link is not followed.
  package static func status(_ path: String) throws(FileError) -> FileStatus {
    var status = stat()
    guard lstat(path, &status) == 0 else { throw FileError(path, "lstat") }
    return FileStatus(status)
  }

  /// The same; nil where nothing stands.
  package static func find(_ path: String) throws(FileError) -> FileStatus? {
    do throws(FileError) {
      return try status(path)
    } catch {
      guard error.code == ENOENT else { throw error }
      return nil
    }
  }

  /// Makes an empty file; one that is there is fine, whatever it holds.
  package static func create(_ path: String, mode: UInt32) throws(FileError) {
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard file >= 0 || errno == EEXIST else { throw FileError(path, "open") }
    if file >= 0 { close(file) }
  }

  /// Sets who may do what with a file or a directory. One that has that mode is not touched.
  package static func setMode(_ mode: UInt32, of path: String) throws(FileError) {
    var status = stat()
    if stat(path, &status) == 0, UInt32(status.st_mode) & 0o7777 == mode { return }
    guard chmod(path, mode) == 0 else { throw FileError(path, "chmod") }
  }

  /// Gives a file another name, in one step.
  ///
  /// - Parameter replacing: whether a file of that name may be there; otherwise it fails with `EEXIST`.
  package static func rename(_ source: String, to target: String, replacing: Bool) throws(FileError) {
    let result = replacing ? Glibc.rename(source, target) : clinux_rename_noreplace(source, target)
    guard result == 0 else { throw FileError(target, "rename") }
  }

  /// Gives each of two files the other's name, in one step. Not every file system can: `EINVAL`.
  package static func exchange(_ one: String, with other: String) throws(FileError) {
    guard clinux_rename_exchange(one, other) == 0 else { throw FileError(other, "rename") }
  }

  /// Removes a file; one that is not there is fine.
  package static func remove(_ path: String) throws(FileError) {
    guard unlink(path) == 0 || errno == ENOENT else { throw FileError(path, "unlink") }
  }

  /// Makes the names in a directory durable.
  package static func syncDirectory(_ path: String) throws(FileError) {
    let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw FileError(path, "open") }
    defer { close(directory) }
    guard fsync(directory) == 0 else { throw FileError(path, "fsync") }
  }

  /// Makes sure that this process may put files into a directory and take them away.
  package static func checkAccess(_ directory: String) throws(FileError) {
    guard faccessat(AT_FDCWD, directory, R_OK | W_OK | X_OK, AT_EACCESS) == 0 else {
      throw FileError(directory, "faccessat")
    }
  }
}
