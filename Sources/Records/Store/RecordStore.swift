import Glibc
public import Logging
import Synchronization
import System

/// The records of one kind: the files in a directory, an index of them in memory, and the rule that what a record claims has one owner.
///
/// A change is over when it is on disk; changes that come together share one sync. What others do to the files is taken in while
/// ``watch()`` runs.
public final class RecordStore<Content: StoredRecord>: Sendable {
  /// What became of a record or of a file.
  public enum Event: Sendable {
    /// The workload has this record now; what it had before.
    case set(Content, replacing: Content?)
    /// The workload has no record any more.
    case deleted(Content)
    /// A file was moved out of the way: whose name it had, and why.
    case quarantined(WorkloadID?, reason: String)
  }

  private struct Entry {
    var content: Content
    /// Whether the file is known to be synced to disk.
    var isDurable: Bool
    var stamp: FileStamp?
  }

  private struct Index {
    var entries: [WorkloadID: Entry] = [:]
    /// From when a record is to be written until its file is gone.
    var owners: [Content.Claim: WorkloadID] = [:]
    /// Of the records that are being written.
    var claims: [WorkloadID: Content.Claim] = [:]
    /// The files that are to be looked at again, because what had to be done could not be.
    var unsettled: Set<String> = []

    func checkOwner(of content: Content) throws(ClaimTaken) {
      guard let owner = owners[content.claim], owner != content.workload else { return }
      throw ClaimTaken(description: "\(Content.claimKind) already registered: \(content.claim)")
    }

    mutating func release(_ content: Content) {
      if claims[content.workload] != content.claim { owners[content.claim] = nil }
    }

    mutating func put(_ entry: Entry) -> Content? {
      let content = entry.content
      let old = entries.updateValue(entry, forKey: content.workload)?.content
      if let old, old.claim != content.claim { release(old) }
      owners[content.claim] = content.workload
      return old
    }

    mutating func remove(_ workload: WorkloadID) -> Content? {
      guard let content = entries.removeValue(forKey: workload)?.content else { return nil }
      release(content)
      return content
    }
  }

  private enum Job: Sendable {
    case write(Content, CheckedContinuation<Result<Content?, RecordStoreError>, Never>)
    case remove(WorkloadID, CheckedContinuation<Result<Content?, RecordStoreError>, Never>)
    case scan([String], CheckedContinuation<Void, Never>)
  }

  private let files: RecordFiles
  private let kind: String
  private let index = Mutex(Index())
  private let writer: GroupWriter<Job>
  private let logger: Logger
  private let onEvent: @Sendable (Event) -> Void
  /// In bytes.
  private static var maximumSize: Int { 1 << 20 }

  /// Takes over what is on disk, the older file first: what is no record, and the younger of two that claim the same, goes into
  /// quarantine.
  ///
  /// - Parameters:
  ///   - directory: where the files are.
  ///   - kind: what a record is called in the log.
  ///   - mode: of the files.
  ///   - onEvent: takes what becomes of records, one event after the other, before the call that caused it returns. It must not
  ///     wait.
  /// - Throws: `FileError` when the root cannot be read or written.
  public init(
    _ root: GatewayRoot, directory: String, kind: String, mode: UInt32 = 0o644, logger: Logger,
    onEvent: @escaping @Sendable (Event) -> Void
  ) throws {
    let name = directory.split(separator: "/").last.map(String.init) ?? kind
    files = RecordFiles(directory, staging: "\(root.staging)/\(name)", quarantine: root.quarantine, mode: mode)
    self.kind = kind
    self.logger = logger
    self.onEvent = onEvent
    writer = GroupWriter(kind)
    for path in [directory, files.staging, root.quarantine] { try FileSystem.makeDirectory(path, mode: 0o755) }
    try files.clearStaging()
    scan(try names(), isStart: true)
    // What an earlier life put there may not be on disk yet.
    try files.sync()
    logger.info("records read", metadata: ["kind": "\(kind)", "records": "\(count)"])
  }

  /// How many records there are.
  public var count: Int { index.withLock { $0.entries.count } }

  /// All records, by workload.
  public var records: [Content] {
    index.withLock { $0.entries.values.map(\.content) }.sorted { $0.workload < $1.workload }
  }

  /// The record of a workload.
  public subscript(workload: WorkloadID) -> Content? { index.withLock { $0.entries[workload]?.content } }

  /// The record that has claimed something, and is in place.
  public func record(claiming claim: Content.Claim) -> Content? {
    index.withLock { index in
      guard let owner = index.owners[claim], let content = index.entries[owner]?.content else { return nil }
      return content.claim == claim ? content : nil
    }
  }

  /// Whether exactly this record is on disk.
  public func contains(_ content: Content) -> Bool {
    index.withLock { index in
      guard let entry = index.entries[content.workload] else { return false }
      return entry.isDurable && entry.content == content
    }
  }

  /// Throws when another workload has what the record claims.
  public func checkOwner(of content: Content) throws(ClaimTaken) {
    try index.withLock { index throws(ClaimTaken) in try index.checkOwner(of: content) }
  }

  /// Puts a record in the place of the one that its workload had, and returns that one. One that is there already is not written.
  /// Changes to one workload must not overlap.
  ///
  /// - Throws: ``ClaimTaken``, or ``RecordStoreError`` when the file cannot be written; the old record then stays.
  @discardableResult
  public func set(_ content: Content) async throws -> Content? {
    let isThere = try index.withLock { index throws(ClaimTaken) in
      try index.checkOwner(of: content)
      if let entry = index.entries[content.workload], entry.isDurable, entry.content == content { return true }
      index.owners[content.claim] = content.workload
      index.claims[content.workload] = content.claim
      return false
    }
    if isThere { return content }
    return try await withCheckedContinuation { submit(.write(content, $0)) }.get()
  }

  /// Takes a workload's record away and returns it; nil when there is none. Changes to one workload must not overlap.
  ///
  /// - Throws: ``RecordStoreError`` when the file cannot be removed.
  @discardableResult
  public func delete(_ workload: WorkloadID) async throws -> Content? {
    guard self[workload] != nil else { return nil }
    return try await withCheckedContinuation { submit(.remove(workload, $0)) }.get()
  }

  /// Returns once the thread that writes has come to it.
  public func takesTurn() async { await withCheckedContinuation { submit(.scan([], $0)) } }

  private func submit(_ job: Job) { writer.submit(job) { [self] in work($0) } }

  // MARK: On the writer's thread

  private func work(_ jobs: [Job]) {
    // What somebody else did to a file is seen before it is written over or removed.
    scan(
      jobs.compactMap { job in
        switch job {
        case .write(let content, _): content.workload.fileName
        case .remove(let workload, _): workload.fileName
        case .scan: nil
        }
      })
    var edits: [(edit: RecordFiles.Edit, job: Job)] = []
    for job in jobs {
      switch job {
      case .write(let content, _):
        let isKnown = self[content.workload] != nil
        let file = RecordFiles.Writing(name: content.workload.fileName, bytes: content.encoded())
        edits.append((.write(file, replacing: isKnown), job))
      case .remove(let workload, _): edits.append((.remove(workload.fileName), job))
      case .scan: break
      }
    }
    if !edits.isEmpty {
      // Somebody may have taken it away.
      try? FileSystem.makeDirectory(files.staging, mode: 0o755)
      for (edit, outcome) in zip(edits, files.apply(edits.map(\.edit))) { settle(edit.job, outcome) }
    }
    for case .scan(let names, let continuation) in jobs {
      scan(names)
      continuation.resume()
    }
  }

  private func settle(_ job: Job, _ outcome: RecordFiles.EditOutcome) {
    switch (job, outcome) {
    case (.write(let content, let continuation), .durable(let stamp)):
      let old = index.withLock { index in
        index.claims[content.workload] = nil
        return index.put(Entry(content: content, isDurable: true, stamp: stamp))
      }
      onEvent(.set(content, replacing: old))
      logger.info(
        "\(kind) \(old == nil ? "set" : "replaced")",
        metadata: ["workload": "\(content.workload)", "claim": "\(content.claim)"])
      continuation.resume(returning: .success(old))
    case (.write(let content, let continuation), .unsynced(let stamp, let error)):
      // It is seen, so it is served; whether it lasts, the next try will tell.
      let old = index.withLock { index in
        index.claims[content.workload] = nil
        return index.put(Entry(content: content, isDurable: false, stamp: stamp))
      }
      onEvent(.set(content, replacing: old))
      continuation.resume(returning: .failure(fault("store", content.workload, error)))
    case (.write(let content, let continuation), .failed(let error)):
      index.withLock { index in
        index.claims[content.workload] = nil
        if index.entries[content.workload]?.content.claim != content.claim { index.owners[content.claim] = nil }
      }
      continuation.resume(returning: .failure(fault("store", content.workload, error)))
    case (.remove(let workload, let continuation), .durable):
      let old = index.withLock { $0.remove(workload) }
      if let old {
        onEvent(.deleted(old))
        logger.info("\(kind) deleted", metadata: ["workload": "\(workload)", "claim": "\(old.claim)"])
      }
      continuation.resume(returning: .success(old))
    case (.remove(let workload, let continuation), .unsynced(_, let error)):
      // A power cut may bring the file back: it is looked at again.
      index.withLock { index in
        index.entries[workload]?.isDurable = false
        _ = index.unsettled.insert(workload.fileName)
      }
      continuation.resume(returning: .failure(fault("remove", workload, error)))
    case (.remove(let workload, let continuation), .failed(let error)):
      continuation.resume(returning: .failure(fault("remove", workload, error)))
    case (.scan(_, let continuation), _): continuation.resume()
    }
  }

  private func fault(_ verb: String, _ workload: WorkloadID, _ error: FileError) -> RecordStoreError {
    let reason =
      error.code == EEXIST ? "\(error.path) exists and is not this module's" : "\(error)"
    logger.error("\(kind) not stored", metadata: ["workload": "\(workload)", "reason": "\(reason)"])
    return RecordStoreError(description: "cannot \(verb) the \(kind) of \(workload): \(reason)")
  }

  // MARK: What others do

  private func names() throws(FileError) -> [String] {
    try FileSystem.names(in: files.directory).filter { $0.hasSuffix(".yaml") && !$0.hasPrefix(".") }
  }

  private enum Sighting {
    case nothing
    case record(Content, FileStamp)
    case broken(String)
  }

  /// Brings the index and files together again where others may have changed those. The older ones come first.
  private func scan(_ names: [String], isStart: Bool = false) {
    var found: [(name: String, sighting: Sighting, modified: Int64)] = []
    for name in names {
      let known = Self.workload(of: name).flatMap { workload in index.withLock { $0.entries[workload] } }
      if let status = try? FileSystem.status(files.path(name)), let known, status.stamp == known.stamp { continue }
      guard let sighting = look(at: name) else { continue }
      var modified: Int64 = 0
      if case .record(_, let stamp) = sighting { modified = stamp.modified }
      found.append((name, sighting, modified))
    }
    for file in found.sorted(by: { ($0.modified, $0.name) < ($1.modified, $1.name) }) {
      take(file.name, file.sighting, isStart: isStart)
    }
  }

  private func look(at name: String) -> Sighting? {
    do throws(FileError) {
      let (bytes, stamp) = try FileSystem.read(files.path(name), limit: Self.maximumSize)
      guard let workload = Self.workload(of: name) else { return .broken("its name is no workload's") }
      do throws(FileMismatch) {
        return .record(try Content(file: bytes.span, of: workload), stamp)
      } catch {
        return .broken("\(error)")
      }
    } catch {
      switch error.code {
      // Without the directory there is no telling what became of its files.
      case ENOENT: return (try? FileSystem.status("\(files.directory)/.")) == nil ? nil : .nothing
      case EFBIG: return .broken("it is larger than \(Self.maximumSize) bytes")
      case ELOOP, EISDIR, ENXIO: return .broken("not a file")
      default:
        logger.error("file cannot be read", metadata: ["file": "\(files.path(name))", "reason": "\(error)"])
        return nil
      }
    }
  }

  private func take(_ name: String, _ sighting: Sighting, isStart: Bool) {
    let workload = Self.workload(of: name)
    let known = workload.flatMap { workload in index.withLock { $0.entries[workload]?.content } }
    switch sighting {
    case .nothing:
      guard let workload, known != nil else { return settled(name) }
      do throws(FileError) { try files.sync() } catch { return unsettle(name, error) }
      guard let old = index.withLock({ $0.remove(workload) }) else { return }
      logger.notice(
        "\(kind) gone: its file was removed", metadata: ["workload": "\(workload)", "claim": "\(old.claim)"])
      onEvent(.deleted(old))
    case .record(let content, let stamp):
      do throws(ClaimTaken) {
        try checkOwner(of: content)
      } catch {
        return putAway(name, "\(error), by an older file", keeping: known)
      }
      // Somebody else's file may not be on disk yet; at the start it has had the time.
      let old = index.withLock { $0.put(Entry(content: content, isDurable: isStart, stamp: stamp)) }
      if old != content { onEvent(.set(content, replacing: old)) }
      if !isStart, old != content {
        logger.info("\(kind) taken over", metadata: ["workload": "\(content.workload)", "claim": "\(content.claim)"])
      }
    case .broken(let reason): return putAway(name, reason, keeping: known)
    }
    settled(name)
  }

  /// Moves a file out of the way; where its workload has a record, that is written again.
  private func putAway(_ name: String, _ reason: String, keeping known: Content?) {
    do throws(FileError) {
      let place: String?
      if let known {
        let file = RecordFiles.Writing(name: name, bytes: known.encoded())
        let outcome: RecordFiles.EditOutcome
        (place, outcome) = try files.replace(name, with: file)
        switch outcome {
        case .durable(let stamp):
          index.withLock { _ = $0.put(Entry(content: known, isDurable: true, stamp: stamp)) }
          settled(name)
        case .unsynced(let stamp, _):
          index.withLock { _ = $0.put(Entry(content: known, isDurable: false, stamp: stamp)) }
        case .failed(let error): throw error
        }
      } else {
        place = try files.putAway(name)
        settled(name)
      }
      guard let place else { return }
      logger.error(
        "file moved to quarantine", metadata: ["file": "\(name)", "reason": "\(reason)", "quarantine": "\(place)"])
      onEvent(.quarantined(Self.workload(of: name), reason: "\(name): \(reason)"))
    } catch {
      unsettle(name, error)
    }
  }

  private func settled(_ name: String) { index.withLock { _ = $0.unsettled.remove(name) } }

  private func unsettle(_ name: String, _ error: FileError) {
    let isNew = index.withLock { $0.unsettled.insert(name).inserted }
    guard isNew else { return }
    logger.error("file cannot be put right", metadata: ["file": "\(files.path(name))", "reason": "\(error)"])
  }

  private static func workload(of name: String) -> WorkloadID? {
    name.hasSuffix(".yaml") ? try? WorkloadID(String(name.dropLast(5))) : nil
  }

  // MARK: Watching

  /// Takes in what others do to the files, until the task is cancelled.
  public func watch() async {
    var reported = false
    while !Task.isCancelled {
      do {
        let inotify = try Inotify()
        _ = try inotify.watch(
          files.directory,
          for: UInt32(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF))
        if reported { logger.notice("files are watched again", metadata: ["directory": "\(files.directory)"]) }
        reported = false
        await scanAll()
        try await follow(inotify)
      } catch {
        if !reported, !Task.isCancelled {
          logger.error("files are not watched", metadata: ["directory": "\(files.directory)", "reason": "\(error)"])
        }
        reported = true
        await restoreDirectory()
        try? await Task.sleep(for: .seconds(1))
      }
    }
  }

  /// Until the directory is another one, or events were lost.
  private func follow(_ inotify: Inotify) async throws {
    while !Task.isCancelled {
      let unsettled = index.withLock { $0.unsettled }
      let events = try await withTaskCancellationHandler {
        try await POSIXThread.run { _ in try inotify.read(within: unsettled.isEmpty ? nil : .seconds(1)) }
      } onCancel: {
        inotify.wake()
      }
      var names = unsettled
      for event in events {
        if event.mask & UInt32(IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF) != 0 { return }
        if event.name.hasSuffix(".yaml"), !event.name.hasPrefix(".") { names.insert(event.name) }
      }
      if !names.isEmpty { await scan(names) }
    }
  }

  private func scan(_ names: Set<String>) async { await withCheckedContinuation { submit(.scan(Array(names), $0)) } }

  private func scanAll() async {
    let known = index.withLock { $0.entries.keys.map(\.fileName) }
    await scan(Set((try? names()) ?? []).union(known))
  }

  /// Where the directory is gone and its parent is not, it is made again, with all records.
  private func restoreDirectory() async {
    guard files.isMissing else { return }
    // Who replaces it with another takes it away first.
    try? await Task.sleep(for: .seconds(3))
    guard files.isMissing, (try? files.make()) != nil else { return }
    let records = index.withLock { index in
      for workload in index.entries.keys { index.entries[workload]?.isDurable = false }
      return index.entries.values.map(\.content)
    }
    logger.notice("files were gone with their directory", metadata: ["kind": "\(kind)", "records": "\(records.count)"])
    for content in records {
      // What fails is told in the log; the file is written when the record is set again.
      _ = await withCheckedContinuation { submit(.write(content, $0)) }
    }
  }
}
