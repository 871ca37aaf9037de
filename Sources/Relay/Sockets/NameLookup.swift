import Glibc
import System

/// Looks host names up, as the machine is set up to (resolv.conf, hosts), in whatever network namespace.
final class NameLookup: Sendable {
  struct Fault: Error, CustomStringConvertible {
    let description: String
  }

  /// Each lookup has a thread of its own, since the C library's function waits.
  private let threads = Places(limit: 128)

  /// - Parameter completion: is given the addresses, at least one, in the order in which to try them, on any thread.
  func addresses(
    of host: String, port: UInt16, in namespace: NetworkNamespace?,
    _ completion: @escaping @Sendable (Result<[Endpoint], Fault>) -> Void
  ) {
    guard let place = threads.take() else {
      return completion(.failure(Fault(description: "\(host): too many lookups at the same time")))
    }
    do throws(SystemError) {
      let thread = try POSIXThread {
        let result = Result { () throws(Fault) in
          do throws(NetworkNamespaceError) {
            try namespace?.useNameFiles()
            try namespace?.enter()
          } catch {
            throw Fault(description: "\(error)")
          }
          return try Self.ask(host, port)
        }
        withExtendedLifetime(place) { completion(result) }
      }
      thread.detach()
    } catch {
      completion(.failure(Fault(description: "\(host): \(error)")))
    }
  }

  private static func ask(_ host: String, _ port: UInt16) throws(Fault) -> [Endpoint] {
    var hints = addrinfo()
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_ADDRCONFIG
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, "\(port)", &hints, &list)
    defer { if let list { freeaddrinfo(list) } }
    guard code == 0 else { throw Fault(description: "\(host): \(String(cString: gai_strerror(code)).lowercased())") }
    var endpoints: [Endpoint] = []
    var next = list
    while let entry = next?.pointee {
      next = entry.ai_next
      var storage = sockaddr_storage()
      memcpy(&storage, entry.ai_addr, min(Int(entry.ai_addrlen), MemoryLayout<sockaddr_storage>.size))
      if let endpoint = Endpoint(storage), !endpoints.contains(endpoint) { endpoints.append(endpoint) }
    }
    guard !endpoints.isEmpty else { throw Fault(description: "\(host): it has no address") }
    return endpoints
  }
}
