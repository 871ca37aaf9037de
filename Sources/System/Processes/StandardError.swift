import Glibc

/// What a program says to whoever started it.
public enum StandardError {
  /// Writes one line, in one piece; line breaks in the text become spaces.
  public static func print(_ text: String) {
    let line = text.split(whereSeparator: \.isNewline).joined(separator: " ") + "\n"
    _ = line.utf8.withContiguousStorageIfAvailable { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
