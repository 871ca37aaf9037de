import Records
import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct InvalidValueTests {
  @Test(
    "The input is shown so that it can break neither a log line nor a terminal",
    arguments: [
      ("a\"b\\c", #""a\"b\\c""#),
      ("\u{1b}[2J", #""\u{1b}[2J""#),
      ("a\r\n\tb", #""a\r\n\tb""#),
      ("a\u{202e}b", #""a\u{202e}b""#),
      ("a\u{2028}b\u{a0}", #""a\u{2028}b\u{a0}""#),
      ("\u{85}", #""\u{85}""#),
      ("пример", #""пример""#),
    ])
  func showsInput(text: String, shown: String) {
    expectInvalid("invalid workload \(shown): only letters, digits, '.', '_' and '-' may appear") {
      () throws(InvalidValue) in try WorkloadID(text)
    }
  }

  @Test func cutsTheInputAfter100BytesBetweenCharacters() {
    // 33 characters of 3 bytes fit into 100.
    let text = String(repeating: "€", count: 40)
    expectInvalid(
      "invalid workload \"\(String(repeating: "€", count: 33))…\": only letters, digits, '.', '_' and '-' may appear"
    ) {
      () throws(InvalidValue) in try WorkloadID(text)
    }
  }
}
