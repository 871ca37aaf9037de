import Glibc
import NIOCore
import Synchronization
import System

/// Looks host names up, as the machine is set up to (resolv.conf, hosts), in whatever network namespace.
final class NameLookup: Sendable {
  struct Fault: Error, CustomStringConvertible {
    let description: String
  }

  typealias Completion = @Sendable (Result<[Endpoint], Fault>) -> Void

  /// How long somebody waits for an answer.
  private static let patience = TimeAmount.seconds(5)

  /// Each lookup has a thread of its own, since the C library's function waits, for as long as resolv.conf says.
  private let threads = Places(limit: 256)
  private let group: any EventLoopGroup

  /// - Parameter group: keeps the time.
  init(_ group: any EventLoopGroup) {
    self.group = group
  }

  /// - Parameter completion: is given the addresses, at least one, in the order in which to try them, on any thread.
  func addresses(
    of host: String, port: UInt16, in namespace: NetworkNamespace?, _ completion: @escaping Completion
  ) {
    guard let place = threads.take() else {
      return completion(.failure(Fault(description: "\(host): too many lookups at the same time")))
    }
    let answer = Answer(completion)
    let timer = group.any().scheduleTask(in: Self.patience) {
      answer.give(.failure(Fault(description: "\(host): no answer within 5 s")))
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
        timer.cancel()
        withExtendedLifetime(place) { answer.give(result) }
      }
      thread.detach()
    } catch {
      timer.cancel()
      answer.give(.failure(Fault(description: "\(host): \(error)")))
    }
  }

  /// The one that is given first is given.
  private final class Answer: Sendable {
    private let completion: Mutex<Completion?>

    init(_ completion: @escaping Completion) { self.completion = Mutex(completion) }

    func give(_ result: Result<[Endpoint], Fault>) {
      let completion = completion.withLock { completion in
        defer { completion = nil }
        return completion
      }
      completion?(result)
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
