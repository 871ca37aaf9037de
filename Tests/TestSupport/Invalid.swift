public import Testing

/// Expects `body` to throw an error with exactly this text.
public func expectInvalid<Value, Fault: Error & CustomStringConvertible>(
  _ text: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws(Fault) -> Value
) {
  do throws(Fault) {
    let value = try body()
    Issue.record("no error but \(value)", sourceLocation: sourceLocation)
  } catch {
    #expect(error.description == text, sourceLocation: sourceLocation)
  }
}
