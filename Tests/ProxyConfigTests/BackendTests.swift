import ProxyConfig
import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct BackendTests {
  private static let policy = AddressPolicy.requested(nodeAddresses: [])

  @Test(arguments: [
    (TLSMode.terminated, "http://10.1.2.3", "http://10.1.2.3:80"),
    (.terminated, "https://10.1.2.3", "https://10.1.2.3:443"),
    (.terminated, "http://10.1.2.3:9000", "http://10.1.2.3:9000"),
    (.terminated, "https://10.1.2.3:1", "https://10.1.2.3:1"),
    (.terminated, "http://[2001:DB8::1]", "http://[2001:db8::1]:80"),
    (.terminated, "https://[2001:db8:0::1]:65535", "https://[2001:db8::1]:65535"),
    (.terminated, "http://[::ffff:10.1.2.3]:80", "http://10.1.2.3:80"),
    (.passthrough, "10.1.2.3:443", "10.1.2.3:443"),
    (.passthrough, "https://10.1.2.3", "10.1.2.3:443"),
    (.passthrough, "https://10.1.2.3:8443", "10.1.2.3:8443"),
    (.passthrough, "[2001:db8::1]:443", "[2001:db8::1]:443"),
    (.passthrough, "https://[2001:db8::1]", "[2001:db8::1]:443"),
  ])
  func hasOneCanonicalText(mode: TLSMode, text: String, canonical: String) throws {
    let backend = try Backend(text, for: mode, under: Self.policy)
    #expect(backend.description == canonical)
    #expect(try Backend(canonical, for: mode, under: Self.policy) == backend)
    #expect((backend.scheme == nil) == (mode == .passthrough))
  }

  private static let terminated = "it must be http://IP[:port] or https://IP[:port]"
  private static let passedThrough = "with TLS passed through it must be IP:port or https://IP[:port]"
  private static let noAddress = "the host must be an IP address"
  private static let badPort = "the port must be a number from 1 to 65535"

  @Test(arguments: [
    (TLSMode.terminated, "", terminated), (.terminated, "10.1.2.3", terminated),
    (.terminated, "10.1.2.3:80", terminated),
    (.terminated, "ftp://10.1.2.3", terminated), (.terminated, "HTTP://10.1.2.3", terminated),
    (.terminated, " http://10.1.2.3", terminated), (.terminated, "http:/10.1.2.3", terminated),
    (.terminated, "http://", noAddress), (.terminated, "http://example.com", noAddress),
    (.terminated, "http://localhost:80", noAddress), (.terminated, "http://:80", noAddress),
    (.terminated, "http://010.1.2.3", noAddress), (.terminated, "http://10.1.2", noAddress),
    (.terminated, "http://0x7f.0.0.1", noAddress), (.terminated, "http://2130706433", noAddress),
    (.terminated, "http://10.1.2.3 ", noAddress), (.terminated, "http://[fe80::1%25eth0]", noAddress),
    (.terminated, "http://[fe80::1%eth0]:80", noAddress), (.terminated, "http://[1:2]", noAddress),
    (.terminated, "http://10.1.2.3/", "it must have no path"),
    (.terminated, "http://10.1.2.3:80/x", "it must have no path"),
    (.terminated, "http:///", "it must have no path"),
    (.terminated, "http://10.1.2.3?x=1", "it must have no query"),
    (.terminated, "http://10.1.2.3#x", "it must have no fragment"),
    (.terminated, "http://user@10.1.2.3", "it must have no credentials"),
    (.terminated, "http://user:secret@10.1.2.3", "it must have no credentials"),
    (.terminated, "http://2001:db8::1", "an IPv6 address must stand in brackets"),
    (.terminated, "http://10.1.2.3:80:80", "an IPv6 address must stand in brackets"),
    (.terminated, "http://[10.1.2.3]", "brackets must hold an IPv6 address"),
    (.terminated, "http://[]", "brackets must hold an IPv6 address"),
    (.terminated, "http://[::2", "brackets must hold an IPv6 address"),
    (.terminated, "http://[::2]80", badPort), (.terminated, "http://[2001:db8::1]]:80", badPort),
    (.terminated, "http://10.1.2.3:", badPort), (.terminated, "http://10.1.2.3:0", badPort),
    (.terminated, "http://10.1.2.3:65536", badPort), (.terminated, "http://10.1.2.3:+80", badPort),
    (.terminated, "http://10.1.2.3:-1", badPort), (.terminated, "http://10.1.2.3:080", badPort),
    (.terminated, "http://10.1.2.3:8o", badPort), (.terminated, "http://10.1.2.3:99999999999999999999", badPort),
    (.passthrough, "10.1.2.3", "the port is missing"), (.passthrough, "[2001:db8::1]", "the port is missing"),
    (.passthrough, "http://10.1.2.3:443", passedThrough), (.passthrough, "tcp://10.1.2.3:443", passedThrough),
    (.passthrough, "10.1.2.3:443/x", passedThrough), (.passthrough, "https://10.1.2.3/x", "it must have no path"),
    (.passthrough, "example.com:443", noAddress), (.passthrough, "", noAddress), (.passthrough, "10.1.2.3:0", badPort),
    (.passthrough, "2001:db8::1:443", "an IPv6 address must stand in brackets"),
    (.passthrough, "a@10.1.2.3:443", "it must have no credentials"),
  ])
  func refusesTheRest(mode: TLSMode, text: String, rule: String) {
    expectInvalid("invalid backend \"\(text)\": \(rule)") {
      () throws(InvalidValue) in try Backend(text, for: mode, under: .alreadyAccepted)
    }
  }

  @Test(arguments: [
    ("0.0.0.0", "the address is unspecified"), ("[::]", "the address is unspecified"),
    ("[::ffff:0.0.0.0]", "the address is unspecified"),
    ("127.0.0.1", "the address is loopback"), ("[::1]", "the address is loopback"),
    ("[::ffff:127.0.0.1]", "the address is loopback"),
    ("169.254.169.254", "the address is link-local"), ("[fe80::1]", "the address is link-local"),
    ("[::ffff:169.254.1.1]", "the address is link-local"),
    ("224.0.0.1", "the address is multicast"), ("[ff02::1]", "the address is multicast"),
    ("255.255.255.255", "the address is broadcast"),
    ("185.206.122.162", "the address is one of this node's own"),
    ("[::ffff:185.206.122.162]", "the address is one of this node's own"),
    ("[2a10:b600:1:0:cc4:7a30:65b5:0]", "the address is one of this node's own"),
  ])
  func isRefusedAnAddressThatCannotServe(host: String, rule: String) throws {
    let own: Set = try [IPAddress("185.206.122.162"), IPAddress("2a10:b600:1::cc4:7a30:65b5:0")]
    for (mode, text) in [(TLSMode.terminated, "http://\(host)"), (.passthrough, "\(host):443")] {
      expectInvalid("invalid backend \"\(text)\": \(rule)") {
        () throws(InvalidValue) in try Backend(text, for: mode, under: .requested(nodeAddresses: own))
      }
      // What stands in a file was allowed once.
      #expect(throws: Never.self) { try Backend(text, for: mode, under: .alreadyAccepted) }
    }
  }

  @Test("On an allowed loopback that is the node's own address, only Traefik's own ports would loop")
  func mayBeOnTheNodesOwnLoopback() throws {
    let policy = AddressPolicy.requested(
      nodeAddresses: [try IPAddress("127.0.0.1")], allowLoopback: true,
      traefik: [try ListenAddress(":80"), try ListenAddress("127.0.0.2:443")])
    for text in ["http://127.0.0.1:9000", "https://127.0.0.1", "http://[::1]:81"] {
      #expect(throws: Never.self) { try Backend(text, for: .terminated, under: policy) }
    }
    for text in ["http://127.0.0.1", "http://[::1]:80", "https://127.0.0.2"] {
      expectInvalid("invalid backend \"\(text)\": it is where Traefik listens") {
        () throws(InvalidValue) in try Backend(text, for: .terminated, under: policy)
      }
    }
  }

  @Test func mayBeOnTheLoopbackWhereThatIsAllowed() throws {
    let policy = AddressPolicy.requested(nodeAddresses: [], allowLoopback: true)
    #expect(try Backend("http://127.0.0.1:9000", for: .terminated, under: policy).port == 9000)
    #expect(try Backend("[::1]:9000", for: .passthrough, under: policy).port == 9000)
    expectInvalid(#"invalid backend "http://0.0.0.0": the address is unspecified"#) {
      () throws(InvalidValue) in try Backend("http://0.0.0.0", for: .terminated, under: policy)
    }
  }
}

@Suite(.timeLimit(.minutes(5)))
struct BackendsTests {
  private static let policy = AddressPolicy.requested(nodeAddresses: [])

  @Test func areAtLeastOne() {
    expectInvalid("at least one backend is needed") {
      () throws(InvalidValue) in try Backends([], for: .terminated, under: Self.policy)
    }
  }

  @Test func areAtMost64() throws {
    let texts = (1...65).map { "http://10.0.0.\($0)" }
    #expect(try Backends(texts.prefix(64), for: .terminated, under: Self.policy).count == 64)
    expectInvalid("at most 64 backends are allowed, not 65") {
      () throws(InvalidValue) in try Backends(texts, for: .terminated, under: Self.policy)
    }
  }

  @Test func areEachOnce() throws {
    let texts = ["http://10.0.0.2:80", "http://10.0.0.1", "http://10.0.0.2", "https://10.0.0.1"]
    let backends = try Backends(texts, for: .terminated, under: Self.policy)
    #expect(backends.map(\.description) == ["http://10.0.0.2:80", "http://10.0.0.1:80", "https://10.0.0.1:443"])
    let passed = try Backends(["10.0.0.1:443", "https://10.0.0.1"], for: .passthrough, under: Self.policy)
    #expect(passed.count == 1)
  }

  @Test func nameEveryFaultyOneInOneError() {
    let texts = ["http://10.0.0.1", "10.0.0.2:80", "http://127.0.0.1", "http://10.0.0.3", "http://10.0.0.4/x"]
    expectInvalid(
      #"invalid backend "10.0.0.2:80": it must be http://IP[:port] or https://IP[:port]; "#
        + #"invalid backend "http://127.0.0.1": the address is loopback; "#
        + #"invalid backend "http://10.0.0.4/x": it must have no path"#
    ) { () throws(InvalidValue) in try Backends(texts, for: .terminated, under: Self.policy) }
  }

  @Test func keepTheirOrderAndEqualTheSameOnesWrittenOtherwise() throws {
    let short = try Backends(["http://10.0.0.2", "http://10.0.0.1"], for: .terminated, under: Self.policy)
    let long = try Backends(["http://10.0.0.2:80", "http://10.0.0.1:80"], for: .terminated, under: Self.policy)
    #expect(short == long)
    #expect(short.map(\.description) == ["http://10.0.0.2:80", "http://10.0.0.1:80"])
  }

  @Test(
    "A backend for plain HTTP",
    arguments: [
      ("10.1.2.3", "http://10.1.2.3:80"), ("10.1.2.3:8080", "http://10.1.2.3:8080"),
      ("http://10.1.2.3", "http://10.1.2.3:80"), ("2001:db8::1", nil), ("[2001:db8::1]", "http://[2001:db8::1]:80"),
      ("https://10.1.2.3", nil), ("10.1.2.3/x", nil), ("http://10.1.2.3/", nil), ("example.com", nil), ("", nil),
      ("10.1.2.3:0", nil), ("127.0.0.1", nil), ("user@10.1.2.3", nil),
    ])
  func plainHTTP(text: String, canonical: String?) throws {
    func backends() throws -> [String]? {
      try Route.make("w", "w.example.com", .passthrough, ["10.1.2.3:443"], http: [text]).httpBackends?
        .map(\.description)
    }
    if let canonical {
      #expect(try backends() == [canonical])
    } else {
      let error = #expect(throws: InvalidValue.self) { try backends() }
      #expect(error?.description.hasPrefix("invalid HTTP backend \"\(text)\": ") == true)
    }
  }
}
