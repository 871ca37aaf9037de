import CLinux
import Glibc

/// A program that this process started in a session of its own, which lives on when this one ends.
final class SpawnedProcess {
  let pid: pid_t
  private var status: CInt?

  /// - Parameters:
  ///   - arguments: without the program's name.
  ///   - standardError: a descriptor. The program gets nothing else of this process: whoever runs this one waits for the
  ///     end of its output too.
  init(_ program: String, _ arguments: [String], standardError: CInt) throws(HookError) {
    var pid: pid_t = 0
    let code = Self.withCStrings([program] + arguments) { arguments in
      // Messages in English, which are passed on.
      Self.withCStrings(["LC_ALL=C"]) { clinux_spawn_detached(&pid, program, arguments, $0, standardError) }
    }
    guard code == 0 else { throw HookError("cannot start \(program): \(String(cString: strerror(code)))") }
    self.pid = pid
  }

  /// How it ended: `with status 2`, `by signal 9`; `nil` while it runs.
  var end: String? {
    var status = self.status ?? 0
    if self.status == nil {
      guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
      self.status = status
    }
    let signal = status & 0x7f
    return signal == 0 ? "with status \(status >> 8 & 0xff)" : "by signal \(signal)"
  }

  /// Ends it at once.
  func kill() {
    guard end == nil else { return }
    // Its number is its own until it has been waited for.
    Glibc.kill(pid, SIGKILL)
    var status: CInt = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    self.status = status
  }

  private static func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    let pointers = strings.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
  }
}
