public import ArgumentParser
public import Logging
public import ProgramLog

/// What a program logs, and how.
public struct LogOptions: ParsableArguments {
  @Option(
    help: .init(
      "The lowest level that is logged: trace, debug, info, notice, warning, error or critical. (default: info)",
      valueName: "level"),
    transform: parseLevel)
  public var logLevel = Logger.Level.info

  @Option(help: .init("The format of the log, which goes to standard error: text or json.", valueName: "format"))
  public var logFormat = LogFormat.text

  public init() {}

  public func logger(_ label: String) -> Logger { Logger(label: label, level: logLevel, format: logFormat) }

  private static func parseLevel(_ text: String) throws -> Logger.Level {
    guard let level = Logger.Level(rawValue: text) else { throw ValidationError("there is no such level") }
    return level
  }
}

extension LogFormat: ExpressibleByArgument {}
