import CLinux
public import Glibc

/// A network namespace with a name, as `ip netns` keeps them: a file in `/var/run/netns`.
public struct NetworkNamespace: Hashable, Sendable, CustomStringConvertible {
  public let name: String

  public var description: String { name }

  private var path: String { "/var/run/netns/\(name)" }

  /// Of the namespace that has the name now; nil when none has. As long as a socket in it is open, no other gets the number.
  package var inode: UInt64? {
    try? FileSystem.status(path).stamp.inode
  }

  /// - Throws: when `name` is no file name of 1 to 255 bytes. Whether the namespace exists is seen when a socket is opened
  ///   in it: it may be made after this value is, and made anew later.
  public init(_ name: String) throws(NetworkNamespaceError) {
    guard (1...255).contains(name.utf8.count), name != ".", name != "..",
      !name.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "/") })
    else { throw NetworkNamespaceError(name: name, reason: .invalidName) }
    self.name = name
  }

  /// Opens a socket inside the namespace, which it stays in whichever thread uses it. The caller closes it.
  ///
  /// Waits for a thread that does nothing else: one that entered a namespace stays there, so it must not be a pool's.
  ///
  /// - Parameters:
  ///   - domain: `AF_INET`, `AF_INET6` or `AF_NETLINK`.
  ///   - type: `SOCK_STREAM`, `SOCK_DGRAM` or `SOCK_RAW`. The socket closes on exec.
  ///   - protocol: of the domain's; 0 for the one that goes with the type.
  public func socket(domain: CInt, type: __socket_type, protocol: CInt = 0) throws(NetworkNamespaceError) -> CInt {
    try run { () throws(SystemError) in try Self.socketHere(domain: domain, type: type, protocol: `protocol`) }
  }

  /// Opens a socket in a namespace, or in the one that the process runs in.
  package static func socket(
    in namespace: NetworkNamespace?, domain: CInt, type: __socket_type, protocol: CInt = 0
  ) throws -> CInt {
    try namespace?.socket(domain: domain, type: type, protocol: `protocol`)
      ?? socketHere(domain: domain, type: type, protocol: `protocol`)
  }

  /// Has the calling thread make its sockets in the namespace from now on: a thread of no pool's.
  package func enter() throws(NetworkNamespaceError) {
    do throws(SystemError) { try Self.enter(path) } catch { throw NetworkNamespaceError(name: name, error) }
  }

  /// Has the calling thread, which must end soon, see the files of `/etc/netns/NAME` that are for looking names up in place of those
  /// of `/etc`, as `ip netns exec` does it.
  package func useNameFiles() throws(NetworkNamespaceError) {
    // What is not there cannot be hidden.
    let files = ["resolv.conf", "hosts"].filter {
      access("/etc/netns/\(name)/\($0)", R_OK) == 0 && access("/etc/\($0)", F_OK) == 0
    }
    guard !files.isEmpty else { return }
    do throws(SystemError) {
      guard clinux_own_mounts() == 0 else { throw SystemError("unshare") }
      for file in files where clinux_mount_over("/etc/netns/\(name)/\(file)", "/etc/\(file)") != 0 {
        throw SystemError("mount")
      }
    } catch {
      throw NetworkNamespaceError(name: name, error)
    }
  }

  private static func enter(_ path: String) throws(SystemError) {
    let namespace = open(path, O_RDONLY | O_CLOEXEC)
    guard namespace >= 0 else { throw SystemError("open") }
    defer { close(namespace) }
    guard clinux_enter_network_namespace(namespace) == 0 else { throw SystemError("setns") }
  }

  /// Runs `body` on a thread of its own inside the namespace, and waits for it.
  package func run<Result: Sendable>(
    _ body: @Sendable @escaping () throws(SystemError) -> Result
  ) throws(NetworkNamespaceError) -> Result {
    let path = path
    // Written by the thread, read after its end: joining orders the two.
    nonisolated(unsafe) var outcome = Swift.Result<Result, SystemError>.failure(SystemError("setns", code: ECANCELED))
    do throws(SystemError) {
      let thread = try POSIXThread {
        outcome = Swift.Result { () throws(SystemError) in
          try Self.enter(path)
          return try body()
        }
      }
      thread.join()
      return try outcome.get()
    } catch {
      throw NetworkNamespaceError(name: name, error)
    }
  }

  /// The same in the namespace that the process runs in.
  package static func socketHere(domain: CInt, type: __socket_type, protocol: CInt = 0) throws(SystemError) -> CInt {
    let descriptor = Glibc.socket(domain, CInt(type.rawValue | SOCK_CLOEXEC.rawValue), `protocol`)
    guard descriptor >= 0 else { throw SystemError("socket") }
    return descriptor
  }
}
