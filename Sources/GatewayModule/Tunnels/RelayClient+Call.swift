import Logging
import RPC
import Relay

extension RelayClient {
  /// Has the relay do something for a call. One that does not run is no error: it will serve what is on disk by itself.
  ///
  /// - Parameter outcome: what it means for the caller when the relay runs, and does not do it.
  func order(else outcome: String, _ logger: Logger, _ ask: () async throws(Failure) -> Void) async throws {
    do throws(Failure) {
      try await ask()
    } catch {
      if case .notRunning = error { return logger.debug("the relay is not running") }
      throw CallError("\(outcome): \(error)")
    }
  }
}
