/// A file that is no YAML document with a mapping at its root, which Traefik cannot read either: one such file in its directory
/// keeps it from taking in any change.
public struct UnreadableFile: Error, Hashable, CustomStringConvertible {
  /// From 1; `nil` where the fault has no place.
  public let line: Int?
  public let problem: String

  public var description: String {
    if let line { "line \(line): \(problem)" } else { problem }
  }
}
