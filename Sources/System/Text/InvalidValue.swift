/// A value that breaks a rule: what was given, and the rule it breaks, in one line that is safe to log and to send to a caller.
public struct InvalidValue: Error, Hashable, CustomStringConvertible {
  public let description: String

  /// A whole message, for rules about more than one input.
  package init(_ description: String) {
    self.description = description
  }

  /// `invalid <kind> "<input>": <rule>`
  package init(_ kind: String, _ input: some StringProtocol, _ rule: String) {
    description = "invalid \(kind) \(quoted(input)): \(rule)"
  }
}
