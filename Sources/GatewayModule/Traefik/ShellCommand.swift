import CLinux
import Glibc

/// A command line that an operator gave.
struct ShellCommand: Sendable {
  private let text: String

  init(_ text: String) {
    self.text = text
  }

  /// Runs it by `/bin/sh` and waits for its end. It gets no standard input; its output goes where this program's does.
  ///
  /// - Parameter limit: when it has not ended by then, it is killed with all that it started.
  /// - Returns: nil when it succeeded, otherwise how it ended.
  func run(within limit: Duration) throws(SystemError) -> String? {
    let deadline = ContinuousClock.now + limit
    let process = try start()
    let inTime = Self.hasEnded(process, by: deadline)
    if !inTime { kill(-process, SIGKILL) }

    var status: CInt = 0
    while waitpid(process, &status, 0) < 0 {
      guard errno == EINTR else { throw SystemError("waitpid") }
    }
    guard inTime else { return "not done within \(limit)" }
    if status == 0 { return nil }
    let signal = status & 0x7f
    return signal == 0 ? "status \((status >> 8) & 0xff)" : "signal \(signal)"
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

  private static func hasEnded(_ process: pid_t, by deadline: ContinuousClock.Instant) -> Bool {
    let descriptor = clinux_pidfd_open(process)
    // Without one there is no waiting that ends in time.
    guard descriptor >= 0 else { return true }
    defer { close(descriptor) }
    while true {
      let left = max(ContinuousClock.now.duration(to: deadline) / .milliseconds(1), 0)
      var end = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let count = poll(&end, 1, CInt(left.rounded(.up)))
      if count < 0, errno == EINTR { continue }
      return count != 0
    }
  }
}
