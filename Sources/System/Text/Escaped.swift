extension Unicode.Scalar {
  /// How it is written where it would break a line, move a terminal's cursor or change how a line is read; nil for one that may
  /// stand there as it is.
  fileprivate var escape: String? {
    switch self {
    case " ": return nil
    case "\n": return "\\n"
    case "\r": return "\\r"
    case "\t": return "\\t"
    default: break
    }
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator, .spaceSeparator:
      return "\\u{\(String(value, radix: 16))}"
    default: return nil
    }
  }
}

extension StringProtocol {
  /// The text in one line, with everything escaped that moves a terminal's cursor or changes how a line is read.
  package var escaped: String {
    unicodeScalars.reduce(into: "") { text, scalar in
      if let escape = scalar.escape { text += escape } else { text.unicodeScalars.append(scalar) }
    }
  }
}

/// `text` in double quotes, cut after 100 bytes, without anything that could break a log line or reorder its reading.
package func quoted(_ text: some StringProtocol) -> String {
  var result = "\""
  var bytes = 0
  for scalar in text.unicodeScalars {
    bytes += UTF8.width(scalar)
    if bytes > 100 { return result + "…\"" }
    switch scalar {
    case "\"", "\\": result += "\\\(scalar)"
    default: if let escape = scalar.escape { result += escape } else { result.unicodeScalars.append(scalar) }
    }
  }
  return result + "\""
}
