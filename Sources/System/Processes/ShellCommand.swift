import Glibc

/// A command line that an operator gave.
package struct ShellCommand: Sendable {
  private let text: String
  private let arguments: [String]

  /// How often it is looked whether it has ended.
  private static let pause = Duration.milliseconds(10)
  /// How long what was killed has to be gone: it may hang in the kernel for longer than anybody waits.
  private static let patience = Duration.seconds(1)

  /// - Parameter arguments: what the text has as `$0`, `$1` and so on.
  package init(_ text: String, arguments: [String] = []) {
    self.text = text
    self.arguments = arguments
  }

  /// Runs it by `/bin/sh` and waits for its end. It gets no standard input; its output goes where this program's does.
  ///
  /// When the task is cancelled, it is killed with all that it started.
  ///
  /// - Parameter limit: when it has not ended by then, it is killed in the same way.
  /// - Returns: nil when it succeeded, otherwise how it ended.
  package func run(within limit: Duration) async throws(FileError) -> String? {
    let process = try SpawnedProcess("/bin/sh", ["-c", text] + arguments, output: .inherited)
    let deadline = ContinuousClock.now + limit
    while process.end == nil, !Task.isCancelled, .now < deadline { try? await Task.sleep(for: Self.pause) }
    if let end = process.end { return end == .status(0) ? nil : "\(end)" }
    let isCancelled = Task.isCancelled
    process.killGroup()
    let gone = ContinuousClock.now + Self.patience
    while process.end == nil, .now < gone { usleep(1000) }
    return isCancelled ? "it was cut off" : "not done within \(limit)"
  }
}
