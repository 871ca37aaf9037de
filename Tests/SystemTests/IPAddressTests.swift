import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct IPAddressTests {
  @Test(arguments: [
    ("10.1.2.3", "10.1.2.3"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
    ("::ffff:10.1.2.3", "10.1.2.3"), ("::FFFF:0a01:0203", "10.1.2.3"), ("0:0:0:0:0:ffff:10.1.2.3", "10.1.2.3"),
    ("::", "::"), ("::1", "::1"), ("1::", "1::"),
    // RFC 5952: no leading zeros, lower case, the longest run of zeros shortened, the first of two, but no single zero.
    ("2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
    ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
    ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1:2:3:4:5:6::", "1:2:3:4:5:6::"), ("::102:304", "::102:304"),
    ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
  ])
  func hasOneCanonicalText(text: String, canonical: String) throws {
    let address = try IPAddress(text)
    #expect(address.description == canonical)
    #expect(try IPAddress(canonical) == address)
  }

  @Test(arguments: [
    "", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "0x1.2.3.4", "1.2.3.256", "1.2.3.-4", " 1.2.3.4", "1.2.3.4 ",
    "1.2.3.4/8",
    "2130706433", "localhost", "[::1]", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::",
    "g::", "fe80::1%eth0", "::ffff:1.2.3", "::ffff:01.2.3.4", "１.2.3.4",
  ])
  func takesNoOtherForm(text: String) {
    expectInvalid("invalid IP address \"\(text)\": it is no IPv4 or IPv6 address") {
      () throws(InvalidValue) in try IPAddress(text)
    }
  }

  @Test func isNotCutShortAtNUL() {
    expectInvalid(#"invalid IP address "1.2.3.4\u{0}5": it is no IPv4 or IPv6 address"#) {
      () throws(InvalidValue) in try IPAddress("1.2.3.4\05")
    }
  }

  @Test func isMadeOf4Or16Bytes() throws {
    let mapped = [UInt8](repeating: 0, count: 10) + [255, 255, 10, 1, 2, 3]
    #expect(try IPAddress(bytes: [10, 1, 2, 3]) == IPAddress("10.1.2.3"))
    #expect(try IPAddress(bytes: mapped) == IPAddress("10.1.2.3"))
    #expect(
      try IPAddress(bytes: [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11) + [1]) == IPAddress("2001:db8::1"))
    #expect(IPAddress(bytes: []) == nil)
    #expect(IPAddress(bytes: mapped.dropFirst()) == nil)
  }

  @Test(arguments: [
    ("0.0.0.0", "unspecified"), ("0.1.2.3", "unspecified"), ("::", "unspecified"), ("::ffff:0.0.0.0", "unspecified"),
    ("127.0.0.1", "loopback"), ("127.255.255.255", "loopback"), ("::1", "loopback"), ("::ffff:127.0.0.1", "loopback"),
    ("169.254.169.254", "link-local"), ("fe80::1", "link-local"), ("febf::1", "link-local"),
    ("::ffff:169.254.0.1", "link-local"),
    ("224.0.0.1", "multicast"), ("239.255.255.255", "multicast"), ("ff02::1", "multicast"),
    ("::ffff:e000:1", "multicast"),
    ("255.255.255.255", "broadcast"), ("::ffff:255.255.255.255", "broadcast"),
    ("1.0.0.0", ""), ("126.0.0.1", ""), ("128.0.0.1", ""), ("169.253.0.1", ""), ("169.255.0.1", ""), ("223.1.1.1", ""),
    ("240.0.0.1", ""), ("::2", ""), ("fec0::1", ""), ("fe7f::1", ""), ("fd00::1", ""), ("10.0.0.1", ""), ("2000::", ""),
  ])
  func knowsItsKind(text: String, kind: String) throws {
    let address = try IPAddress(text)
    #expect(address.isUnspecified == (kind == "unspecified"))
    #expect(address.isLoopback == (kind == "loopback"))
    #expect(address.isLinkLocal == (kind == "link-local"))
    #expect(address.isMulticast == (kind == "multicast"))
    #expect(address.isBroadcast == (kind == "broadcast"))
  }

  @Test func takes16Bytes() {
    #expect(MemoryLayout<IPAddress>.size == 16)
  }
}
