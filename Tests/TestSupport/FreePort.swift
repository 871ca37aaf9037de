import Foundation
import Synchronization

/// Ports of the loopback for servers that cannot choose one themselves.
public enum FreePort {
  /// Below the range from which Linux takes the ports of outgoing connections, which could otherwise take a port between
  /// the look at it and the start of its server.
  private static let range: Range<UInt16> = 15_000..<32_000
  private static let taken = Mutex<Set<UInt16>>([])
  /// Of which each byte is locked by the process that has the port of that number, until it ends: other test runs on this
  /// machine take none that is only about to be listened on.
  private static let locks = open("/tmp/gateway-module-test-ports", O_RDWR | O_CREAT | O_CLOEXEC, 0o666)

  /// A port that nobody listens on, over TCP or UDP, and that neither this process has been given before nor another test
  /// run that goes on.
  public static func next() throws -> UInt16 {
    try taken.withLock { taken in
      for _ in 0..<10_000 {
        let port = UInt16.random(in: range)
        guard !taken.contains(port), reserve(port) else { continue }
        guard isFree(port, SOCK_STREAM), isFree(port, SOCK_DGRAM) else { continue }
        taken.insert(port)
        return port
      }
      throw FixtureError("no free port in \(range)")
    }
  }

  private static func reserve(_ port: UInt16) -> Bool {
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = off_t(port)
    lock.l_len = 1
    return fcntl(locks, F_SETLK, &lock) == 0
  }

  private static func isFree(_ port: UInt16, _ type: __socket_type) -> Bool {
    let socket = socket(AF_INET, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { return false }
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    return withUnsafeBytes(of: &address) { bytes in
      bind(socket, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count)) == 0
    }
  }
}
