import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ListenAddressTests {
  @Test(arguments: [":80", ":65535", "127.0.0.1:8082", "[::1]:8443", "0.0.0.0:80"])
  func isAPortWithOrWithoutAnAddress(text: String) throws {
    #expect(try ListenAddress(text).description == text)
    #expect(try (ListenAddress(text).address == nil) == text.hasPrefix(":"))
  }

  @Test(arguments: [
    ("", "the host must be an IP address"), ("80", "the host must be an IP address"),
    ("localhost:80", "the host must be an IP address"), ("10.0.0.1", "the port is missing"),
    (":", "the port must be a number from 1 to 65535"), (":0", "the port must be a number from 1 to 65535"),
    (":65536", "the port must be a number from 1 to 65535"), (":80/udp", "the port must be a number from 1 to 65535"),
    ("::1:80", "an IPv6 address must stand in brackets"), ("::", "an IPv6 address must stand in brackets"),
  ])
  func refusesTheRest(text: String, rule: String) {
    expectInvalid("invalid listen address \"\(text)\": \(rule)") { () throws(InvalidValue) in try ListenAddress(text) }
  }
}
