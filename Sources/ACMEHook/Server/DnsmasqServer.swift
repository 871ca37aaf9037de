import Glibc
import Records
import System

/// The node's name server, which runs while a challenge is pending. There is never more than one.
///
/// dnsmasq reads its records only when it starts, so that new ones take a restart: the port is closed for 10 to 40 ms, in
/// which a resolver that asks gets no answer and asks again.
///
/// Nothing on disk says which process it is, and so nothing can say it wrongly. It is known by an argument that no other
/// process has, the path of its configuration, and it holds a lock for as long as it lives.
struct DnsmasqServer {
  let directory: StateDirectory

  /// How long it may take to end when it is asked to; then it is killed.
  static let patience = Duration.seconds(1)

  private var mark: String { "--conf-file=\(directory.configuration)" }

  /// Whether a server runs that was started with these bytes. The file changes only while none does.
  func runs(with configuration: [UInt8]) -> Bool {
    guard let file = try? FileSystem.read(directory.configuration, limit: 1 << 20), file.bytes == configuration else {
      return false
    }
    return !RunningProcess.all(startedWith: mark).isEmpty
  }

  /// Ends the server, or whatever is left of one, and waits until it is gone.
  func stop() throws {
    _ = try stopped()
  }

  /// Starts a server with another configuration, after the end of the one before.
  func restart(_ configuration: [UInt8], listeningOn ports: [Port]) throws -> SpawnedProcess {
    let program = try Self.program
    // On disk before the port is closed, which is the slow part.
    try directory.stage(configuration, for: directory.configuration)
    let lock = try stopped()
    for port in ports { try port.check() }
    try directory.commit(directory.configuration)
    guard ftruncate(lock.descriptor, 0) == 0 else { throw FileError(directory.log, "ftruncate") }
    // Messages in English, which are passed on.
    return try SpawnedProcess(
      program, [mark, "--pid-file="], environment: ["LC_ALL=C"], output: .error(lock.descriptor))
  }

  /// The last line that the server said, without its own name and time.
  var lastWords: String? {
    guard let log = try? FileSystem.read(directory.log, limit: 1 << 20).bytes else { return nil }
    let line = String(decoding: log, as: UTF8.self).split(separator: "\n").last { !$0.allSatisfy(\.isWhitespace) }
    return line.map { $0.hasPrefix("dnsmasq: ") ? String($0.dropFirst("dnsmasq: ".count)) : String($0) }
  }

  /// Ends the server and takes its lock, which the next one inherits.
  private func stopped() throws -> FileLock {
    let deadline = ContinuousClock.now + Self.patience * 2
    while true {
      let processes = RunningProcess.all(startedWith: mark)
      let patience = ContinuousClock.now + Self.patience
      for process in processes { process.signal(SIGTERM) }
      for process in processes where !process.ends(before: patience) {
        process.signal(SIGKILL)
        _ = process.ends(before: deadline)
      }
      if processes.isEmpty, let lock = try FileLock.attempt(directory.log) { return lock }
      // None is seen and one is there: it ends, or a hook that was killed had just started it.
      guard .now < deadline else {
        throw HookError("cannot stop the name server of an earlier challenge, which holds \(directory.log)")
      }
      if processes.isEmpty { usleep(1000) }
    }
  }

  /// dnsmasq's path: the first on `PATH`, or where system administrators' programs are.
  private static var program: String {
    get throws(HookError) {
      let path = getenv("PATH").map { String(cString: $0) } ?? ""
      let folders = path.split(separator: ":").filter { $0.hasPrefix("/") } + ["/usr/local/sbin", "/usr/sbin", "/sbin"]
      for folder in folders where access("\(folder)/dnsmasq", X_OK) == 0 { return "\(folder)/dnsmasq" }
      throw HookError("dnsmasq is not installed: it is in none of \(folders.joined(separator: ", "))")
    }
  }
}
