import Logging

/// Writes each event as one line.
struct LineLogHandler: LogHandler {
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?

  private let format: LogFormat
  private let writer: LogWriter

  init(level: Logger.Level, format: LogFormat, writer: LogWriter) {
    logLevel = level
    self.format = format
    self.writer = writer
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var fields = metadata
    if let provided = metadataProvider?.get() {
      fields.merge(provided) { $1 }
    }
    if let error = event.error {
      fields["error"] = "\(error)"
    }
    if let own = event.metadata {
      fields.merge(own) { $1 }
    }
    let line = LogLine(time: .now, level: event.level, message: "\(event.message)", metadata: fields)
    writer.write(line.bytes(as: format))
  }
}
