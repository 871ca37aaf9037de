import Glibc
import Records
import System

/// What the world must be able to look up.
struct Expectation {
  let addresses: [IPAddress]
  let port: UInt16
  let records: ChallengeRecords

  /// Asks until every address has answered with every value.
  ///
  /// - Parameter process: asking ends with it.
  /// - Returns: what was not answered by `deadline`; `nil` when all was.
  func shortfall(at deadline: ContinuousClock.Instant, of process: SpawnedProcess?) -> String? {
    for address in addresses {
      for name in records.names {
        let question = TXTQuestion(name: name.name, server: Endpoint(address: address, port: port))
        let wanted = Set(records.values(of: name).map(\.rawValue))
        while true {
          let left = ContinuousClock.now.duration(to: deadline)
          let answer = question.ask(within: min(max(left, .milliseconds(1)), .milliseconds(500)))
          if case .values(let values) = answer, values.isSuperset(of: wanted) { break }
          guard .now < deadline, process?.end == nil else {
            return "\(Port(address: address, number: port)) does not answer for \(name) as it should: \(answer)"
          }
          usleep(1000)
        }
      }
    }
    return nil
  }
}
