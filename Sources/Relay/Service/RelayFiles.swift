import Glibc
import Logging
import Records
import Synchronization
import System

/// The files of one kind of record, followed: each change of one is taken in, whoever made it. They are nobody's to change here.
final class RelayFiles<Content: StoredRecord>: Sendable {
  private let directory: String
  private let kind: String
  private let logger: Logger
  /// Takes in what a file says now; throws why that cannot be served.
  private let apply: @Sendable (Content?, WorkloadID) throws -> Void
  /// One file after the other; why it is not served, by name.
  private let queue: GroupWriter<String>
  private let problems = Mutex<[String: String]>([:])
  /// The files of what is served, which may be gone when nobody looks.
  private let served = Mutex<Set<String>>([])

  init(
    _ directory: String, kind: String, logger: Logger, apply: @escaping @Sendable (Content?, WorkloadID) throws -> Void
  ) {
    self.directory = directory
    self.kind = kind
    self.logger = logger
    self.apply = apply
    queue = GroupWriter(kind)
  }

  /// Takes in what a workload's file says now.
  ///
  /// - Returns: why it is not served; nil when it is.
  func look(at workload: WorkloadID) async throws -> String? {
    let name = workload.fileName
    try await queue.run { [self] in take([name]) }
    return problems.withLock { $0[name] }
  }

  /// Why the files of workloads are not served that are not.
  var faults: [WorkloadID: String] {
    let problems = problems.withLock { $0 }
    return Dictionary(
      problems.compactMap { name, reason in (try? WorkloadID(String(name.dropLast(5)))).map { ($0, reason) } },
      uniquingKeysWith: { first, _ in first })
  }

  /// Follows the files until the task is cancelled.
  func follow() async {
    var isReported = false
    while !Task.isCancelled {
      do {
        let inotify = try Inotify()
        _ = try inotify.watch(
          directory,
          for: UInt32(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF))
        isReported = false
        try await lookAtAll()
        try await follow(inotify)
      } catch {
        // The gateway makes it when it is given its first.
        if !isReported, !Task.isCancelled {
          logger.info("no files are followed yet", metadata: ["directory": "\(directory)", "reason": "\(error)"])
        }
        isReported = true
        try? await Task.sleep(for: .seconds(1))
      }
    }
  }

  private func lookAtAll() async throws {
    let names = try names().union(served.withLock { $0 })
    try await queue.run { [self] in take(names.sorted()) }
  }

  private func names() throws(FileError) -> Set<String> {
    Set(try FileSystem.names(in: directory).filter { $0.hasSuffix(".yaml") && !$0.hasPrefix(".") })
  }

  private func follow(_ inotify: Inotify) async throws {
    while !Task.isCancelled {
      let waiting = problems.withLock { Set($0.keys) }
      let events = try await withTaskCancellationHandler {
        try await POSIXThread.run { _ in try inotify.read(within: waiting.isEmpty ? nil : .seconds(1)) }
      } onCancel: {
        inotify.wake()
      }
      var names = waiting
      for event in events {
        if event.mask & UInt32(IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF) != 0 { return }
        if event.name.hasSuffix(".yaml"), !event.name.hasPrefix(".") { names.insert(event.name) }
      }
      let all = names.sorted()
      if !all.isEmpty { try await queue.run { [self] in take(all) } }
    }
  }

  // MARK: On the queue

  private func take(_ names: [String]) {
    for name in names {
      do {
        guard let workload = try? WorkloadID(String(name.dropLast(5))) else {
          throw RelayFault(description: "its name is no workload's")
        }
        let content = try read(name, of: workload)
        try apply(content, workload)
        served.withLock { served in
          if content == nil { served.remove(name) } else { served.insert(name) }
        }
        if problems.withLock({ $0.removeValue(forKey: name) }) != nil {
          logger.notice("\(kind) is served now", metadata: ["workload": "\(workload)"])
        }
      } catch {
        let reason = "\(error)"
        guard problems.withLock({ $0.updateValue(reason, forKey: name) }) != reason else { continue }
        logger.error("\(kind) is not served", metadata: ["file": "\(directory)/\(name)", "reason": "\(reason)"])
      }
    }
  }

  /// nil where there is no file.
  private func read(_ name: String, of workload: WorkloadID) throws -> Content? {
    do {
      let (bytes, _) = try FileSystem.read("\(directory)/\(name)", limit: 1 << 20)
      return try Content(file: bytes.span, of: workload)
    } catch let error as FileError where error.code == ENOENT {
      return nil
    }
  }
}

/// Why something is not served.
struct RelayFault: Error, CustomStringConvertible {
  let description: String
}
