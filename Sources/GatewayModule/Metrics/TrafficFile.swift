import Records
import System

/// `<root>/traffic.msgpack`: the ``TrafficLedger`` on disk.
struct TrafficFile: Sendable {
  private struct Content: Codable {
    /// In which life of the machine it was written.
    let boot: String
    let ledger: TrafficLedger
  }

  private let file: CheckedFile<Content>

  init(_ root: GatewayRoot) {
    file = CheckedFile(root.traffic, staged: "\(root.staging)/traffic.msgpack")
  }

  /// What was stored last; nothing when there is no file.
  ///
  /// - Throws: ``DamagedFile`` when it cannot be read. The file is then out of the way.
  func load() throws(DamagedFile) -> TrafficLedger {
    guard let content = try file.load() else { return TrafficLedger() }
    var ledger = content.ledger
    if content.boot.isEmpty || content.boot != BootClock.bootID { ledger.machineRestarted() }
    return ledger
  }

  /// The totals by workload that were stored last; none when there is no file. For whoever only looks: nothing is moved.
  func totals() throws -> [String: ByteCount] {
    try file.read()?.ledger.totals ?? [:]
  }

  /// Puts it on disk in one step: afterwards, and whenever the power is cut meanwhile, either this or the last is there.
  func store(_ ledger: TrafficLedger) throws {
    try file.store(Content(boot: BootClock.bootID, ledger: ledger))
  }
}
