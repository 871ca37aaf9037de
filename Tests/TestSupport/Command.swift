import Foundation

/// One run of a program to its end.
public enum Command {
  /// What a program left behind.
  public struct Outcome: Sendable {
    public let status: ChildProcess.ExitStatus
    public let standardOutput: String
    public let standardError: String
  }

  /// Runs a program and returns what it printed, whatever its exit status.
  ///
  /// - Throws: ``FixtureError`` when it does not end within `limit`.
  public static func run(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:],
    within limit: Duration = .patience * 2
  ) async throws -> Outcome {
    try await TemporaryDirectory.withDirectory { directory in
      let output = directory.file("output")
      let descriptor = open(output, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
      defer { close(descriptor) }
      let process = try ChildProcess(
        program, arguments, environment: environment, standardOutput: descriptor, log: directory.file("error"))
      return try await using(process) { process in
        let status = try await process.exit(within: limit)
        return Outcome(
          status: status,
          standardOutput: String(decoding: FileManager.default.contents(atPath: output) ?? Data(), as: UTF8.self),
          standardError: process.output)
      }
    }
  }

  /// Runs a program that must succeed and returns its standard output.
  ///
  /// - Throws: ``FixtureError`` with its standard error when its exit status is not 0.
  @discardableResult
  public static func succeed(
    _ program: String, _ arguments: [String] = [], environment: [String: String] = [:]
  ) async throws -> String {
    let outcome = try await run(program, arguments, environment: environment)
    guard outcome.status == .code(0) else {
      throw FixtureError("\(program) \(arguments.joined(separator: " ")): \(outcome.status): \(outcome.standardError)")
    }
    return outcome.standardOutput
  }
}
