import DNSZones
import Records
import System

/// A question for the TXT records of a name, put to the server that has them.
struct TXTQuestion {
  let name: Domain
  let server: Endpoint

  enum Answer: Hashable, CustomStringConvertible {
    case values(Set<String>)
    /// Why there are none.
    case failure(String)

    var description: String {
      switch self {
      case .values(let values): "it has \(values.count) values, not the one that is presented"
      case .failure(let reason): reason
      }
    }
  }

  /// Asks once.
  ///
  /// - Parameter limit: how long to wait for an answer, at least a millisecond.
  func ask(within limit: Duration) -> Answer {
    let reply = DNSQuery(name: name, type: .txt, server: server, isRecursive: false).ask(within: limit)
    let (values, reason) = reply.texts()
    return values.map { .values($0) } ?? .failure(reason)
  }
}
