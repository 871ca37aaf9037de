import Foundation

/// Where a service manager is told that a service is ready, as systemd has one (sd_notify(3)).
public final class NotifySocket: Sendable {
  /// What `NOTIFY_SOCKET` says.
  public let address: String
  private let descriptor: CInt

  /// - Parameter address: a path, or `@` and a name for an abstract socket.
  public init(_ address: String) throws {
    self.address = address
    descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var target = sockaddr_un()
    target.sun_family = sa_family_t(AF_UNIX)
    let bytes = address.utf8.map { $0 == UInt8(ascii: "@") ? 0 : $0 }
    withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: bytes) }
    let length = socklen_t(MemoryLayout.offset(of: \sockaddr_un.sun_path)! + bytes.count)
    let bound = withUnsafePointer(to: target) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
    }
    guard descriptor >= 0, bound == 0 else {
      throw FixtureError("cannot listen at \(address): \(String(cString: strerror(errno)))")
    }
  }

  deinit {
    close(descriptor)
  }

  /// The next message, if there is one by now.
  public var message: String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &buffer, buffer.count, CInt(MSG_DONTWAIT))
    return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
  }
}
