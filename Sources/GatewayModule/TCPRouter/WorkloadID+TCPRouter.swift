import Records
import System

extension WorkloadID {
  /// The user to whom the routes and tunnels belong that follow from services of tcprouter.
  static let tcprouterUser = "tcprouter"

  /// Whether what it has follows from a service of tcprouter.
  var isOfTCPRouter: Bool { user == Self.tcprouterUser }

  /// A workload that something is set for on the bus.
  ///
  /// - Throws: `InvalidValue` also for one that stands for a service of tcprouter: of those its Redis says what they have.
  init(setByCall text: String) throws(InvalidValue) {
    try self.init(text)
    guard !isOfTCPRouter else {
      throw InvalidValue("workload", text, "what begins with 'tcprouter-' follows from tcprouter's services in Redis")
    }
  }
}
