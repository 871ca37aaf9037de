import ArgumentParser
import GatewayControl
import System

/// Waiting for what was set.
struct LiveWaitOptions: ParsableArguments {
  @Option(
    defaultAsFlag: Seconds(60), parsing: .next,
    help: .init(
      "Wait until it is served, for 60 seconds or as many as are given; the status is 75 when it is not in time.",
      valueName: "seconds"))
  var wait: Seconds?

  func validate() throws {
    _ = try wait.waitLimit
  }

  /// Waits where that was asked for, and tells what came of it.
  ///
  /// - Parameters:
  ///   - name: what was set.
  ///   - look: sees what there is of it.
  func wait(for name: String, _ look: () async throws -> LiveWait.State) async throws {
    guard let limit = try wait.waitLimit else { return }
    let begin = ContinuousClock.now
    let state = try await LiveWait.run(within: limit, look)
    let seconds = ((begin.duration(to: .now) / .seconds(1)) * 10).rounded() / 10
    switch state {
    case .live(let addresses):
      let place = addresses.isEmpty ? "" : ", at \(addresses.joined(separator: ", "))"
      StandardError.print("\(name) is served after \(seconds) s\(place)")
    case .pending(let reason): throw NotAnswered(name: name, seconds: seconds, reason: reason)
    }
  }
}

/// The time limit of `--wait` was over.
struct NotAnswered: Error, CustomStringConvertible {
  let name: String
  let seconds: Double
  let reason: String

  var description: String { "\(name) is not served after \(seconds) s: \(reason)" }
}
