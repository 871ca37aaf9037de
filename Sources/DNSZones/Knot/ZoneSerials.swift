import Records
import System

/// How far the serials of zones have come, so that they never go back (RFC 1982), though knotd's database be lost or an older one
/// be put in its place: secondaries would take no change any more.
///
/// knotd itself says what the next serial is: the time in seconds, or one more than the last, whichever is greater. What is on disk
/// is ahead of that, so that it need not be written at each change.
struct ZoneSerials: Sendable {
  /// How far ahead of a serial what is on disk is written, and from when on it is written anew.
  private static let (lead, reserve): (UInt32, UInt32) = (10_000, 1000)
  private static let maximumSize = 64 << 20

  private let path: String
  /// No zone's serial was ever greater.
  private var stored: [Domain: UInt32] = [:]
  /// The greatest that each zone may have now.
  private var current: [Domain: UInt32] = [:]

  /// - Throws: where there is a file that cannot be read: what it says is not to be lost.
  init(path: String) throws(FileError) {
    self.path = path
    guard let bytes = try FileSystem.content(of: path, limit: Self.maximumSize) else { return }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count == 2, let domain = try? Domain(words[0]), let serial = UInt32(words[1]) else { continue }
      stored[domain] = serial
    }
  }

  private static func now() -> UInt32 { UInt32(truncatingIfNeeded: UTCTime.now.seconds) }

  /// The one for a zone that knotd has nothing of.
  func first(of domain: Domain) -> UInt32 { max(Self.now(), stored[domain] ?? 0) }

  /// The one that a zone has to have in the place of what it is served with; nil where that may stay.
  func correction(of domain: Domain, served: UInt32) -> UInt32? {
    guard let stored = stored[domain], stored > served, stored - served > Self.lead else {
      return nil
    }
    return stored
  }

  /// These zones are about to change, by at most two steps each. Writes what has to be on disk before.
  mutating func advance(_ zones: [Domain: UInt32?]) throws(FileError) {
    let now = Self.now()
    var isDue = false
    for (domain, served) in zones {
      let last = max(current[domain] ?? 0, served ?? 0)
      let next = max(now, last &+ 2, served == nil ? first(of: domain) : 0)
      current[domain] = next
      if stored[domain].map({ $0 < next || $0 - next < Self.reserve }) ?? true {
        stored[domain] = next &+ Self.lead
        isDue = true
      }
    }
    guard isDue else { return }
    let text = stored.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)\n" }.joined()
    try FileSystem.replace(path, with: Array(text.utf8), mode: 0o644)
  }
}
