import ProxyConfig
import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct CertificateAuthorityTests {
  @Test(arguments: [
    "https://acme-v02.api.letsencrypt.org/directory", "https://localhost:14000/dir", "https://[2001:db8::1]/a?b=c#d",
  ])
  func isTheURLOfADirectory(text: String) throws {
    #expect(try CertificateAuthority(text).directory == text)
  }

  @Test func wordStagingIsLetsEncryptsForTrials() throws {
    #expect(try CertificateAuthority("staging") == .letsEncryptStaging)
  }

  @Test(arguments: [
    ("", "it must be the https:// URL of an ACME directory, or the word staging"),
    ("https://", "it must be the https:// URL of an ACME directory, or the word staging"),
    ("http://ca.example.org", "it must be the https:// URL of an ACME directory, or the word staging"),
    ("Staging", "it must be the https:// URL of an ACME directory, or the word staging"),
    ("https://ca.example.org/a b", "a URL has no spaces, quotes or other characters than ASCII's"),
    ("https://ca.example.org/\n", "a URL has no spaces, quotes or other characters than ASCII's"),
    ("https://ca.example.org/é", "a URL has no spaces, quotes or other characters than ASCII's"),
  ])
  func refusesTheRest(text: String, rule: String) {
    expectInvalid("invalid certificate authority \(String(reflecting: text)): \(rule)") { () throws(InvalidValue) in
      try CertificateAuthority(text)
    }
  }
}
