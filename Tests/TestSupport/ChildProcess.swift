import Foundation
import Synchronization

/// A program that a test runs.
///
/// It dies with the test process, and is reaped as soon as it exits. What it prints goes to a file, whose end is quoted
/// in errors. It runs in the network namespace that ``TemporaryNetworkNamespace/inside(_:isolation:_:)`` names.
public final class ChildProcess: Fixture {
  /// How a process ended.
  public enum ExitStatus: Sendable, Hashable {
    case code(Int32)
    case signal(Int32)
  }

  /// The program's file name.
  public let name: String
  public let pid: Int32
  /// The file that holds what the process wrote to its standard error, and its standard output unless that was
  /// redirected.
  public let log: String
  private let life: Life

  /// Starts a program, runs `body` with it and stops it.
  ///
  /// - Parameters:
  ///   - program: a path, or a name to be found on `PATH`.
  ///   - environment: added to that of this process.
  ///   - standardInput: a descriptor to read from; `/dev/null` when nil.
  ///   - standardOutput: a descriptor to write to; the log when nil.
  ///   - log: the file for its output, appended to.
  @discardableResult
  public static func withProcess<Result>(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], standardInput: Int32? = nil,
    standardOutput: Int32? = nil, log: String,
    isolation: isolated (any Actor)? = #isolation, _ body: (ChildProcess) async throws -> Result
  ) async throws -> Result {
    try await using(
      ChildProcess(
        program, arguments, environment: environment, standardInput: standardInput, standardOutput: standardOutput,
        log: log), body)
  }

  /// Starts a program. Whoever calls this calls ``stop(within:)``; a test uses ``withProcess(_:_:environment:standardInput:standardOutput:log:isolation:_:)``.
  ///
  /// - Parameters:
  ///   - program: a path, or a name to be found on `PATH`.
  ///   - environment: added to that of this process.
  ///   - directory: where it runs; where this process runs when nil.
  ///   - standardInput: a descriptor to read from; `/dev/null` when nil.
  ///   - standardOutput: a descriptor to write to; the log when nil.
  ///   - log: the file for its output, appended to.
  public init(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], directory: String? = nil,
    standardInput: Int32? = nil, standardOutput: Int32? = nil, log: String
  ) throws {
    let spawn = Spawn(
      program: program, arguments: arguments, environment: environment,
      namespace: TemporaryNetworkNamespace.current, directory: directory, standardInput: standardInput,
      standardOutput: standardOutput, log: log)
    let life = Life()
    let started = DispatchSemaphore(value: 0)
    // The kernel kills a child as soon as the thread that started it ends (`setpriv --pdeathsig`). So every child has a
    // thread, which starts it, waits for its end and reaps it.
    Thread.detachNewThread {
      life.begin(spawn.run())
      started.signal()
      life.waitForEnd()
    }
    started.wait()
    pid = try life.pid(of: program)
    name = URL(filePath: program).lastPathComponent
    self.log = log
    self.life = life
  }

  /// How it ended; nil while it runs.
  public var exitStatus: ExitStatus? { life.status }

  /// Sends a signal; nothing when it has exited.
  public func signal(_ number: Int32) {
    life.signal(number)
  }

  /// Waits for its end.
  ///
  /// - Throws: ``FixtureError`` when it still runs after `limit`.
  public func exit(within limit: Duration = .patience) async throws -> ExitStatus {
    // Looked at rather than waited for, so that a cancelled test does not wait.
    try await eventually(within: limit) {
      self.exitStatus
    } until: {
      $0 != nil
    }!
  }

  /// Ends it: `SIGTERM`, and `SIGKILL` when it still runs after `limit`.
  public func stop(within limit: Duration = .seconds(5)) async {
    life.signal(SIGTERM)
    life.signal(SIGCONT)
    // Not by sleeping: a cancelled task must stop its processes too.
    let (seconds, attoseconds) = limit.components
    let deadline = DispatchTime.now() + Double(seconds) + Double(attoseconds) / 1e18
    DispatchQueue.global().asyncAfter(deadline: deadline) { [life] in life.signal(SIGKILL) }
    await life.end()
  }

  func stop() async {
    await stop(within: .seconds(5))
  }

  /// Everything in the log so far.
  public var output: String {
    String(decoding: FileManager.default.contents(atPath: log) ?? Data(), as: UTF8.self)
  }

  /// The lines of the log that are whole.
  public var lines: [String] { Self.wholeLines(of: output) }

  /// The lines that have an end: a program may write one in several pieces.
  public static func wholeLines(of output: String) -> [String] {
    output[..<(output.lastIndex(of: "\n") ?? output.startIndex)].split(separator: "\n").map(String.init)
  }

  /// The last lines of the log, for an error.
  public var lastWords: String {
    let all = output.split(separator: "\n")
    // Of one that has crashed, where.
    let crash = all.firstIndex { $0.contains("Fatal error") || $0.contains("*** Program crashed") }
    let lines = crash.map { all[$0...].prefix(60) } ?? all.suffix(20)
    let status = exitStatus.map { "exited with \($0)" } ?? "runs"
    return "\(name) (\(status)) said:\n" + lines.joined(separator: "\n")
  }

  /// Waits for a line of the log that satisfies `matches` and returns it.
  ///
  /// - Throws: ``FixtureError`` with the end of the log, when there is none within `limit` or the process has exited.
  public func line(within limit: Duration = .patience, where matches: (String) -> Bool) async throws -> String {
    var found: String?
    try await ready(within: limit) {
      found = self.lines.first(where: matches)
      return found != nil
    }
    return found!
  }

  /// Waits until `condition` holds.
  ///
  /// - Throws: ``FixtureError`` with the end of the log, when it does not hold within `limit` or the process has exited.
  public func ready(within limit: Duration = .patience, when condition: () async throws -> Bool) async throws {
    do {
      var exited = false
      try await eventually(within: limit) {
        // In this order: what a process did before it ended counts.
        exited = self.exitStatus != nil
        return try await condition() || exited
      }
      if exited, try await !condition() { throw FixtureError("ended too early") }
    } catch let error as CancellationError {
      throw error
    } catch {
      throw FixtureError("\(error)\n\(lastWords)")
    }
  }
}

/// What is known of a child process, shared by the test and the thread that waits for the child.
private final class Life: Sendable {
  private enum State {
    case unborn
    case failed(errno: Int32)
    case running(pid_t, waiters: [CheckedContinuation<Void, Never>])
    case ended(pid_t, ChildProcess.ExitStatus)
  }

  private let state = Mutex(State.unborn)

  var status: ChildProcess.ExitStatus? {
    state.withLock { if case .ended(_, let status) = $0 { status } else { nil } }
  }

  func pid(of program: String) throws -> pid_t {
    try state.withLock {
      switch $0 {
      case .running(let pid, _), .ended(let pid, _): return pid
      case .failed(let errno): throw FixtureError("cannot start \(program): \(String(cString: strerror(errno)))")
      case .unborn: preconditionFailure("asked before it was started")
      }
    }
  }

  func begin(_ outcome: Spawn.Outcome) {
    state.withLock {
      switch outcome {
      case .started(let pid): $0 = .running(pid, waiters: [])
      case .failed(let errno): $0 = .failed(errno: errno)
      }
    }
  }

  /// Blocks until the child has ended, and reaps it.
  func waitForEnd() {
    guard case .running(let pid, _) = state.withLock({ $0 }) else { return }
    var info = siginfo_t()
    // Reaped only under the lock, so that no signal goes to a process that got the number afterwards.
    while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
    let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      guard case .running(_, let waiters) = state else { return [] }
      var status: Int32 = 0
      waitpid(pid, &status, 0)
      let signal = status & 0x7f
      state = .ended(pid, signal == 0 ? .code((status >> 8) & 0xff) : .signal(signal))
      return waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  func signal(_ number: Int32) {
    state.withLock { if case .running(let pid, _) = $0 { _ = kill(pid, number) } }
  }

  /// Waits for the end, also in a cancelled task.
  func end() async {
    await withCheckedContinuation { waiter in
      let ended = state.withLock { state -> Bool in
        guard case .running(let pid, let waiters) = state else { return true }
        state = .running(pid, waiters: waiters + [waiter])
        return false
      }
      if ended { waiter.resume() }
    }
  }
}

/// The call of `posix_spawn` for a child process.
private struct Spawn {
  enum Outcome {
    case started(pid_t)
    case failed(errno: Int32)
  }

  let program: String
  let arguments: [String]
  let environment: [String: String]
  let namespace: String?
  let directory: String?
  let standardInput: Int32?
  let standardOutput: Int32?
  let log: String

  func run() -> Outcome {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_adddup2(&actions, standardOutput ?? 2, 1)
    if let standardInput {
      posix_spawn_file_actions_adddup2(&actions, standardInput, 0)
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    // Not every library marks its sockets close-on-exec, and one that lives on in a child never looks closed to its peer.
    for descriptor in 3..<min(getdtablesize(), 1024) { posix_spawn_file_actions_addclose(&actions, descriptor) }

    // A child starts with no signal blocked or ignored, whatever the test process does with them.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    var all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    let network = namespace.map { ["ip", "netns", "exec", $0] } ?? []
    let place = directory.map { ["env", "--chdir", $0] } ?? []
    let command = ["setpriv", "--pdeathsig", "KILL", "--"] + network + place + [program] + arguments
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
    var pid: pid_t = 0
    let result = withCStrings(command) { command in
      withCStrings(variables) { variables in
        posix_spawnp(&pid, "setpriv", &actions, &attributes, command, variables)
      }
    }
    return result == 0 ? .started(pid) : .failed(errno: result)
  }

  private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    let pointers = strings.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers)
  }
}
