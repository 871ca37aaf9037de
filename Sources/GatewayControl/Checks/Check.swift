/// What was found of one thing that a gateway needs.
public struct Check: Hashable, Sendable, Encodable {
  public enum Verdict: String, Hashable, Sendable, Encodable {
    case ok
    /// It works, or may work, and somebody should look at it.
    case warning
    /// With this the node is no gateway.
    case failure
  }

  /// What was looked at, such as `broker`.
  public let name: String
  public let outcome: Verdict
  public let finding: String
  /// What to do; empty when there is nothing.
  public let remedy: String

  private enum CodingKeys: String, CodingKey {
    case name = "Check"
    case outcome = "Outcome"
    case finding = "Finding"
    case remedy = "Remedy"
  }

  private init(_ name: String, _ outcome: Verdict, _ finding: String, _ remedy: String) {
    self.name = name
    self.outcome = outcome
    self.finding = finding
    self.remedy = remedy
  }

  static func ok(_ name: String, _ finding: String) -> Check { Check(name, .ok, finding, "") }

  static func warning(_ name: String, _ finding: String, _ remedy: String = "") -> Check {
    Check(name, .warning, finding, remedy)
  }

  static func failure(_ name: String, _ finding: String, _ remedy: String = "") -> Check {
    Check(name, .failure, finding, remedy)
  }

  /// One line.
  public func line(for terminal: Terminal) -> String {
    let colour: Terminal.Colour =
      switch outcome {
      case .ok: .green
      case .warning: .yellow
      case .failure: .red
      }
    let word = terminal.coloured(outcome.rawValue.padded(to: 7), colour)
    return "\(word)  \(name.padded(to: 9))  \(finding)" + (remedy.isEmpty ? "" : " -> \(remedy)")
  }
}
