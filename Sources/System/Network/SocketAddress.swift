package import Glibc

/// An address and a port as system calls take them.
package struct SocketAddress {
  let address: IPAddress
  private var storage = sockaddr_storage()
  private let length: socklen_t

  package init(_ address: IPAddress, port: UInt16) {
    self.address = address
    if address.isIPv4 {
      var ipv4 = sockaddr_in()
      ipv4.sin_family = sa_family_t(AF_INET)
      ipv4.sin_port = port.bigEndian
      precondition(inet_pton(AF_INET, "\(address)", &ipv4.sin_addr) == 1)
      length = socklen_t(MemoryLayout.size(ofValue: ipv4))
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: ipv4, as: sockaddr_in.self) }
    } else {
      var ipv6 = sockaddr_in6()
      ipv6.sin6_family = sa_family_t(AF_INET6)
      ipv6.sin6_port = port.bigEndian
      precondition(inet_pton(AF_INET6, "\(address)", &ipv6.sin6_addr) == 1)
      length = socklen_t(MemoryLayout.size(ofValue: ipv6))
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: ipv6, as: sockaddr_in6.self) }
    }
  }

  package var family: CInt { CInt(storage.ss_family) }

  /// The 4 or 16 bytes of the address, in network order.
  package var addressBytes: [UInt8] {
    withUnsafeBytes(of: storage) { bytes in
      if address.isIPv4 {
        withUnsafeBytes(of: bytes.load(as: sockaddr_in.self).sin_addr) { Array($0) }
      } else {
        withUnsafeBytes(of: bytes.load(as: sockaddr_in6.self).sin6_addr) { Array($0) }
      }
    }
  }

  package func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    withUnsafePointer(to: storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }
}

extension Endpoint {
  /// Where a connected socket is.
  package init?(near socket: CInt) { self.init { getsockname(socket, $0, $1) } }

  /// Where its peer is.
  package init?(far socket: CInt) { self.init { getpeername(socket, $0, $1) } }

  private init?(_ ask: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt) {
    var storage = sockaddr_storage()
    guard storage.filled(by: ask) == 0 else { return nil }
    self.init(storage)
  }

  /// What a system call says of a socket; nil for a family without ports.
  package init?(_ storage: sockaddr_storage) {
    let endpoint = withUnsafeBytes(of: storage) { bytes -> Endpoint? in
      switch CInt(storage.ss_family) {
      case AF_INET:
        let address = bytes.load(as: sockaddr_in.self)
        return withUnsafeBytes(of: address.sin_addr) { IPAddress(bytes: Array($0)) }
          .map { Endpoint(address: $0, port: UInt16(bigEndian: address.sin_port)) }
      case AF_INET6:
        let address = bytes.load(as: sockaddr_in6.self)
        return withUnsafeBytes(of: address.sin6_addr) { IPAddress(bytes: Array($0)) }
          .map { Endpoint(address: $0, port: UInt16(bigEndian: address.sin6_port)) }
      default: return nil
      }
    }
    guard let endpoint else { return nil }
    self = endpoint
  }
}

extension sockaddr_storage {
  /// Has a system call write an address, and returns what that returns.
  package mutating func filled(
    by call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
  ) -> CInt {
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &self) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, &length) }
    }
  }
}
