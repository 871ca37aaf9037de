package import Glibc

/// A port of an address, over UDP and TCP.
package struct Port: CustomStringConvertible, Sendable {
  package let address: IPAddress
  package let number: UInt16

  package init(address: IPAddress, number: UInt16) {
    self.address = address
    self.number = number
  }

  package var description: String { "port \(number) of \(address)" }

  /// Whether the address is one of this machine's, in this network namespace.
  package static func isLocal(_ address: IPAddress) -> Bool {
    ![EADDRNOTAVAIL, EAFNOSUPPORT].contains(Port(address: address, number: 0).bindError(SOCK_DGRAM))
  }

  /// Why a server could not listen on a port.
  package struct Unavailable: Error, Hashable, CustomStringConvertible {
    package let description: String
  }

  /// Makes sure that a server could listen there.
  package func check() throws(Unavailable) {
    for type in [SOCK_DGRAM, SOCK_STREAM] {
      switch bindError(type) {
      case 0: continue
      case EADDRINUSE: throw Unavailable(description: "\(self) is taken by \(ownersText)")
      case let code:
        throw Unavailable(description: "cannot listen on \(self): \(String(cString: strerror(code)))")
      }
    }
  }

  /// 0, or why the port cannot be listened on. Different from dnsmasq this does not share a UDP port with others that would.
  private func bindError(_ type: __socket_type) -> CInt {
    let target = SocketAddress(address, port: number)
    let descriptor = socket(target.family, CInt(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return errno }
    defer { close(descriptor) }
    var yes: CInt = 1
    let size = socklen_t(MemoryLayout.size(ofValue: yes))
    // Connections that a server before had are still there, and are in nobody's way.
    if type == SOCK_STREAM { setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, size) }
    if target.family == AF_INET6 { setsockopt(descriptor, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &yes, size) }
    let code = target.withPointer { bind(descriptor, $0, $1) }
    guard code == 0 else { return errno }
    return type == SOCK_STREAM && listen(descriptor, 1) != 0 ? errno : 0
  }

  /// A process that listens.
  package struct Owner: Hashable, Sendable, CustomStringConvertible {
    package let pid: pid_t
    /// Of its program, cut after 15 bytes.
    package let name: String

    /// `unbound (pid 812)`.
    package var description: String { "\(name) (pid \(pid))" }
  }

  /// Who listens there or on every address, in the network namespace of this thread; nil when nobody does. Other users'
  /// processes are seen by root only.
  package var owners: [Owner]? {
    let sockets = listeners
    guard !sockets.isEmpty else { return nil }
    return ProcessTable.pids.filter { ProcessTable.holds($0, anyOf: sockets) }
      .map { Owner(pid: $0, name: ProcessTable.name(of: $0)) }
  }

  private var ownersText: String {
    let owners = owners ?? []
    return owners.isEmpty
      ? "a process that this one may not see" : owners.map(\.description).joined(separator: ", ")
  }

  /// The sockets that are bound to this port, as links in `/proc/PID/fd` name them.
  private var listeners: Set<String> {
    var listeners: Set<String> = []
    for table in ["udp", "udp6", "tcp", "tcp6"] {
      let lines = String(decoding: ProcessTable.contents("/proc/thread-self/net/\(table)"), as: UTF8.self).split(
        separator: "\n")
      for line in lines.dropFirst() {
        // Number, local address, remote address, state and, as the tenth, the socket's inode.
        let fields = line.split(separator: " ")
        guard fields.count >= 10, let local = Self.parse(fields[1]), local.number == number,
          local.address == address || local.address.isUnspecified,
          // TCP sockets that listen; connections have the same port.
          table.hasPrefix("udp") || fields[3] == "0A"
        else { continue }
        listeners.insert("socket:[\(fields[9])]")
      }
    }
    return listeners
  }

  /// Reads `0200007F:0035`: 32-bit words in the machine's byte order, and the port.
  private static func parse(_ field: Substring) -> Port? {
    let parts = field.split(separator: ":")
    guard parts.count == 2, let number = UInt16(parts[1], radix: 16) else { return nil }
    var bytes: [UInt8] = []
    var rest = parts[0]
    while !rest.isEmpty {
      guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
      withUnsafeBytes(of: word) { bytes += $0 }
      rest = rest.dropFirst(8)
    }
    return IPAddress(bytes: bytes).map { Port(address: $0, number: number) }
  }
}
