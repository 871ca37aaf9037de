/// Ends the process when a property does not hold, which the fuzzer reports with the input at hand.
func expect(_ holds: @autoclosure () throws -> Bool, _ property: String, line: UInt = #line) {
  do {
    if try !holds() { fatalError("not so: \(property)", line: line) }
  } catch {
    fatalError("not so: \(property): \(error)", line: line)
  }
}

/// The bytes that the fuzzer hands over, which may be none at a null pointer.
func bytes(_ start: UnsafePointer<UInt8>?, _ count: Int) -> [UInt8] {
  Array(UnsafeBufferPointer(start: start, count: count))
}
