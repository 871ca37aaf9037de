/// What a server remembers of taking over requests that were in flight before.
///
/// A request that was in hand when the process died may have killed it. So those which an earlier life left behind are run
/// one at a time, and each is noted in Redis as a suspect for as long as it runs: one that was a suspect when the process
/// died a second time is not run again. The next one begins when the one that runs alone is over, needs no more than to
/// wait, or has had its time; what becomes of those that had theirs before concerns nobody but themselves.
struct Recovery {
  typealias CallID = CallLedger.Call.ID

  /// The list of suspects.
  let suspectsKey: String
  /// The value that tells one life of the broker's data from the next.
  let epochKey: String
  var epoch: [UInt8]?
  /// Whether what an earlier life left behind has been run.
  var isDone = false

  /// The suspects that the earlier life left behind, once they are known.
  var guilty: Set<[UInt8]>?

  /// The requests of the calls that are noted in Redis.
  private var suspects: [CallID: [UInt8]] = [:]
  private var alone: CallID?
  private var cleared: [[UInt8]] = []

  /// - Parameter inFlight: what the keys begin with.
  init(inFlight: String) {
    suspectsKey = "\(inFlight).suspects"
    epochKey = "\(inFlight).epoch"
  }

  /// A call, whose request is noted as a suspect, runs alone from now on.
  mutating func begins(_ call: CallID, _ payload: [UInt8]) {
    suspects[call] = payload
    alone = call
  }

  /// A call needs no more than to wait, or has had its time. Returns whether the next one may begin for that.
  mutating func goesOn(beside call: CallID) -> Bool {
    guard alone == call else { return false }
    alone = nil
    return true
  }

  /// A call is over. Returns whether the next one may begin for that.
  mutating func isOver(_ call: CallID) -> Bool {
    guard !suspects.isEmpty, let payload = suspects.removeValue(forKey: call) else { return false }
    cleared.append(payload)
    return goesOn(beside: call)
  }

  /// A request that is noted as a suspect was answered without a call.
  mutating func clear(_ payload: [UInt8]) {
    cleared.append(payload)
  }

  /// Former suspects, to be taken off the list.
  mutating func takeCleared() -> [[UInt8]] {
    defer { cleared.removeAll() }
    return cleared
  }
}
