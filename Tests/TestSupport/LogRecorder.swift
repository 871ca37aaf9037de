public import Logging
import Synchronization

/// Keeps what is logged.
public final class LogRecorder: Sendable {
  private let entries = Mutex<[(message: String, metadata: String)]>([])

  public init() {}

  /// Logs into this, from level `info` on.
  public var logger: Logger {
    var logger = Logger(label: "test") { _ in Handler(recorder: self) }
    logger.logLevel = .info
    return logger
  }

  /// Everything logged so far, each entry as `level: message key=value …`.
  public var lines: [String] { entries.withLock { $0.map { $0.message + $0.metadata } } }

  /// Everything logged so far, each entry as `level: message`.
  public var messages: [String] { entries.withLock { $0.map(\.message) } }

  public func lines(containing text: String) -> [String] {
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
      let entry = ("\(event.level): \(event.message)", pairs.map { " \($0)=\($1)" }.joined())
      recorder.entries.withLock { $0.append(entry) }
    }
  }
}
