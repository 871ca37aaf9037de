import DNSZones
import Logging
import RPC
import Records
import Synchronization
import System

/// Keeps zones in step with their hashes in Redis, and what was read of those on disk: it is served also while Redis is away.
final class HashFollower: Sendable {
  private struct State {
    /// What was read last of each zone's hash: each field, and its value behind it.
    var contents: [Domain: [[UInt8]]] = [:]
    /// What of it is not served.
    var faults: [Domain: [HashZone.Fault]] = [:]
    /// Whether the file says the same.
    var isStored = true
    /// Whether knotd has been told, or will be without anybody's doing.
    var isServed = true
  }

  /// What is on disk.
  private struct StoredHashes: Codable {
    /// By domain.
    let hashes: [String: [Binary]]
  }

  let keys: HashKeys
  private let hashes: RedisValues
  private let file: CheckedFile<StoredHashes>
  private let head: ZoneTable.ZoneHead
  private let server: KnotServer
  private let logger: Logger
  private let onChange: @Sendable () -> Void
  private let state = Mutex(State())

  /// How often all hashes are read.
  private static let interval = Duration.seconds(10)

  /// Takes in what was read last.
  ///
  /// - Parameters:
  ///   - head: what a zone is served with where its hash does not say.
  ///   - onChange: called when zones may have come or gone.
  init(
    _ source: HashSource, root: GatewayRoot, head: ZoneTable.ZoneHead, server: KnotServer, logger: Logger,
    onChange: @escaping @Sendable () -> Void
  ) {
    keys = source.keys
    hashes = RedisValues(
      // A zone's name has a dot at its end: what has none is of no interest.
      .hash, at: source.server, prefix: source.keys.prefix, suffix: ".\(source.keys.suffix)", every: Self.interval,
      logger: logger)
    file = CheckedFile(root.hashes, staged: "\(root.staging)/hashes.msgpack")
    self.head = head
    self.server = server
    self.logger = logger
    self.onChange = onChange
    do throws(DamagedFile) {
      let stored = try file.load()?.hashes ?? [:]
      take(stored.compactMap { name, content in (try? Domain(name)).map { ($0, content.map(\.bytes)) } })
      state.withLock { ($0.isStored, $0.isServed) = (true, true) }
    } catch {
      logger.error(
        "what was read of hashes is damaged: they are not served until Redis answers", metadata: error.metadata)
    }
  }

  /// Follows the hashes until the task is cancelled.
  func run() async {
    await withTaskGroup(of: Void.self) { [self] group in
      group.addTask { await self.keepStored() }
      await hashes.follow(
        wanting: { [keys] in keys.domain(of: $0) != nil },
        known: { self.state.withLock { state in state.contents.keys.map { Array(self.keys.key(of: $0).utf8) } } },
        take: { hashes in
          self.take(hashes.compactMap { hash in self.keys.domain(of: hash.key).map { ($0, hash.content) } })
        },
        // All in one: a thousand new zones cost knotd little more than one.
        settle: {
          let isChanged = self.state.withLock { state in
            defer { state.isServed = true }
            return !state.isServed
          }
          if isChanged { self.server.convergeSoon() }
        })
    }
  }

  /// - Parameter read: hashes as they were read; empty ones are gone.
  private func take(_ read: [(domain: Domain, content: [[UInt8]])]) {
    let changes = state.withLock { state in
      read.filter { domain, content in content != state.contents[domain] ?? [] }
    }
    guard !changes.isEmpty else { return }
    let zones = changes.map { domain, content in (domain, zone(domain, content)) }
    server.withTable { table in
      for (domain, zone) in zones { table.setHash(domain, zone) }
    }
    let new = state.withLock { state in
      (state.isStored, state.isServed) = (false, false)
      return zip(changes, zones).flatMap { change, zone in
        state.contents[change.domain] = zone.1 == nil ? nil : change.content
        let (old, faults) = (state.faults[change.domain] ?? [], zone.1?.faults ?? [])
        state.faults[change.domain] = faults.isEmpty ? nil : faults
        let known = Set(old)
        return faults.filter { !known.contains($0) }.map { (change.domain, $0) }
      }
    }
    for (domain, fault) in new {
      logger.warning(
        "a field of a hash is not served as it is",
        metadata: ["key": "\(keys.key(of: domain))", "field": "\(fault.field)", "reason": "\(fault.reason)"])
    }
    onChange()
  }

  private func zone(_ domain: Domain, _ content: [[UInt8]]) -> HashZone? {
    guard !content.isEmpty else { return nil }
    let fields = stride(from: 0, to: content.count - 1, by: 2).map { (name: content[$0], value: content[$0 + 1]) }
    return HashZone(domain, fields: fields, head: head)
  }

  /// Writes what was read to disk whenever it has changed, at most for a tenth of the time; and once more at the end.
  private func keepStored() async {
    var isFailing = false
    repeat {
      let start = ContinuousClock.now
      do {
        try await store()
        if isFailing { logger.notice("hashes are stored again") }
        isFailing = false
      } catch {
        if !isFailing { logger.warning("hashes are not stored", metadata: ["reason": "\(error)"]) }
        isFailing = true
      }
      let pause = max(.seconds(1), start.duration(to: .now) * 10)
      if (try? await Task.sleep(for: pause)) == nil { break }
    } while true
    do {
      try await store()
    } catch {
      logger.warning("hashes are not stored", metadata: ["reason": "\(error)"])
    }
  }

  private func store() async throws {
    let contents = state.withLock { state in
      defer { state.isStored = true }
      return state.isStored ? nil : state.contents
    }
    guard let contents else { return }
    do {
      try await POSIXThread.run { [file] _ in
        let hashes = contents.map { ($0.key.rawValue, $0.value.map { Binary($0) }) }
        try file.store(StoredHashes(hashes: Dictionary(uniqueKeysWithValues: hashes)))
      }
    } catch {
      state.withLock { $0.isStored = false }
      throw error
    }
  }
}
