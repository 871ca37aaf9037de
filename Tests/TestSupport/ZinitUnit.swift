import Foundation

/// A unit in `zinit/`, as far as tests read it.
public struct ZinitUnit: Sendable {
  /// The file's text.
  public let text: String

  /// Reads a unit by the name of its service.
  public init(_ name: String) throws {
    text = try String(contentsOfFile: Repository.file("zinit/\(name).yaml"), encoding: .utf8)
  }

  /// The words of the command under `key`: `exec` or `test`.
  public func command(_ key: String) throws -> [String] {
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("\(key): ") }) else {
      throw FixtureError("no \(key) in the unit:\n\(text)")
    }
    return line.dropFirst(key.count + 2).split(separator: " ").map(String.init)
  }

  /// The variables under `env`.
  public var environment: [String: String] {
    let lines = text.split(separator: "\n").drop { $0 != "env:" }.dropFirst().prefix { $0.hasPrefix("  ") }
    let pairs = lines.filter { !$0.hasPrefix("  #") }.map { line in
      let parts = line.dropFirst(2).split(separator: ": ", maxSplits: 1)
      return (String(parts[0]), parts[1].filter { $0 != "\"" })
    }
    return Dictionary(uniqueKeysWithValues: pairs)
  }
}
