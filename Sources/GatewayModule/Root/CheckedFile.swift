import Logging
import RPC
import System

/// A file of the gateway's own: MessagePack, with a version and a checksum, written whole.
struct CheckedFile<Content: Codable>: Sendable {
  private struct Envelope: Codable {
    let version: Int
    let checksum: UInt64
    /// A `Content`.
    let content: Binary
  }

  /// Why bytes are no such file.
  private enum Corruption: Error, CustomStringConvertible {
    case version(Int)
    case checksum

    var description: String {
      switch self {
      case .version(let version): "it is of version \(version) and not 1"
      case .checksum: "its checksum does not match"
      }
    }
  }

  private let path: String
  private let staged: String
  /// What a file of more than any node has would take.
  private static var largest: Int { 1 << 30 }

  /// - Parameter staged: where it is written first, on the same file system.
  init(_ path: String, staged: String) {
    self.path = path
    self.staged = staged
  }

  /// What was stored last; nil when there is no file.
  ///
  /// - Throws: ``DamagedFile`` when it cannot be read. The file is then out of the way.
  func load() throws(DamagedFile) -> Content? {
    do {
      return try read()
    } catch {
      throw DamagedFile(
        path: path, reason: "\(error)", outcome: Result { () throws(FileError) in try putAside() })
    }
  }

  /// The same, for whoever only looks: nothing is moved.
  func read() throws -> Content? {
    guard let bytes = try FileSystem.content(of: path, limit: Self.largest) else { return nil }
    let envelope = try MessagePackDecoder().decode(Envelope.self, from: bytes)
    guard envelope.version == 1 else { throw Corruption.version(envelope.version) }
    guard envelope.checksum == Self.checksum(envelope.content.bytes) else { throw Corruption.checksum }
    return try MessagePackDecoder().decode(Content.self, from: envelope.content.bytes)
  }

  private func putAside() throws(FileError) -> String {
    let place = "\(path).damaged"
    try FileSystem.rename(path, to: place, replacing: true)
    try FileSystem.syncDirectory(FileSystem.parent(of: path))
    return place
  }

  /// Puts it on disk in one step: afterwards, and whenever the power is cut meanwhile, either this or the last is there.
  func store(_ content: Content) throws {
    let content = try MessagePackEncoder().encode(content)
    let envelope = Envelope(version: 1, checksum: Self.checksum(content), content: Binary(content))
    try FileSystem.replace(path, with: MessagePackEncoder().encode(envelope), mode: 0o644, staged: staged)
  }

  /// FNV-1a of 64 bits, against a disk that changes a bit.
  private static func checksum(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
  }
}

/// A file that could not be read.
struct DamagedFile: Error {
  let path: String
  let reason: String
  /// Where it is kept, or why it could not be put there.
  let outcome: Result<String, FileError>

  /// For a line of the log.
  var metadata: Logger.Metadata {
    var metadata: Logger.Metadata = ["file": "\(path)", "reason": "\(reason)"]
    switch outcome {
    case .success(let place): metadata["kept"] = "\(place)"
    case .failure(let failure): metadata["not-kept"] = "\(failure)"
    }
    return metadata
  }
}
