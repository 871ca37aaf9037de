import Glibc
import Synchronization
import System

/// The right to serve a root, which one gateway has at a time: a lock on the directory itself, so that nothing that is
/// removed from it can give it to a second one. The kernel gives it up when the process ends, however that ends.
public final class RootLock: Sendable {
  /// Another gateway serves the root.
  public struct RootTaken: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
  }

  private let root: GatewayRoot
  private let broker: String
  private let lock: Mutex<FileLock>

  /// Takes the lock, and makes the root when it is not there. Nothing is written into a root that another one serves.
  ///
  /// - Parameter broker: where this gateway serves, without a password; told to whoever comes second.
  /// - Throws: ``RootTaken``, or ``FileError`` when the root cannot be made or opened.
  public init(_ root: GatewayRoot, broker: String) throws {
    self.root = root
    self.broker = broker
    try FileSystem.makeDirectory(root.path, mode: 0o755)
    lock = Mutex(try Self.take(root))
    note()
  }

  /// Takes the lock anew where another directory has come into the place of the one that is held.
  package func renew() throws {
    let isRenewed = try lock.withLock { lock in
      if lock.isOn(root.path) { return false }
      lock = try Self.take(root)
      return true
    }
    if isRenewed { note() }
  }

  private static func take(_ root: GatewayRoot) throws -> FileLock {
    guard let lock = try FileLock.attempt(directory: root.path) else {
      let holder = holder(of: root).map { ": \($0)" } ?? ""
      throw RootTaken(description: "\(root.path) is already served by another gateway\(holder)")
    }
    return lock
  }

  /// What is not written, on a disk that is full, is missing in an error's text only.
  private func note() {
    _ = try? FileSystem.write(Array("pid \(getpid()), broker \(broker)\n".utf8), to: root.holder, mode: 0o644)
  }

  /// What the holder wrote of itself; nil when that was another one before.
  private static func holder(of root: GatewayRoot) -> String? {
    guard let bytes = try? FileSystem.read(root.holder, limit: 4096).bytes else { return nil }
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.hasPrefix("pid "), text.hasSuffix("\n"), let pid = pid_t(text.dropFirst(4).prefix { $0 != "," }),
      pid > 0,
      kill(pid, 0) == 0 || errno == EPERM
    else { return nil }
    return String(text.dropLast())
  }
}
