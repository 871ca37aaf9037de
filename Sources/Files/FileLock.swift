import Glibc

/// An exclusive lock on a file (flock(2)), held until this goes away and by every process that inherited its descriptor.
///
/// The kernel gives it up with the last of them, however they end: there is nothing stale to clean up.
package struct FileLock: ~Copyable {
  /// Closed on exec.
  package let descriptor: CInt

  /// Takes the lock; `nil` when somebody else has it. A file that is not there is made, for its owner alone.
  package static func attempt(_ path: String) throws(FileError) -> FileLock? {
    let lock = try FileLock(open: path)
    guard try lock.take(path) else { return nil }
    return lock
  }

  /// Takes the lock as soon as it is free.
  ///
  /// - Throws: when that is not before `deadline` (`EWOULDBLOCK`).
  package static func wait(_ path: String, until deadline: ContinuousClock.Instant) throws(FileError) -> FileLock {
    let lock = try FileLock(open: path)
    while try !lock.take(path) {
      guard .now < deadline else { throw FileError(path, "flock", EWOULDBLOCK) }
      usleep(5000)
    }
    return lock
  }

  private init(open path: String) throws(FileError) {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw FileError(path, "open") }
  }

  deinit {
    close(descriptor)
  }

  private func take(_ path: String) throws(FileError) -> Bool {
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      if errno == EINTR { continue }
      guard errno == EWOULDBLOCK else { throw FileError(path, "flock") }
      return false
    }
    return true
  }
}
