public import Logging

/// How log events look on standard error, one line each.
public enum LogFormat: String, CaseIterable, Sendable {
  /// `2026-01-02T03:04:05.678Z info route added domain=app.example.com workload=12-34-web`
  case text
  /// `{"time":"2026-01-02T03:04:05.678Z","level":"info","message":"route added","workload":"12-34-web"}`
  case json
}

extension Logger {
  /// A logger that writes to standard error, and never waits for who reads there.
  public init(label: String, level: Logger.Level, format: LogFormat) {
    self.init(label: label) { _ in LineLogHandler(level: level, format: format, writer: .standardError(format)) }
  }
}
