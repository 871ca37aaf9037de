import Glibc
import RPC
import Records
import System

/// `<root>/traffic.msgpack`: the ``TrafficLedger`` on disk.
struct TrafficFile: Sendable {
  /// What a file of so many workloads and connections as no node has would take.
  private static let largest = 1 << 30

  private struct Envelope: Codable {
    static let version = 1

    let version: Int
    let checksum: UInt64
    /// A ``Content``.
    let content: Binary
  }

  private struct Content: Codable {
    /// In which life of the machine it was written.
    let boot: String
    let ledger: TrafficLedger
  }

  /// Why bytes are no totals.
  private enum Corruption: Error, CustomStringConvertible {
    case version(Int)
    case checksum

    var description: String {
      switch self {
      case .version(let version): "it is of version \(version) and not \(Envelope.version)"
      case .checksum: "its checksum does not match"
      }
    }
  }

  /// A file that could not be read.
  struct Damage: Error {
    let reason: String
    /// Where it is kept, or why it could not be put there.
    let outcome: Result<String, FileError>
  }

  private let root: GatewayRoot

  init(_ root: GatewayRoot) {
    self.root = root
  }

  /// What was stored last; nothing when there is no file.
  ///
  /// - Throws: ``Damage`` when it cannot be read. The file is then out of the way.
  func load() throws(Damage) -> TrafficLedger {
    do {
      guard let content = try read() else { return TrafficLedger() }
      var ledger = content.ledger
      if content.boot.isEmpty || content.boot != BootClock.bootID { ledger.machineRestarted() }
      return ledger
    } catch {
      throw Damage(reason: "\(error)", outcome: Result { () throws(FileError) in try putAside() })
    }
  }

  /// The totals by workload that were stored last; none when there is no file. For whoever only looks: nothing is moved.
  func totals() throws -> [String: ByteCount] {
    try read()?.ledger.totals ?? [:]
  }

  /// Returns nil when there is no file.
  private func read() throws -> Content? {
    guard let bytes = try FileSystem.content(of: root.traffic, limit: Self.largest) else { return nil }
    let envelope = try MessagePackDecoder().decode(Envelope.self, from: bytes)
    guard envelope.version == Envelope.version else { throw Corruption.version(envelope.version) }
    guard envelope.checksum == Self.checksum(envelope.content.bytes) else { throw Corruption.checksum }
    return try MessagePackDecoder().decode(Content.self, from: envelope.content.bytes)
  }

  private func putAside() throws(FileError) -> String {
    let place = "\(root.traffic).damaged"
    try FileSystem.rename(root.traffic, to: place, replacing: true)
    try FileSystem.syncDirectory(root.path)
    return place
  }

  /// Puts it on disk in one step: afterwards, and whenever the power is cut meanwhile, either this or the last is there.
  func store(_ ledger: TrafficLedger) throws {
    let content = try MessagePackEncoder().encode(Content(boot: BootClock.bootID, ledger: ledger))
    let envelope = Envelope(version: Envelope.version, checksum: Self.checksum(content), content: Binary(content))
    try FileSystem.replace(
      root.traffic, with: MessagePackEncoder().encode(envelope), mode: 0o644,
      staged: "\(root.staging)/traffic.msgpack")
  }

  /// FNV-1a of 64 bits, against a disk that changes a bit.
  private static func checksum(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
  }
}
