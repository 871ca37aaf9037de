import Glibc
import Synchronization
public import System

/// What a node's DNS-01 challenges are answered with besides their records: the file `<root>/acme/zone`, from the gateway
/// for the hook.
///
///     domain gent01.dev.grid.tf
///     address 185.206.122.30
///     address 2a10:b600::30
///     port 53
///
/// Where the node's DNS is served by knotd, to which the gateway says what is pending, there is a line for each of its addresses
/// before the port, `knotd 185.206.122.30:53`.
public struct ChallengeZone: Hashable, Sendable {
  /// The node's domain, if it has one.
  public var domain: Domain?
  /// The node's public addresses, where the challenges are answered.
  public var addresses: [IPAddress]
  /// 1 to 65535; the world asks on 53. Not used where knotd answers.
  public var port: UInt16
  /// Where knotd answers; none where the hook has a server of its own.
  public var knot: [Endpoint]

  public init(domain: Domain?, addresses: [IPAddress], port: UInt16 = 53, knot: [Endpoint] = []) {
    self.domain = domain
    self.addresses = addresses
    self.port = port
    self.knot = knot
  }

  /// Puts the zone where the hook reads it, in a private directory; a file that says the same already is not touched.
  ///
  /// - Returns: whether the file changed.
  @discardableResult
  public func install(in root: GatewayRoot) throws(FileError) -> Bool {
    try root.preparePrivate(root.acme)
    let bytes = encoded()
    do throws(FileError) {
      if try FileSystem.content(of: root.challengeZone, limit: Self.limit) == bytes { return false }
    } catch {
      guard error.code == EFBIG else { throw error }
    }
    try FileSystem.replace(root.challengeZone, with: bytes, mode: 0o600)
    return true
  }

  /// The zone as a running gateway wants it to be there.
  public final class Installed: Sendable {
    private let root: GatewayRoot
    /// Held while the file is written.
    private let zone = Mutex<ChallengeZone?>(nil)

    public init(in root: GatewayRoot) {
      self.root = root
    }

    /// Puts another zone there, as ``ChallengeZone/install(in:)`` does.
    public func install(_ new: ChallengeZone) throws(FileError) {
      try zone.withLock { zone throws(FileError) in
        try new.install(in: root)
        zone = new
      }
    }

    /// Puts the zone there again if somebody has changed or removed it.
    ///
    /// - Returns: whether somebody had.
    public func repair() throws(FileError) -> Bool {
      try zone.withLock { zone throws(FileError) in try zone?.install(in: root) ?? false }
    }
  }

  /// Reads what ``install(in:)`` wrote.
  public static func read(from root: GatewayRoot) throws(ChallengeZoneError) -> ChallengeZone {
    let path = root.challengeZone
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try FileSystem.read(path, limit: limit).bytes
    } catch {
      throw ChallengeZoneError("\(error)" + (error.code == ENOENT ? "; the gateway writes it when it starts" : ""))
    }
    return try ChallengeZone(bytes, path: path)
  }

  private static let limit = 1 << 16

  package func encoded() -> [UInt8] {
    let lines =
      (domain.map { ["domain \($0)"] } ?? []) + addresses.map { "address \($0)" }
      + knot.map { "knotd \($0)" } + ["port \(port)"]
    return Array(lines.map { "\($0)\n" }.joined().utf8)
  }

  package init(_ bytes: [UInt8], path: String) throws(ChallengeZoneError) {
    self.init(domain: nil, addresses: [], port: 0)
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    for (index, line) in lines.enumerated() {
      let isExpected: Bool
      do throws(InvalidValue) {
        isExpected = try take(line)
      } catch {
        throw ChallengeZoneError("\(path): line \(index + 1): \(error)")
      }
      guard isExpected else { throw ChallengeZoneError("\(path): line \(index + 1) is not expected: \(quoted(line))") }
    }
    // Last in the file, and so not there when the file is not whole.
    guard port != 0 else { throw ChallengeZoneError("\(path): the port is missing") }
  }

  /// - Returns: whether the line is one of a zone.
  private mutating func take(_ line: String) throws(InvalidValue) -> Bool {
    let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard words.count == 2 else { return false }
    switch words[0] {
    case "domain": domain = try Domain(words[1])
    case "address": addresses.append(try IPAddress(words[1]))
    case "knotd": knot.append(try Endpoint(words[1]))
    case "port": port = UInt16(words[1]) ?? 0
    default: return false
    }
    return true
  }
}

/// The hook cannot know what to serve.
public struct ChallengeZoneError: Error, Hashable, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}
