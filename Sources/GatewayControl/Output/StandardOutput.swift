import FoundationEssentials
import Glibc

/// Where results go: each text at once and in one piece, which `print` does not do when nobody reads along.
public enum StandardOutput {
  /// - Throws: ``OutputClosed`` when nobody takes any more.
  public static func write(_ text: String) throws(OutputClosed) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw OutputClosed(code: errno) }
      rest = rest.dropFirst(count)
    }
  }

  /// Writes the text and a line break.
  public static func print(_ text: String) throws(OutputClosed) {
    try write(text + "\n")
  }
}

/// Nobody reads what is written.
public struct OutputClosed: Error, Hashable, Sendable, CustomStringConvertible {
  public let code: CInt

  public var description: String { "cannot write: \(String(cString: strerror(code)))" }
}

/// Results as JSON, with sorted keys so that they can be compared.
public enum JSONText {
  /// For people and for programs that read it all.
  public static func pretty(_ value: some Encodable) throws -> String {
    try text(value, [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
  }

  /// In one line, for programs that read line by line.
  public static func line(_ value: some Encodable) throws -> String {
    try text(value, [.sortedKeys, .withoutEscapingSlashes])
  }

  private static func text(_ value: some Encodable, _ formatting: JSONEncoder.OutputFormatting) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = formatting
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
