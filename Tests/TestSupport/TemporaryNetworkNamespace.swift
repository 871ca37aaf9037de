import Foundation

/// A network namespace of a test's own, with its loopback up.
public enum TemporaryNetworkNamespace {
  /// Whether this process may make one.
  public static var isPermitted: Bool { geteuid() == 0 }

  /// Where the programs run that fixtures start.
  @TaskLocal static var current: String?

  /// Makes one, runs `body` with its name and removes it. Takes root.
  public static func withNamespace<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: (String) async throws -> Result
  ) async throws -> Result {
    let name = "gateway-test-\(UUID().uuidString)"
    try await Command.succeed("ip", ["netns", "add", name])
    let result: Result
    do {
      try await Command.succeed("ip", ["-n", name, "link", "set", "lo", "up"])
      result = try await body(name)
    } catch {
      _ = try? await Command.run("ip", ["netns", "delete", name])
      throw error
    }
    try await Command.succeed("ip", ["netns", "delete", name])
    return result
  }

  /// Runs `body`, and every program that a fixture starts in it, in the namespace `name`, or where the test process is when nil. That
  /// itself stays where it is.
  public static func inside<Result>(
    _ name: String?, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
  ) async throws -> Result {
    try await $current.withValue(name, operation: body)
  }
}
