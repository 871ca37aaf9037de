import Records
import TestSupport
import Testing

@testable import DNSZones

/// What a hash of coredns-redis says, and what of it is left out.
@Suite(.timeLimit(.minutes(5)))
struct HashZoneTests {
  private static let domain = try! Domain("example.test")
  private static let head = ZoneTable.ZoneHead(nameservers: [RecordName(try! Domain("ns.gateway.test"))], owner: nil)

  private static func zone(_ fields: [(String, String)]) -> HashZone {
    HashZone(domain, fields: fields.map { (Array($0.utf8), Array($1.utf8)) }, head: head)
  }

  /// `NAME TYPE TTL VALUE` of each record.
  private static func lines(_ zone: HashZone) -> [String] {
    zone.names.sorted { $0.key < $1.key }.flatMap { name, records in
      records.map { "\(name) \($0.type) \($0.ttl) \($0.value)" }
    }
  }

  @Test func everyTypeIsTaken() {
    let zone = Self.zone([
      (
        "@",
        #"{"soa":{"ttl":300, "minttl":100, "mbox":"hostmaster.example.test.","ns":"ns1.example.test.","refresh":44,"#
          + #""retry":55,"expire":66},"#
          + #""ns":[{"ttl":300,"host":"NS1.example.test."},{"ttl":400,"host":"ns2.example.test"}],"a":[{"ip":"192.0.2.1"}],"#
          + #""caa":[{"flag":0,"tag":"issue","value":"ca.test"}]}"#
      ),
      ("*", #"{"a":[{"ip":"192.0.2.2","ttl":60}]}"#), ("*.Sub", #"{"TXT":[{"Text":"a \"b\\ é"}]}"#),
      ("sub.*", #"{"txt":[{"text":"literal","ttl":0}]}"#),
      ("_ssh._tcp.host1", #"{"srv":[{"ttl":300,"target":"tcp.example.test.","port":123,"priority":10,"weight":100}]}"#),
      (
        "host1",
        #"{"a":[{"ip":"192.0.2.3","ttl":500},{"ip":"192.0.2.4"},{"ip":"192.0.2.3"}],"aaaa":[{"ip":"2001:DB8:0::1"}]}"#
      ),
      ("host2", #" {"cname" : [ {"host":"x.Example.test"} ] } "#),
      ("host3", #"{"mx":[{"ttl":300,"host":"mail.example.test","preference":65535},{"host":"."}],"a":null}"#),
      ("host4", #"{"ns":[{"host":"ns.elsewhere"}]}"#), ("empty", ""), ("nothing", "{}"),
    ])
    #expect(zone.faults == [])
    #expect(
      Self.lines(zone) == [
        #"*.example.test A 60 192.0.2.2"#, #"*.sub.example.test TXT 300 "a \034b\092 \195\169""#,
        "_ssh._tcp.host1.example.test SRV 300 10 100 123 tcp.example.test.", "example.test A 300 192.0.2.1",
        #"example.test CAA 300 0 issue "ca.test""#, "host1.example.test A 300 192.0.2.3",
        "host1.example.test A 300 192.0.2.4", "host1.example.test AAAA 300 2001:db8::1",
        "host2.example.test CNAME 300 x.example.test.", "host3.example.test MX 300 65535 mail.example.test.",
        "host3.example.test MX 300 0 .", "host4.example.test NS 300 ns.elsewhere.",
        #"sub.*.example.test TXT 0 "literal""#,
      ])
    #expect(zone.head.nameservers.map(\.description) == ["ns1.example.test", "ns2.example.test"])
    #expect(zone.head.nameserverTTL == 300)
    let authority = zone.head.authority(Self.domain, serial: 7)
    let numbers: [UInt8] = [0, 0, 0, 7, 0, 0, 0, 44, 0, 0, 0, 55, 0, 0, 0, 66, 0, 0, 0, 100]
    #expect(authority.bytes == wire("ns1.example.test") + wire("hostmaster.example.test") + numbers)
  }

  /// What the hash does not say of its authority is as the gateway's own zones have it.
  @Test func withoutAnythingOfItsOwnAZoneIsAsAnyOther() {
    #expect(Self.zone([("www", #"{"a":[{"ip":"192.0.2.1"}]}"#)]).head == Self.head)
    #expect(Self.zone([("@", #"{"soa":{"ns":"","mbox":null}}"#)]).head == Self.head)
    let part = Self.zone([("@", #"{"soa":{"MBox":"a.b.","Retry":7}}"#)]).head.start
    #expect(part.mailbox == "a.b" && part.retry == 7 && part.primary == nil && part.refresh == 3600)
    let nameserver = Self.zone([("@", #"{"ns":[{"host":"ns.b.test"}]}"#)]).head
    #expect(nameserver.authority(Self.domain, serial: 1).bytes.starts(with: wire("ns.b.test")))
  }

  static let address = #"{"a":[{"ip":"192.0.2.1"}]}"#
  private static let label = "the name has a label that is not '*' and not 1 to 63 letters, digits, '-' and '_'"
  private static let part = "a label has 1 to 63 letters, digits, '-' and '_'"

  static let faults: [(field: String, value: String, reasons: [String])] = [
    ("a b", address, [label]), ("", address, [label]), ("a.", address, [label]), (".a", address, [label]),
    ("a*", address, [label]), ("**", address, [label]), ("a\n", address, [label]), (#"a\.b"#, address, [label]),
    ("@.a", address, [label]), ("ü", address, [label]), (String(repeating: "a", count: 64), address, [label]),
    ((0..<121).map { _ in "a" }.joined(separator: "."), address, ["the whole name is longer than 253 bytes"]),
    ("x", "{", ["the value is no JSON: a name in quotes is needed, at byte 2"]),
    ("x", "nope", ["the value is no JSON: no value begins so, at byte 2"]),
    ("x", #"{"a":[]} x"#, ["the value is no JSON: something follows its end, at byte 10"]),
    ("x", #"{"a":[{"ip":"192.0.2.1"},]}"#, ["the value is no JSON: no value begins so, at byte 26"]),
    ("x", "{'a':[]}", ["the value is no JSON: a name in quotes is needed, at byte 2"]),
    ("x", #"{"a" []}"#, ["the value is no JSON: ':' is needed, at byte 6"]),
    ("x", #"{"a":[1 2]}"#, ["the value is no JSON: ',' or ']' is needed, at byte 9"]),
    ("x", #"{"a":[] "b":[]}"#, ["the value is no JSON: ',' or '}' is needed, at byte 9"]),
    (
      "x", "{\"txt\":[{\"text\":\"a\nb\"}]}", ["the value is no JSON: a control character stands in a text, at byte 19"]
    ),
    ("x", #"{"txt":[{"text":"\x41"}]}"#, ["the value is no JSON: there is no such escape, at byte 20"]),
    (
      "x", #"{"txt":[{"text":"\ud800"}]}"#, ["the value is no JSON: a half of a character stands in a text, at byte 24"]
    ),
    ("x", #"{"txt":[{"text":"\u12"#, ["the value is no JSON: four hexadecimal digits are needed, at byte 20"]),
    ("x", #"{"txt":[{"text":"a"#, ["the value is no JSON: a text does not end, at byte 19"]),
    ("x", #"{"a":[{"ttl":01}]}"#, ["the value is no JSON: ',' or '}' is needed, at byte 15"]),
    ("x", #"{"a":[{"ttl":1.}]}"#, ["the value is no JSON: a digit is needed, at byte 16"]),
    (
      "x", String(repeating: "[", count: 100_000).prefix(60_000).description,
      ["the value is no JSON: it is nested too deeply, at byte 17"]
    ),
    ("x", "[]", ["the value is no JSON object"]), ("x", "null", ["the value is no JSON object"]),
    ("x", String(repeating: " ", count: 65_537), ["it is longer than 65,536 bytes"]),
    ("x", #"{"a":{"ip":"192.0.2.1"}}"#, ["a: it is no list"]),
    ("x", #"{"a":["192.0.2.1"]}"#, ["a[0]: it is no JSON object"]),
    (
      "x", #"{"tlsa":[],"A\n":[]}"#,
      [
        #""a\n" is no type of records that hashes have"#, #""tlsa" is no type of records that hashes have"#,
      ]
    ),
    ("x", #"{"a":[{}]}"#, [#"a[0]: "ip" is missing"#]), ("x", #"{"a":[{"ip":""}]}"#, [#"a[0]: "ip" is missing"#]),
    ("x", #"{"a":[{"ip":7}]}"#, [#"a[0]: "ip" is no text"#]),
    ("x", #"{"a":[{"ip":"192.0.2"}]}"#, [#"a[0]: invalid ip "192.0.2": it is no IPv4 address"#]),
    ("x", #"{"a":[{"ip":"::1"}]}"#, [#"a[0]: invalid ip "::1": it is no IPv4 address"#]),
    ("x", #"{"aaaa":[{"ip":"192.0.2.1"}]}"#, [#"aaaa[0]: invalid ip "192.0.2.1": it is no IPv6 address"#]),
    (
      "x", #"{"a":[{"ip":"192.0.2.1\n$INCLUDE /etc/passwd"}]}"#,
      [
        #"a[0]: invalid ip "192.0.2.1\n$INCLUDE /etc/passwd": it is no IPv4 address"#
      ]
    ),
    ("x", ##"{"a":[{"ip":"\\# 4 c0000201"}]}"##, [##"a[0]: invalid ip "\\# 4 c0000201": it is no IPv4 address"##]),
    ("x", #"{"a":[{"ip":"192.0.2.1","ttl":-1}]}"#, [#"a[0]: "ttl" is no whole number from 0 to 2147483647"#]),
    ("x", #"{"a":[{"ip":"192.0.2.1","ttl":2147483648}]}"#, [#"a[0]: "ttl" is no whole number from 0 to 2147483647"#]),
    ("x", #"{"a":[{"ip":"192.0.2.1","ttl":1.5}]}"#, [#"a[0]: "ttl" is no whole number from 0 to 2147483647"#]),
    ("x", #"{"a":[{"ip":"192.0.2.1","ttl":"60"}]}"#, [#"a[0]: "ttl" is no whole number from 0 to 2147483647"#]),
    ("x", #"{"cname":[{"host":"a b"}]}"#, [#"cname[0]: invalid host "a b": \#(part)"#]),
    ("x", #"{"cname":[{"host":"a..b"}]}"#, [#"cname[0]: invalid host "a..b": \#(part)"#]),
    (
      "x", #"{"cname":[{"host":"a.\nevil 60 A 192.0.2.66"}]}"#,
      [
        #"cname[0]: invalid host "a.\nevil 60 A 192.0.2.66": \#(part)"#
      ]
    ),
    ("x", #"{"ns":[{"host":"a\u0000"}]}"#, [#"ns[0]: invalid host "a\u{0}": \#(part)"#]),
    ("x", #"{"mx":[{"host":"a","preference":65536}]}"#, [#"mx[0]: "preference" is no whole number from 0 to 65535"#]),
    ("x", #"{"mx":[{"preference":1}]}"#, [#"mx[0]: "host" is missing"#]),
    ("x", #"{"srv":[{"target":"a","port":70000}]}"#, [#"srv[0]: "port" is no whole number from 0 to 65535"#]),
    ("x", #"{"srv":[{"port":7}]}"#, [#"srv[0]: "target" is missing"#]),
    ("x", #"{"caa":[{"flag":256,"tag":"issue","value":"x"}]}"#, [#"caa[0]: "flag" is no whole number from 0 to 255"#]),
    (
      "x", #"{"caa":[{"tag":"a b","value":"x"}]}"#, [#"caa[0]: invalid tag "a b": it may hold only letters and digits"#]
    ),
    ("x", #"{"caa":[{"tag":"issue"}]}"#, [#"caa[0]: "value" is missing"#]),
    ("x", #"{"soa":{"ns":"a.test"}}"#, ["soa: only '@' has one"]),
    ("@", #"{"soa":[]}"#, ["soa: it is no JSON object"]),
    (
      "@", #"{"soa":{"ns":"a b","refresh":-1,"expire":"x"}}"#,
      [
        #"soa: invalid ns "a b": \#(part)"#, #"soa: "refresh" is no whole number from 0 to 2147483647"#,
        #"soa: "expire" is no whole number from 0 to 2147483647"#,
      ]
    ),
    ("@", #"{"ns":[{"host":"single"}]}"#, [#"ns: invalid domain "single.": it needs at least two labels"#]),
    ("@", #"{"cname":[{"host":"a.test"}]}"#, ["cname: a CNAME cannot stand at the apex of a zone (RFC 1034, 3.6.2)"]),
  ]

  @Test("Whatever is no record is left out alone, and told", arguments: faults)
  func fault(field: String, value: String, reasons: [String]) {
    let zone = Self.zone([(field, value), ("good", Self.address)])
    #expect(zone.faults.map(\.reason) == reasons)
    #expect(zone.faults.allSatisfy { $0.field == String(field.prefix(253)) })
    #expect(Self.lines(zone) == ["good.example.test A 300 192.0.2.1"])
    #expect(zone.head.nameservers == Self.head.nameservers)
  }

  @Test func oneBadElementLeavesTheOthersThere() {
    let zone = Self.zone([("x", #"{"a":[{"ip":"bad"},{"ip":"192.0.2.1"}],"mx":[{}],"txt":[{"text":"t"}]}"#)])
    #expect(
      zone.faults.map(\.reason) == [
        #"a[0]: invalid ip "bad": it is no IPv4 address"#, #"mx[0]: "host" is missing"#,
      ])
    #expect(Self.lines(zone) == ["x.example.test A 300 192.0.2.1", #"x.example.test TXT 300 "t""#])
  }

  /// knotd would refuse the zone.
  @Test func aliasStandsAlone() {
    let beside = Self.zone([("x", #"{"a":[{"ip":"192.0.2.1"}],"cname":[{"host":"a.test"}]}"#)])
    #expect(beside.faults == [.init(field: "x", reason: "cname: a CNAME stands alone (RFC 1034, 3.6.2)")])
    #expect(Self.lines(beside) == ["x.example.test A 300 192.0.2.1"])
    let two = Self.zone([("x", #"{"cname":[{"host":"a.test"},{"host":"b.test"}]}"#)])
    #expect(two.faults == beside.faults)
    #expect(Self.lines(two) == ["x.example.test CNAME 300 a.test."])
    let same = Self.zone([("x", #"{"cname":[{"host":"a.test"},{"host":"A.test.","ttl":60}]}"#)])
    #expect(same.faults == [])
    #expect(Self.lines(same) == ["x.example.test CNAME 300 a.test."])
  }

  /// Fields that differ in case alone are one name.
  @Test func caseOfAFieldMeansNothing() {
    let zone = Self.zone([("WWW", Self.address), ("www", #"{"a":[{"ip":"192.0.2.2"}]}"#)])
    #expect(Self.lines(zone) == ["www.example.test A 300 192.0.2.1", "www.example.test A 300 192.0.2.2"])
  }

  @Test func longTextsAreSplit() throws {
    for (count, sizes) in [(1, [1]), (255, [255]), (256, [255, 1]), (511, [255, 255, 1])] {
      let zone = Self.zone([("x", #"{"txt":[{"text":"\#(String(repeating: "x", count: count))"}]}"#)])
      let bytes = try #require(zone.names["x.example.test"]?.first).data.bytes
      #expect(bytes == sizes.flatMap { [UInt8($0)] + [UInt8](repeating: UInt8(ascii: "x"), count: $0) })
    }
  }

  /// A text is that text, whatever it would mean in a zone's file.
  @Test(arguments: [
    #"a" "b"#, #"\"#, #"\065"#, "; comment", "( a", "$INCLUDE /etc/passwd", "a\nevil 60 A 192.0.2.66", "\u{0}\u{7f}",
    "ü\u{2028}",
    " ", "@",
  ])
  func textStaysText(text: String) throws {
    let json = text.unicodeScalars.map { "\\u" + String($0.value + 0x10000, radix: 16).dropFirst() }.joined()
    let zone = Self.zone([("x", #"{"txt":[{"text":"\#(json)"}],"caa":[{"tag":"issue","value":"\#(json)"}]}"#)])
    #expect(zone.faults == [])
    let records = try #require(zone.names["x.example.test"])
    #expect(records.count == 2)
    #expect(records[0].data.bytes == [0, 5] + Array("issue".utf8) + Array(text.utf8))
    #expect(records[1].data.bytes == [UInt8(text.utf8.count)] + Array(text.utf8))
    #expect(records.allSatisfy { record in record.value.utf8.allSatisfy { (0x20..<0x7f).contains($0) } })
  }

  @Test func bytesThatAreNoTextAreFaults() {
    let zone = HashZone(
      Self.domain,
      fields: [
        ([0xff], Array(Self.address.utf8)),
        (Array("x".utf8), Array(#"{"txt":[{"text":""#.utf8) + [0xff] + Array(#""}]}"#.utf8)),
        (Array("y".utf8), [0xff, 0xfe]), (Array("z".utf8), [0]),
      ], head: Self.head)
    #expect(
      zone.faults == [
        .init(field: "x", reason: "the value is no JSON: a text is no UTF-8, at byte 19"),
        .init(field: "y", reason: "the value is no JSON: no value begins so, at byte 1"),
        .init(field: "z", reason: "the value is no JSON: no value begins so, at byte 1"),
        .init(field: "\u{fffd}", reason: "the name is no UTF-8"),
      ])
    #expect(zone.names.isEmpty)
  }

  /// Names as long as they may be, and as many records.
  @Test func limitsAreWhereTheyAreSaidToBe() {
    let longest = ((0..<119).map { _ in "a" } + ["bb"]).joined(separator: ".")
    #expect("\(longest).example.test".utf8.count == 253)
    #expect(Self.zone([(longest, Self.address)]).faults == [])
    let label = String(repeating: "a", count: 63)
    #expect(Self.zone([(label, #"{"cname":[{"host":"\#(label).test."}]}"#)]).faults == [])
    let many = (0..<257).map { #"{"ip":"192.0.\#($0 / 256).\#($0 % 256)"}"# }.joined(separator: ",")
    let zone = Self.zone([("x", #"{"a":[\#(many)]}"#)])
    #expect(zone.faults == [.init(field: "x", reason: "it has 257 records, of which the first 256 are served")])
    #expect(zone.names["x.example.test"]?.count == 256)
  }

  @Test(arguments: [
    ("", "", "example.test.", "example.test"), ("", "", "example.test", nil), ("", "", "Example.test.", nil),
    ("", "", "test.", nil), ("", "", ".", nil), ("", "", "", nil), ("", "", "zone", nil),
    ("", "", "example.test..", nil),
    ("", "", "a b.test.", nil), ("", "", "gateway.manager@0.0.1", nil), ("", "", "*.example.test.", nil),
    ("dns:", "", "dns:example.test.", "example.test"), ("dns:", "", "example.test.", nil),
    ("", ":z", "example.test.:z", "example.test"), ("a", "a", "a", nil), ("a", "a", "aa.b.a", "a.b"),
  ])
  func keysOfZones(prefix: String, suffix: String, key: String, domain: String?) {
    let keys = HashKeys(prefix: prefix, suffix: suffix)
    #expect(keys.domain(of: Array(key.utf8))?.rawValue == domain)
    if let domain { #expect(keys.key(of: try! Domain(domain)) == key) }
    #expect(keys.domain(of: Array(prefix.utf8) + [0xff, 0x2e] + Array(suffix.utf8)) == nil)
  }
}
