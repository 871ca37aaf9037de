import ProxyConfig
import Testing

/// Expects `body` to throw an ``InvalidValue`` with exactly this text.
func expectInvalid<Value>(
  _ text: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws(InvalidValue) -> Value
) {
  do throws(InvalidValue) {
    let value = try body()
    Issue.record("no error but \(value)", sourceLocation: sourceLocation)
  } catch {
    #expect(error.description == text, sourceLocation: sourceLocation)
  }
}
