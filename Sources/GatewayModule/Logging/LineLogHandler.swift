import Glibc
import Logging

/// Writes each event as one line with one write(2), so that lines of several threads do not mix.
struct LineLogHandler: LogHandler {
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?

  private let format: LogFormat
  private let output: CInt

  /// - Parameter output: a file descriptor that stays open for the process's life.
  init(level: Logger.Level, format: LogFormat, output: CInt) {
    logLevel = level
    self.format = format
    self.output = output
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
    write(line.bytes(as: format))
  }

  /// What cannot be written is lost: there is nobody left to tell.
  private func write(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(output, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if count == 0 || errno != EINTR {
        return
      }
    }
  }
}
