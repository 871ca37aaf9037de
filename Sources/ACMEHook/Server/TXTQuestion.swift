import CAres
import Records
import System

/// A question for the TXT records of a name, put to the server that has them.
struct TXTQuestion {
  let name: Domain
  let server: IPAddress
  let port: UInt16

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
    let query = DNSQuery(name: name, type: .txt, server: server, port: port, isRecursive: false)
    let reply = query.ask(within: limit)
    return reply.message.withUnsafeBufferPointer { Self.answer(reply.status, $0) }
  }

  private static func answer(_ status: CInt, _ message: UnsafeBufferPointer<UInt8>) -> Answer {
    guard status == CARES_SUCCESS else { return .failure(String(cString: ares_strerror(status))) }
    var first: UnsafeMutablePointer<ares_txt_reply>?
    let parsed = ares_parse_txt_reply(message.baseAddress, CInt(message.count), &first)
    guard parsed == CARES_SUCCESS else { return .failure(String(cString: ares_strerror(parsed))) }
    defer { ares_free_data(first) }
    var values: Set<String> = []
    var next = first
    while let record = next {
      values.insert(
        String(decoding: UnsafeBufferPointer(start: record.pointee.txt, count: record.pointee.length), as: UTF8.self))
      next = record.pointee.next
    }
    return .values(values)
  }
}
