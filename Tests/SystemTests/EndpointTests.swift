import System
import Testing

@Suite(.timeLimit(.minutes(5)))
struct EndpointTests {
  @Test(arguments: [
    ("192.0.2.1:5353", "192.0.2.1:5353"), ("192.0.2.1", "192.0.2.1:53"), ("[2001:DB8::1]:5353", "[2001:db8::1]:5353"),
    ("[2001:db8::1]", "[2001:db8::1]:53"), ("192.0.2.1:65535", "192.0.2.1:65535"), ("192.0.2.1:1", "192.0.2.1:1"),
  ])
  func anAddressMayHaveAPort(_ text: String, _ canonical: String) throws {
    #expect(try Endpoint(text, defaultPort: 53).description == canonical)
  }

  @Test(arguments: [
    ("", "the host must be an IP address"),
    ("localhost:53", "the host must be an IP address"),
    ("192.0.2.256:53", "the host must be an IP address"),
    ("192.0.2.1 :53", "the host must be an IP address"),
    ("2001:db8::1", "an IPv6 address must stand in brackets"),
    ("[192.0.2.1]:53", "brackets must hold an IPv6 address"),
    ("[2001:db8::1", "brackets must hold an IPv6 address"),
    ("[2001:db8::1]53", "the port must be a number from 1 to 65535"),
    ("[fe80::1%eth0]:53", "the host must be an IP address"),
    ("192.0.2.1:", "the port must be a number from 1 to 65535"),
    ("192.0.2.1:0", "the port must be a number from 1 to 65535"),
    ("192.0.2.1:65536", "the port must be a number from 1 to 65535"),
    ("192.0.2.1:+53", "the port must be a number from 1 to 65535"),
    ("192.0.2.1:５３", "the port must be a number from 1 to 65535"),
    ("192.0.2.1:5 3", "the port must be a number from 1 to 65535"),
  ])
  func anythingElseIsRefused(_ text: String, _ rule: String) {
    #expect(throws: InvalidValue("address", text, rule)) { try Endpoint(text, defaultPort: 53) }
  }

  @Test func thePortIsNeededWhereThereIsNoDefault() {
    #expect(throws: InvalidValue("address", "192.0.2.1", "the port is missing")) {
      try Endpoint("192.0.2.1")
    }
  }
}
