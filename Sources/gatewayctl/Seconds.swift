import ArgumentParser

/// The value of an option that may stand without one: a number of seconds.
///
/// It takes any text, and refuses it later: of a value that does not parse, the parser would make none.
struct Seconds: ExpressibleByArgument, CustomStringConvertible {
  let description: String

  init(argument: String) {
    description = argument
  }

  init(_ number: Int) {
    description = "\(number)"
  }

  /// - Parameters:
  ///   - flag: the option, for the error.
  ///   - least: the shortest time that there may be; the longest is a day.
  func duration(_ flag: String, least: Double) throws -> Duration {
    guard let number = Double(description), number >= least, number <= 86_400 else {
      throw ValidationError("\(flag) must be a number of seconds from \(least) to 86400, not '\(description)'")
    }
    return .seconds(number)
  }
}

extension Seconds? {
  /// Of `--wait`; nil when nobody waits.
  var waitLimit: Duration? {
    get throws { try self?.duration("--wait", least: 0.1) }
  }
}
