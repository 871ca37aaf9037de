import Logging
import Synchronization

/// Keeps what is logged.
final class LogRecorder: Sendable {
  private let entries = Mutex<[String]>([])

  /// Logs into this, from level `info` on.
  var logger: Logger {
    var logger = Logger(label: "test") { _ in Handler(recorder: self) }
    logger.logLevel = .info
    return logger
  }

  /// Everything logged so far, each entry as `level: message key=value …`.
  var lines: [String] { entries.withLock { $0 } }

  func lines(containing text: String) -> [String] {
    lines.filter { $0.contains(text) }
  }

  private struct Handler: LogHandler {
    let recorder: LogRecorder
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    init(recorder: LogRecorder) { self.recorder = recorder }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let pairs = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
      let line = "\(event.level): \(event.message)" + pairs.map { " \($0)=\($1)" }.joined()
      recorder.entries.withLock { $0.append(line) }
    }
  }
}
