import System
import Testing

@Suite(.timeLimit(.minutes(3)))
struct IPNetworkTests {
  @Test(arguments: [
    ("10.0.0.0/8", "10.0.0.0/8"), ("203.0.113.7", "203.0.113.7/32"), ("0.0.0.0/0", "0.0.0.0/0"),
    ("2001:DB8::/32", "2001:db8::/32"), ("::1", "::1/128"), ("::/0", "::/0"),
  ])
  func readsAnAddressAndHowMuchOfItCounts(text: String, written: String) throws {
    let network = try IPNetwork(text)
    #expect("\(network)" == written)
    #expect(try IPNetwork(written) == network)
  }

  @Test(arguments: [
    "", "10.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "/8", "2001:db8::/129", "[::1]/128",
    "example.org", "10.0.0.0/+8", "10.0.0.0/ 8", "::ffff:10.0.0.0/104", "fe80::1%eth0",
  ])
  func refusesAnythingElse(text: String) {
    #expect(throws: InvalidValue.self) { try IPNetwork(text) }
  }
}
