/// A value that breaks a rule: what was given, and the rule it breaks, in one line that is safe to log and to send to a caller.
public struct InvalidValue: Error, Hashable, CustomStringConvertible {
  public let description: String

  /// A whole message, for rules about more than one input.
  init(_ description: String) {
    self.description = description
  }

  /// `invalid <kind> "<input>": <rule>`
  init(_ kind: String, _ input: some StringProtocol, _ rule: String) {
    description = "invalid \(kind) \(quoted(input)): \(rule)"
  }
}

/// `text` in double quotes, cut after 100 bytes, without anything that could break a log line or reorder its reading.
func quoted(_ text: some StringProtocol) -> String {
  var result = "\""
  var bytes = 0
  for scalar in text.unicodeScalars {
    bytes += UTF8.width(scalar)
    if bytes > 100 { return result + "…\"" }
    switch scalar {
    case "\"", "\\": result += "\\\(scalar)"
    case "\n": result += "\\n"
    case "\r": result += "\\r"
    case "\t": result += "\\t"
    case " ": result += " "
    default:
      switch scalar.properties.generalCategory {
      case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
        .spaceSeparator:
        result += "\\u{\(String(scalar.value, radix: 16))}"
      default:
        result.unicodeScalars.append(scalar)
      }
    }
  }
  return result + "\""
}
