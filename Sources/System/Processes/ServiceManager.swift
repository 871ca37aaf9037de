import Glibc

/// Who started this process, if it is one that waits until the service is ready: systemd, for a unit with `Type=notify`.
///
/// After sd_notify(3), "Standalone Implementations".
public enum ServiceManager {
  /// Tells it that the service is ready. Does nothing when `NOTIFY_SOCKET` names no socket to tell it at.
  ///
  /// - Throws: ``FileError`` when there is one and it cannot be told.
  public static func tellReady() throws(FileError) { try tell("READY=1") }

  /// Tells it that the service is alive, to be repeated within ``watchdogInterval``. Does nothing and throws as
  /// ``tellReady()``.
  package static func tellAlive() throws(FileError) { try tell("WATCHDOG=1") }

  /// Within which time it wants to hear that the service is alive, or else starts it anew; nil when it does not.
  ///
  /// After sd_watchdog_enabled(3): `WATCHDOG_USEC`, in microseconds, meant for the process `WATCHDOG_PID` if that is given.
  package static var watchdogInterval: Duration? {
    guard let text = getenv("WATCHDOG_USEC"), let microseconds = Int64(String(cString: text)), microseconds > 0 else {
      return nil
    }
    if let pid = getenv("WATCHDOG_PID"), pid_t(String(cString: pid)) != getpid() { return nil }
    return .microseconds(microseconds)
  }

  private static func tell(_ state: String) throws(FileError) {
    guard let path = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }), !path.isEmpty else { return }
    var bytes = Array(path.utf8)
    // That is how an abstract one is written (unix(7)).
    if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    guard bytes.count <= MemoryLayout.size(ofValue: address.sun_path) else {
      throw FileError(path, "connect", ENAMETOOLONG)
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let length = socklen_t(MemoryLayout.offset(of: \sockaddr_un.sun_path)! + bytes.count)

    let descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw FileError(path, "socket") }
    defer { close(descriptor) }
    let status = withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) }
    }
    guard status == 0 else { throw FileError(path, "connect") }
    let message = Array(state.utf8)
    guard write(descriptor, message, message.count) == message.count else { throw FileError(path, "write") }
  }
}
