/// What is wrong with a file that Traefik cannot take in: one such file in its directory keeps it from taking in any change.
public struct UnreadableFile: Error, Hashable, Sendable, CustomStringConvertible {
  /// From 1; `nil` where the fault has no place.
  public let line: Int?
  /// What Traefik would stumble over.
  public let problem: String

  package init(line: Int?, problem: String) {
    self.line = line
    self.problem = problem
  }

  public var description: String {
    if let line { "line \(line): \(problem)" } else { problem }
  }
}
