import CLinux
package import Glibc

/// A program that this process started in a session of its own, which lives on when this one ends.
///
/// It gets no standard input, no signal blocked or ignored, and no descriptor of this process but those that are said.
package final class SpawnedProcess {
  /// Also the number of its process group.
  package let pid: pid_t
  private var exit: Exit?

  /// Where a program writes.
  package enum OutputTarget {
    /// Where this process does.
    case inherited
    /// Standard error to a descriptor, standard output nowhere: whoever waits for the end of this process' output need not
    /// wait for the end of the program too.
    case error(CInt)
  }

  /// How a program ended.
  package enum Exit: Hashable, Sendable, CustomStringConvertible {
    case status(CInt)
    case signal(CInt)

    /// `status 2`, `signal 9`.
    package var description: String {
      switch self {
      case .status(let number): "status \(number)"
      case .signal(let number): "signal \(number)"
      }
    }
  }

  /// - Parameters:
  ///   - program: its path.
  ///   - arguments: without the program's name.
  ///   - environment: `NAME=value` each; nil for that of this process.
  /// - Throws: `FileError`, with the program's path, when it cannot be started.
  package init(
    _ program: String, _ arguments: [String], environment: [String]? = nil, output: OutputTarget
  ) throws(FileError) {
    let standardError: CInt =
      switch output {
      case .inherited: -1
      case .error(let descriptor): descriptor
      }
    var pid: pid_t = 0
    let code = Self.withCStrings([program] + arguments) { arguments in
      guard let environment else { return clinux_spawn(&pid, program, arguments, environ, standardError) }
      return Self.withCStrings(environment) { clinux_spawn(&pid, program, arguments, $0, standardError) }
    }
    guard code == 0 else { throw FileError(program, "posix_spawn", code) }
    self.pid = pid
  }

  /// How it ended; nil while it runs.
  package var end: Exit? {
    if exit == nil { wait(WNOHANG) }
    return exit
  }

  /// Ends it at once, and waits until it is gone.
  package func kill() {
    guard end == nil else { return }
    // Its number is its own until it has been waited for.
    Glibc.kill(pid, SIGKILL)
    wait(0)
  }

  /// Ends it and all that it started in its group. It may hang in the kernel: whoever wants to know asks for ``end``.
  package func killGroup() {
    guard end == nil else { return }
    Glibc.kill(-pid, SIGKILL)
  }

  private func wait(_ options: CInt) {
    var status: CInt = 0
    var result: pid_t
    repeat { result = waitpid(pid, &status, options) } while result < 0 && errno == EINTR
    guard result == pid else { return }
    let signal = status & 0x7f
    exit = signal == 0 ? .status(status >> 8 & 0xff) : .signal(signal)
  }

  private static func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    let pointers = strings.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
  }
}
