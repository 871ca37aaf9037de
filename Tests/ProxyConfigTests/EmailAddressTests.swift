import ProxyConfig
import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct EmailAddressTests {
  @Test(arguments: [
    "operator@example.org", "First.Last+tag@mail.example.org", "o'brien@xn--bcher-kva.example", "#{x}@example.org",
    String(repeating: "a", count: 242) + "@example.org",
  ])
  func isALocalPartAndADomain(text: String) throws {
    #expect(try EmailAddress(text).rawValue == text)
  }

  @Test(arguments: [
    ("", "it must be NAME@DOMAIN"), ("operator", "it must be NAME@DOMAIN"), ("@example.org", "it must be NAME@DOMAIN"),
    ("operator@", "it must be NAME@DOMAIN"), ("operator@localhost", "it must be NAME@DOMAIN"),
    ("a@b@example.org", "it must be NAME@DOMAIN"), ("operator@[192.0.2.1]", "it must be NAME@DOMAIN"),
    ("the operator@example.org", "the name has a character that no e-mail address has"),
    ("é@example.org", "the name has a character that no e-mail address has"),
    ("a\"b@example.org", "the name has a character that no e-mail address has"),
    ("a,b@example.org", "the name has a character that no e-mail address has"),
  ])
  func refusesTheRest(text: String, rule: String) {
    expectInvalid("invalid e-mail address \(String(reflecting: text)): \(rule)") { () throws(InvalidValue) in
      try EmailAddress(text)
    }
  }

  @Test func has254BytesAtMost() {
    #expect(throws: InvalidValue.self) { try EmailAddress(String(repeating: "a", count: 243) + "@example.org") }
  }
}
