import ProxyConfig
import Testing

@testable import ACMEHook

@Suite(.timeLimit(.minutes(5)))
struct ChallengeTests {
  @Test(arguments: [
    ("_acme-challenge.gent01.dev.grid.tf.", "gent01.dev.grid.tf"),
    ("_acme-challenge.gent01.dev.grid.tf", "gent01.dev.grid.tf"),
    ("_ACME-Challenge.Gent01.dev.GRID.tf", "gent01.dev.grid.tf"),
    ("_acme-challenge.xn--bcher-kva.example", "xn--bcher-kva.example"),
  ])
  func nameIsReadAsAnACMEClientWritesIt(text: String, domain: String) throws {
    let name = try ChallengeName(text)
    #expect(name.domain == (try Domain(domain)))
    #expect("\(name)" == "_acme-challenge.\(domain)")
  }

  static let badNames = [
    "", ".", "example.com", "acme-challenge.example.com", "__acme-challenge.example.com", "_acme-challenge.com",
    "_acme-challenge..example.com", "_acme-challenge.example.com..", "_acme-challenge.*.example.com",
    "x._acme-challenge.example.com", "_acme-challenge.example.com\n", "_acme-challenge.example.com\nserver=192.0.2.1",
    "_acme-challenge.example.com,x", "_acme-challenge.example.com/x", "_acme-challenge.exam ple.com",
    "_acme-challenge.\"example.com", "_acme-challenge.example.com#", "_acme-challenge.example.com=", "--root",
    "_acme-challenge.ex\u{0}ample.com", "_acme-challenge.bücher.example", "_acme-challenge.192.0.2.1",
    "_acme-challenge." + Array(repeating: String(repeating: "a", count: 60), count: 4).joined(separator: "."),
  ]

  @Test(arguments: badNames)
  func nameThatIsNoneIsRefusedInOneLine(text: String) {
    #expect { try ChallengeName(text) } throws: { "\($0)".contains("invalid") && !"\($0)".contains("\n") }
  }

  @Test(arguments: [
    "MsijOYZxqyjGnFGwhjrhfg-Xgbl5r68WPda0J9EgqqI", "-_-", "a", String(repeating: "Z9", count: 127) + "x",
  ])
  func valueIsBase64URL(text: String) throws {
    #expect(try ChallengeValue(text).rawValue == text)
  }

  static let badValues = [
    "", String(repeating: "a", count: 256), "a b", "a,b", "a=", "a+b", "a/b", "a.b", "a\"b", "a'b", "a\\b", "a\n",
    "a\nserver=192.0.2.1", "a\r", "a\u{0}b", "a#b", "*", "ä", "$(id)", "`id`", "a;b", "%s",
  ]

  @Test(arguments: badValues)
  func valueThatIsNoneIsRefusedInOneLine(text: String) {
    #expect { try ChallengeValue(text) } throws: {
      "\($0)".hasPrefix("invalid challenge value") && !"\($0)".contains("\n")
    }
  }
}
