import ArgumentParser
import GatewayControl
import System

/// Waiting for a tunnel or a pipe that was set.
struct LiveWaitOptions: ParsableArguments {
  @Option(
    defaultAsFlag: Seconds(60), parsing: .next,
    help: .init(
      "Wait until it is live, for 60 seconds or as many as are given; the status is 75 when it is not in time.",
      valueName: "seconds"))
  var wait: Seconds?

  func validate() throws {
    _ = try wait.waitLimit
  }

  /// Waits where that was asked for, and tells what came of it.
  ///
  /// - Parameters:
  ///   - name: what was set.
  ///   - look: says why it is not live; nil when it is.
  func wait(for name: String, _ look: () async throws -> String?) async throws {
    guard let limit = try wait.waitLimit else { return }
    let begin = ContinuousClock.now
    let reason = try await LiveWait.run(within: limit, look)
    let seconds = ((begin.duration(to: .now) / .seconds(1)) * 10).rounded() / 10
    if let reason { throw NotAnswered(name: name, seconds: seconds, reason: reason) }
    StandardError.print("\(name) is live after \(seconds) s")
  }
}
