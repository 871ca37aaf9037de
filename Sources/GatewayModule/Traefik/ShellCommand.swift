import Glibc

/// A command line that an operator gave.
struct ShellCommand: Sendable {
  private let text: String

  /// How often it is looked whether it has ended.
  private static let pause = Duration.milliseconds(10)
  /// How long what was killed has to be gone: it may hang in the kernel for longer than anybody waits.
  private static let patience = Duration.seconds(1)

  init(_ text: String) {
    self.text = text
  }

  /// Runs it by `/bin/sh` and waits for its end. It gets no standard input; its output goes where this program's does.
  ///
  /// When the task is cancelled, it is killed with all that it started.
  ///
  /// - Parameter limit: when it has not ended by then, it is killed in the same way.
  /// - Returns: nil when it succeeded, otherwise how it ended.
  func run(within limit: Duration) async throws(SystemError) -> String? {
    let process = try start()
    if let end = try await end(of: process, within: limit) { return end.text }
    let isCancelled = Task.isCancelled
    kill(-process, SIGKILL)
    let deadline = ContinuousClock.now + Self.patience
    while try Self.end(of: process) == nil, .now < deadline { usleep(1000) }
    return isCancelled ? "it was cut off" : "not done within \(limit)"
  }

  /// Returns nil when it has not ended in time, or the task was cancelled.
  private func end(of process: pid_t, within limit: Duration) async throws(SystemError) -> End? {
    let deadline = ContinuousClock.now + limit
    while !Task.isCancelled {
      if let end = try Self.end(of: process) { return end }
      guard .now < deadline else { return nil }
      try? await Task.sleep(for: Self.pause)
    }
    return try Self.end(of: process)
  }

  private struct End {
    /// nil for success.
    let text: String?
  }

  /// Returns nil while it runs. Once it has ended, nothing is known of it any more.
  private static func end(of process: pid_t) throws(SystemError) -> End? {
    var status: CInt = 0
    while true {
      switch waitpid(process, &status, WNOHANG) {
      case 0: return nil
      case process:
        if status == 0 { return End(text: nil) }
        let signal = status & 0x7f
        return End(text: signal == 0 ? "status \((status >> 8) & 0xff)" : "signal \(signal)")
      default: guard errno == EINTR else { throw SystemError("waitpid") }
      }
    }
  }

  /// Starts it in a process group of its own.
  private func start() throws(SystemError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)

    // The child must see signals as any program does, whatever this process does with them.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    var all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

    let arguments: [UnsafeMutablePointer<CChar>?] = [strdup("/bin/sh"), strdup("-c"), strdup(text)]
    defer { for argument in arguments { free(argument) } }
    var process = pid_t()
    let code = posix_spawn(&process, "/bin/sh", &actions, &attributes, arguments + [nil], environ)
    guard code == 0 else { throw SystemError("posix_spawn", code: code) }
    return process
  }
}
