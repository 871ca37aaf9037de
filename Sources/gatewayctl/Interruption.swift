import Logging
import System
import UnixSignals

/// Runs `body` until it ends, or until the program is told to end, which is what such a command is for.
func untilInterrupted(_ body: @Sendable @escaping () async throws -> Void) async throws {
  let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await body() }
    group.addTask { for await _ in signals { return } }
    defer { group.cancelAll() }
    try await group.next()
  }
}

extension Logger {
  /// Says what the library has to say, a line each, as this program says things.
  static let standardError = Logger(label: "gatewayctl") { _ in StandardErrorLogHandler() }
}

private struct StandardErrorLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.notice

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let details = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
    let text = ([event.message.description] + details.map { "\($0.key): \($0.value)" }).joined(separator: "; ")
    StandardError.print("gatewayctl: \(text)")
  }
}
