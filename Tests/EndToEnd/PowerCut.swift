/// What of a route directory is there after a power cut at each moment of a recorded run, by what a file system
/// promises: nothing of a file before it was synced, nothing of a name before its directory was.
///
/// Shares no code with the gateway.
struct PowerCut {
  /// An answer that a caller was given, and what it promises of a file in `proxy/`.
  struct Promise {
    let operation: String
    /// The list to which the answer was pushed.
    let replyTo: String
    let file: String
    /// Text that is in the file; nil when there is no file.
    let content: String?
  }

  /// What is wrong, a line for each moment at which a power cut would have broken a promise.
  private(set) var faults: [String] = []
  /// How many of the promises were seen to be given.
  var promised: Int { given.count }

  private struct File {
    var content: [UInt8] = []
    var isSynced = false
    /// Counts writes, so that a sync is known to have covered all of them.
    var version = 0
  }

  /// What a name may stand for after a power cut.
  private struct Entry {
    let content: [UInt8]?
    let change: Int?
    var isDone: Bool
  }

  private enum Sync {
    /// The version of each file.
    case files([String: Int])
    case names([String: Int])
  }

  private let proxy: String
  private let staging: String
  private var files: [String: File] = [:]
  private var names: [String: [Entry]] = [:]
  /// By the call that syncs: the version of the file, or the last change of each name, when it began.
  private var syncing: [Int: Sync] = [:]
  private let promises: [Promise]
  private var given: Set<String> = []
  /// The end of what was sent on each socket, where the beginning of an address may stand.
  private var sent: [String: [UInt8]] = [:]

  /// - Parameter root: the gateway's.
  init(_ trace: SystemCallTrace, root: String, promises: [Promise]) {
    proxy = root + "/proxy"
    staging = root + "/staging"
    self.promises = promises
    for event in trace.events {
      switch event {
      case .began(let index): begin(trace.calls[index], index)
      case .ended(let index): end(trace.calls[index], index)
      }
    }
  }

  private mutating func begin(_ call: SystemCallTrace.Call, _ index: Int) {
    switch call.name {
    case "openat":
      let path = call.text(0)
      if path.hasPrefix(proxy + "/"), !call.text.contains("O_RDONLY") { faults.append("\(path) is written in place") }
      if path.hasPrefix(staging + "/"), call.text.contains("O_TRUNC") { files[path] = File() }
    case "write", "sendto":
      let path = call.files[0]
      if path.hasPrefix("socket:") { send(call.strings.first ?? [], on: path) }
      if path.hasPrefix(proxy + "/") { faults.append("\(path) is written in place") }
      files[path]?.isSynced = false
      files[path]?.version += 1
    case "fsync", "fdatasync":
      let path = call.files[0]
      if path == proxy {
        syncing[index] = .names(names.compactMapValues { entries in entries.last(where: \.isDone)?.change })
      } else if let file = files[path] {
        syncing[index] = .files([path: file.version])
      }
    case "syncfs":
      // Names count as synced by their directory's own sync alone.
      if isRoute(call.files[0]) { syncing[index] = .files(files.mapValues(\.version)) }
    case "rename", "renameat2":
      guard call.text(1).hasPrefix(proxy + "/") else { return }
      let file = files.removeValue(forKey: call.text(0)) ?? File()
      if !file.isSynced { faults.append("\(call.text(1)) appears before its content is synced") }
      change(call.text(1), to: file.content, by: index)
    case "unlink":
      if call.text(0).hasPrefix(proxy + "/") { change(call.text(0), to: nil, by: index) }
    default:
      // This model knows nothing of other ways to change a file, so there must be none.
      if (call.files + call.strings.map { String(decoding: $0, as: UTF8.self) }).contains(where: isRoute) {
        faults.append("\(call.name) on a route file")
      }
    }
  }

  private mutating func end(_ call: SystemCallTrace.Call, _ index: Int) {
    switch call.name {
    case "write": files[call.files[0]]?.content += call.strings.first?.prefix(max(0, call.result)) ?? []
    case "fsync", "fdatasync", "syncfs":
      guard let sync = syncing.removeValue(forKey: index), call.result == 0 else { return }
      switch sync {
      case .files(let versions):
        for (path, version) in versions where files[path]?.version == version { files[path]?.isSynced = true }
      case .names(let changes):
        for (path, change) in changes {
          guard let last = names[path]?.firstIndex(where: { $0.change == change }) else { continue }
          names[path]?.removeFirst(last)
        }
      }
    case "rename", "renameat2", "unlink":
      let path = call.text(call.strings.count - 1)
      guard let entry = names[path]?.firstIndex(where: { $0.change == index }) else { return }
      if call.result == 0 { names[path]![entry].isDone = true } else { names[path]!.remove(at: entry) }
    default: return
    }
  }

  private func isRoute(_ path: String) -> Bool {
    path.hasPrefix(proxy + "/") || path.hasPrefix(staging + "/")
  }

  private mutating func change(_ path: String, to content: [UInt8]?, by index: Int) {
    names[path, default: [Entry(content: nil, change: nil, isDone: true)]].append(
      Entry(content: content, change: index, isDone: false))
  }

  /// Checks the promises whose answers are among the bytes.
  private mutating func send(_ bytes: [UInt8], on socket: String) {
    let text = String(decoding: sent[socket, default: []] + bytes, as: UTF8.self)
    for promise in promises where text.contains(promise.replyTo) && !given.contains(promise.replyTo) {
      given.insert(promise.replyTo)
      check(promise)
    }
    sent[socket] = Array(bytes.suffix(64))
  }

  private mutating func check(_ promise: Promise) {
    let path = "\(proxy)/\(promise.file)"
    let possible = names[path] ?? [Entry(content: nil, change: nil, isDone: true)]
    let isKept = possible.allSatisfy { entry in
      switch (entry.content, promise.content) {
      case (nil, nil): true
      case (let content?, let text?): String(decoding: content, as: UTF8.self).contains(text)
      default: false
      }
    }
    if !isKept { faults.append("a power cut undoes \(promise.operation) after its answer") }
  }
}
