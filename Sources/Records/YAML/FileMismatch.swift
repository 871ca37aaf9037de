/// Where and why a file is no record of the kind that it is read as.
public struct FileMismatch: Error, Hashable, Sendable, CustomStringConvertible {
  /// From 1; `nil` where no one line is to blame.
  public let line: Int?
  /// What is there that no such record has, or what is missing.
  public let reason: String

  package init(line: Int?, reason: String) {
    self.line = line
    self.reason = reason
  }

  public var description: String {
    if let line { "line \(line): \(reason)" } else { reason }
  }
}
