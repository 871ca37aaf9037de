import Glibc

/// An exclusive lock on a file (flock(2)), held until this goes away and by every process that inherited its descriptor.
///
/// The kernel gives it up with the last of them, however they end: there is nothing stale to clean up.
package struct FileLock: ~Copyable {
  /// Closed on exec.
  package let descriptor: CInt

  /// Takes the lock; `nil` when somebody else has it. A file that is not there is made, for its owner alone.
  package static func attempt(_ path: String) throws(FileError) -> FileLock? {
    let lock = try FileLock(open: path, O_RDWR | O_CREAT | O_NOFOLLOW)
    guard try lock.take(path) else { return nil }
    return lock
  }

  /// Takes the lock on a directory that is there; `nil` when somebody else has it.
  package static func attempt(directory path: String) throws(FileError) -> FileLock? {
    let lock = try FileLock(open: path, O_RDONLY | O_DIRECTORY)
    guard try lock.take(path) else { return nil }
    return lock
  }

  /// Takes the lock as soon as it is free.
  ///
  /// - Parameter isCancelled: whether to give up before the deadline.
  /// - Throws: when that is not before `deadline` (`EWOULDBLOCK`), or was given up (`ECANCELED`).
  package static func wait(
    _ path: String, until deadline: ContinuousClock.Instant, isCancelled: () -> Bool = { false }
  ) throws(FileError) -> FileLock {
    let lock = try FileLock(open: path, O_RDWR | O_CREAT | O_NOFOLLOW)
    while try !lock.take(path) {
      guard !isCancelled() else { throw FileError(path, "flock", ECANCELED) }
      guard .now < deadline else { throw FileError(path, "flock", EWOULDBLOCK) }
      usleep(5000)
    }
    return lock
  }

  private init(open path: String, _ flags: CInt) throws(FileError) {
    descriptor = open(path, flags | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileError(path, "open") }
  }

  /// Whether it is on what stands under a path now.
  package func isOn(_ path: String) -> Bool {
    var (held, found) = (stat(), stat())
    return fstat(descriptor, &held) == 0 && stat(path, &found) == 0 && held.st_ino == found.st_ino
      && held.st_dev == found.st_dev
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
