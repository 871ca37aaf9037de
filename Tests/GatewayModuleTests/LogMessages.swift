import Logging
import Synchronization

/// Keeps what is logged, for tests of that: each entry as `level: message`.
final class LogMessages: Sendable {
  private let entries = Mutex<[String]>([])

  var all: [String] { entries.withLock { $0 } }

  var warnings: [String] { all.filter { $0.hasPrefix("warning: ") } }

  var logger: Logger { Logger(label: "test") { _ in Handler(messages: self) } }

  private struct Handler: LogHandler {
    let messages: LogMessages
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    init(messages: LogMessages) { self.messages = messages }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      messages.entries.withLock { $0.append("\(event.level): \(event.message)") }
    }
  }
}
