extension String {
  /// With spaces behind it up to a width, in characters; longer text as it is.
  package func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(width - count, 0))
  }
}
