import Logging

extension Logger {
  /// For tests of what happens, not of what is said.
  static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
