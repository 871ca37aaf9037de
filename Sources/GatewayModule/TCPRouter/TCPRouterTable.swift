import Records
import Relay
import System

/// What Redis says of services of tcprouter, and of which of them routes and tunnels may not be in step with it. Without I/O.
struct TCPRouterTable {
  /// A whole key in Redis.
  typealias Key = [UInt8]

  /// What is under a key.
  struct Entry {
    fileprivate let value: [UInt8]
    let name: Result<TCPRouterName, InvalidValue>
    let service: Result<TCPRouterService, InvalidValue>

    fileprivate init(_ key: Key, _ value: [UInt8]) {
      self.value = value
      name = Result { () throws(InvalidValue) in try TCPRouterName(key: key) }
      service = Result { () throws(InvalidValue) in try TCPRouterService(value) }
    }

    /// That of its client.
    var secret: TunnelSecret.Digest? {
      guard case .success = name, case .success(.tunnel(let secret)) = service else { return nil }
      return secret.digest
    }
  }

  private(set) var entries: [Key: Entry] = [:]
  /// The services that have a client with this secret.
  private var sharing: [TunnelSecret.Digest: Set<Key>] = [:]
  private var due: Set<Key> = []
  /// Why services are not served, as it was told.
  private var reasons: [Key: String] = [:]
  /// The domains that are being set on the bus, and by how many calls.
  private var wanted: [Domain: Int] = [:]
  private var isComplete = false
  /// Whether a secret may have a tunnel that no service has any more.
  private var hasUnusedSecrets = false

  // MARK: What Redis says

  /// - Parameter value: what is under a key; nil for nothing.
  mutating func take(_ value: [UInt8]?, under key: Key) {
    let old = entries[key]
    // What is not there may still have a route, of an earlier life.
    guard value == nil || value != old?.value else { return }
    if let secret = old?.secret {
      sharing[secret]?.remove(key)
      if sharing[secret]?.isEmpty == true {
        sharing[secret] = nil
        hasUnusedSecrets = true
      }
    }
    let entry = value.map { Entry(key, $0) }
    entries[key] = entry
    if let secret = entry?.secret { sharing[secret, default: []].insert(key) }
    if entry == nil { reasons[key] = nil }
    due.insert(key)
  }

  /// All that there is has been read, once at least.
  mutating func complete() {
    if !isComplete { (isComplete, hasUnusedSecrets) = (true, true) }
  }

  // MARK: What is to be done

  /// Services have to be looked at, those of them that there are.
  ///
  /// - Returns: whether there is any.
  @discardableResult
  mutating func look(at keys: some Sequence<Key>) -> Bool {
    let there = keys.filter { entries[$0] != nil }
    due.formUnion(there)
    return !there.isEmpty
  }

  /// All services have to be looked at.
  mutating func lookAtAll() { due.formUnion(entries.keys) }

  /// What could not be done has to be tried again.
  mutating func putBack(_ keys: [Key]) { due.formUnion(keys) }

  /// Takes what there is to do.
  mutating func takeDue() -> [Key] {
    defer { due = [] }
    return Array(due)
  }

  /// Takes whether tunnels are to be looked through for such as no service has.
  mutating func takeUnused() -> Bool {
    defer { hasUnusedSecrets = false }
    return hasUnusedSecrets
  }

  /// A tunnel that no service has could not be taken away.
  mutating func putBackUnused() { hasUnusedSecrets = true }

  // MARK: Secrets

  func isUsed(_ secret: TunnelSecret.Digest) -> Bool { sharing[secret] != nil }

  /// The services that have a client with a secret.
  func keys(sharing secret: TunnelSecret.Digest) -> Set<Key> { sharing[secret] ?? [] }

  // MARK: What is set on the bus

  mutating func beginSetting(_ domain: Domain) { wanted[domain, default: 0] += 1 }

  mutating func endSetting(_ domain: Domain) {
    wanted[domain] = wanted[domain].flatMap { $0 > 1 ? $0 - 1 : nil }
  }

  func isBeingSet(_ domain: Domain) -> Bool { wanted[domain] != nil }

  // MARK: What is told

  /// Whether it is new that a service is not served for this reason.
  mutating func isNews(_ reason: String, of key: Key) -> Bool {
    entries[key] != nil && reasons.updateValue(reason, forKey: key) != reason
  }

  mutating func isServed(_ key: Key) { reasons[key] = nil }
}
