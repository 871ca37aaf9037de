import Foundation

/// A unit in `systemd/`, as far as tests read it.
public struct SystemdUnit: Sendable {
  private let lines: [Substring]

  /// Reads a unit by its file's name.
  public init(_ name: String) throws {
    lines = try String(contentsOfFile: Repository.file("systemd/\(name)"), encoding: .utf8).split(separator: "\n")
  }

  /// The values of a setting, in the order of their lines.
  public subscript(setting: String) -> [String] {
    lines.filter { $0.hasPrefix("\(setting)=") }.map { String($0.dropFirst(setting.count + 1)) }
  }

  /// The variables that it sets itself.
  public var environment: [String: String] {
    Dictionary(
      uniqueKeysWithValues: self["Environment"].map { line in
        let parts = line.split(separator: "=", maxSplits: 1)
        return (String(parts[0]), String(parts[1]))
      })
  }
}
