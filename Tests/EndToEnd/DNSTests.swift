import Foundation
import TestSupport
import Testing

/// Zones and records, from the bus to a real knotd, whose answers strangers judge: BIND's dig and its validator.
@Suite(.timeLimit(.minutes(15)))
struct DNSTests {
  /// What kept zones from being served, beside that knotd was not there yet.
  private func problems(_ gateway: GatewayProcess) throws -> [String] {
    try gateway.logged("zones are not served as they are to be").compactMap(\.["reason"].string)
      .filter { !$0.hasPrefix("knotd is not running") }
  }

  // MARK: What is set is answered

  @Test func recordsOfEveryTypeAreAnsweredAsSoonAsTheCallIs() async throws {
    try await Knot.withNode { gateway, knot in
      #expect(try await gateway.setZone("37-1-zone", "Example.Test.").callError == nil)
      for (type, value, data) in [
        ("A", "192.0.2.7", "192.0.2.7"), ("AAAA", "2001:db8::7", "2001:db8::7"),
        ("CNAME", "Web.Example.Test", "web.example.test."), ("TXT", #""a;b" "c\"d""#, #""a;b" "c\"d""#),
        ("MX", "65 mail.example.test", "65 mail.example.test."), ("NS", "ns.other.test.", "ns.other.test."),
        ("SRV", "1 2 443 web.example.test", "1 2 443 web.example.test."),
        ("CAA", #"0 issue "ca.test""#, #"0 issue "ca.test""#),
        ("TLSA", "3 1 1 \(String(repeating: "AB", count: 32))", "3 1 1 \(String(repeating: "AB", count: 28)) ABABABAB"),
        ("SSHFP", "4 2 \(String(repeating: "CD", count: 32))", "4 2 \(String(repeating: "CD", count: 28)) CDCDCDCD"),
        ("HTTPS", "1 . alpn=h2", #"1 . alpn="h2""#), ("SVCB", "0 web.example.test", "0 web.example.test."),
      ] {
        let name = "\(type.lowercased()).example.test"
        let reply = try await gateway.setRecords("37-1-\(type)", name, .record(type, value, ttl: 300))
        #expect(reply.callError == nil)
        // Those of a name that is delegated stand under AUTHORITY.
        let answer = try await knot.ask(name, type, "+authority")
        #expect(
          answer.records.contains { $0.kind == type && $0.name == "\(name)." && $0.data == data && $0.ttl == 300 },
          "\(type): \(answer)")
      }
      // All at once in the place of what was there, and nothing in the place of that.
      _ = try await gateway.setRecords(
        "37-1-A", "a.example.test", .record("A", "192.0.2.8"), .record("A", "192.0.2.9"),
        .record("MX", "10 m.example.test"))
      #expect(try await knot.data("a.example.test", "A") == ["192.0.2.8", "192.0.2.9"])
      #expect(try await knot.ask("a.example.test", "A").records.first?.ttl == 3600)
      _ = try await gateway.setRecords("37-1-A", "other.example.test", .record("A", "192.0.2.8"))
      #expect(try await knot.ask("a.example.test", "A").status == "NXDOMAIN")
      #expect(try await knot.data("other.example.test", "A") == ["192.0.2.8"])
      #expect(try await gateway.dns("DeleteRecords", "37-1-A").callError == nil)
      #expect(try await knot.ask("other.example.test", "A").status == "NXDOMAIN")
      #expect(try await gateway.dns("DeleteRecords", "37-1-A").callError == nil)
    }
  }

  /// What is served is read back as what was set, whatever knotd makes of it in text: else the gateway would write it anew.
  @Test func oddValuesAreReadBackAsTheyWereSet() async throws {
    try await Knot.withNode { gateway, knot in
      for (index, (type, value)) in [
        ("TXT", #""\000\255;\"\\" "" "a b""#), ("HTTPS", #"1 . alpn="h2,h3" key65000="a;b\"c\\d""#),
        ("SVCB", #"16 odd.free.test key667=\002\255 port=53"#), ("CAA", #"128 odd "\";\\ x""#),
        ("SSHFP", "4 2 \(String(repeating: "cd", count: 32))"), ("MX", #"0 ."#),
        ("SRV", #"0 0 0 a\.b.c\032d\;e.free.test"#), ("NS", "UPPER.free.test"),
      ].enumerated() {
        let reply = try await gateway.setRecords("37-1-\(index)", "odd\(index).free.test", .record(type, value))
        #expect(reply.callError == nil, "\(type)")
      }
      let serial = try await knot.data("free.test", "SOA")
      let zone = try await knot.control("zone-read", "free.test")
      try await gateway.restart()
      try await eventually { try await gateway.call("Node").data["DNS"]["Fault"] == "" }
      #expect(try problems(gateway) == [])
      #expect(try await knot.data("free.test", "SOA") == serial)
      #expect(try await knot.control("zone-read", "free.test") == zone)
    }
  }

  @Test func zoneIsSignedAndHasWhatEveryZoneHas() async throws {
    try await Knot.withNode { gateway, knot in
      let reply = try await gateway.setZone("37-1-zone", "example.test")
      #expect(reply.data["Nameservers"] == ["\(Knot.nameserver)."])
      let signer = try #require(reply.data["DS"].array?.first?.string)
      #expect(signer.contains(" 13 2 "))
      #expect(try await knot.data("example.test", "NS") == ["\(Knot.nameserver)."])
      #expect(
        try await knot.data("__owner__.example.test", "TXT") == [
          #""{\"identity\":\"\#(Knot.nameserver)\",\"owner\":\"37\"}""#
        ])
      let soa = try await knot.data("example.test", "SOA")
      #expect(soa.first?.hasPrefix("\(Knot.nameserver). hostmaster.example.test. ") == true)
      _ = try await gateway.setRecords("37-1-web", "web.example.test", .record("A", "192.0.2.7"))
      _ = try await gateway.setRecords("37-1-wild", "*.deep.example.test", .record("A", "192.0.2.8"))
      for (name, type) in [
        ("web.example.test", "A"), ("web.example.test", "AAAA"), ("nothing.example.test", "A"),
        // By a wildcard, and an empty non-terminal (RFC 4592).
        ("a.b.deep.example.test", "A"), ("deep.example.test", "A"),
      ] {
        let said = try await knot.validate(name, type, zone: "example.test")
        #expect(said.contains("fully validated"), "\(name) \(type): \(said)")
      }
      #expect(try await knot.data("a.b.deep.example.test", "A") == ["192.0.2.8"])
      let list = try await gateway.dns("Zones").data.array ?? []
      #expect(list.map(\.["Domain"]) == ["example.test", .string(Knot.managed)])
      #expect(
        list.map(\.["Managed"]) == [false, true] && list[0]["Records"] == 2 && list[0]["DS"] == [.string(signer)])
      let serial = try #require(Int(soa[0].split(separator: " ")[2]))
      #expect(list[0]["Serial"].integer.map { $0 > serial } == true, "each change has a greater one: \(list) \(serial)")

      // With the zone all that is in it goes.
      #expect(try await gateway.dns("DeleteZone", "37-1-zone").callError == nil)
      #expect(try await knot.ask("web.example.test", "A").status == "REFUSED")
      #expect(try gateway.files(in: "records").count == 1)
    }
  }

  /// By TCP, in any case, and where an answer is larger than a question allows.
  @Test func answersAreThoseThatStrangersExpect() async throws {
    try await Knot.withNode { gateway, knot in
      let texts = (0..<20).map { JSON.record("TXT", "\"\(String(repeating: "x", count: 200))\($0)\"") }
      let reply = try await gateway.dns("SetRecords", "37-1-w", ["Name": "large.free.test", "Records": .array(texts)])
      #expect(reply.callError == nil)
      #expect(try await knot.ask("large.free.test", "TXT", "+tcp").records.count == 20)
      // dig goes on by TCP by itself, unless it is told not to.
      let cut = try await knot.ask("large.free.test", "TXT", "+ignore", "+bufsize=512")
      #expect(cut.flags.contains("tc") && cut.records.count < 20)
      let odd = try await knot.ask("lArGe.FrEe.TeSt", "TXT", "+tcp")
      #expect(odd.isAuthoritative && odd.records.first?.name == "lArGe.FrEe.TeSt.")
      #expect(try await knot.ask("elsewhere.test", "A").status == "REFUSED")
      // A chain inside the zone is followed, and one that leads out of it is not.
      _ = try await gateway.setRecords("37-1-a", "a.free.test", .record("CNAME", "b.free.test"))
      _ = try await gateway.setRecords("37-1-b", "b.free.test", .record("A", "192.0.2.1"))
      _ = try await gateway.setRecords("37-1-c", "c.free.test", .record("CNAME", "elsewhere.test"))
      #expect(try await knot.ask("a.free.test", "A").records.map(\.data) == ["b.free.test.", "192.0.2.1"])
      #expect(try await knot.ask("c.free.test", "A").records.map(\.data) == ["elsewhere.test."])
    }
  }

  /// A flag that knotd reads at its start alone is in effect when it is started after the gateway.
  @Test func addressThatChangesIsTheOneOfTheNextStart() async throws {
    try await Knot.withNode { gateway, knot in
      _ = try await gateway.setRecords("37-1-a", "a.free.test", .record("A", "192.0.2.1"))
      try await knot.kill()
      let port = try FreePort.next()
      try await gateway.restart(adding: ["--dns-address", "127.0.0.1:\(port)"])
      try await knot.start(at: port)
      try await eventually {
        try await knot.data("a.free.test", "A")
      } until: {
        $0 == ["192.0.2.1"]
      }
    }
  }

  @Test func unsignedZonesAreServedToo() async throws {
    try await Knot.withNode(["--no-dnssec"]) { gateway, knot in
      #expect(try await gateway.setZone("37-1-zone", "example.test").data["DS"] == [])
      _ = try await gateway.setRecords("37-1-web", "web.example.test", .record("A", "192.0.2.7"))
      let answer = try await knot.ask("web.example.test", "A", "+dnssec")
      #expect(answer.records.map(\.kind) == ["A"])
    }
  }

  // MARK: What is refused

  private static let refusals: [(workload: String, name: String, records: [JSON], text: String)] = [
    (
      "37-1-w", "elsewhere.test", [.record("A", "192.0.2.7")],
      #"invalid name "elsewhere.test": it is in no zone of this gateway"#
    ),
    (
      "38-1-w", "a.example.test", [.record("A", "192.0.2.7")],
      #"invalid name "a.example.test": only workloads of user 37 set records in example.test"#
    ),
    ("38-1-w", "taken.free.test", [.record("A", "192.0.2.7")], "name already registered: taken.free.test"),
    ("37-1-w", "free.test", [.record("A", "192.0.2.7")], #"invalid name "free.test": it is the gateway's own"#),
    ("37-1-w", "*.free.test", [.record("A", "192.0.2.7")], #"invalid name "*.free.test": it is the gateway's own"#),
    (
      "37-1-w", "_acme-challenge.free.test", [.record("TXT", "x")],
      #"invalid name "_acme-challenge.free.test": it is the gateway's own"#
    ),
    (
      "37-1-w", "__owner__.example.test", [.record("TXT", "x")],
      #"invalid name "__owner__.example.test": it is the gateway's own"#
    ),
    (
      "38-1-w", "a.sub.free.test", [.record("A", "192.0.2.7")],
      #"invalid name "a.sub.free.test": sub.free.test is delegated by 37-1-sub"#
    ),
    (
      "38-1-w", "other.free.test", [.record("NS", "ns.test")],
      #"invalid records of "other.free.test": a.other.free.test below it is held by 37-1-below"#
    ),
    (
      "37-1-w", "example.test", [.record("CNAME", "a.test")],
      #"invalid records of "example.test": a CNAME cannot stand at the apex of a zone (RFC 1034, 3.6.2)"#
    ),
    (
      "37-1-w", "example.test", [.record("NS", "a.test")],
      #"invalid records of "example.test": the NS records at the apex are the gateway's own"#
    ),
    (
      "37-1-w", "w.example.test", [.record("CNAME", "a.test"), .record("A", "192.0.2.7")],
      #"invalid records of "w.example.test": a CNAME stands alone (RFC 1034, 3.6.2)"#
    ),
    (
      "37-1-w", "w.example.test", [.record("SOA", "a. b. 1 2 3 4 5")],
      #"invalid type "SOA": records have one of A, AAAA, CNAME, TXT, MX, SRV, CAA, NS, TLSA, SSHFP, HTTPS, SVCB"#
    ),
    ("37-1-w", "w.example.test", [.record("A", "192.0.2")], #"invalid A value "192.0.2": invalid IPv4 address"#),
    (
      "37-1-w", "w.example.test", [.record("A", "192.0.2.7", ttl: 29)], #"invalid TTL "29": it is 30 to 604800 seconds"#
    ),
    (
      "37-1-w", "w.example.test", [.record("A", "192.0.2.7", ttl: 60), .record("A", "192.0.2.8", ttl: 61)],
      #"invalid records of "w.example.test": those of one type have one TTL (RFC 2181, 5.2), not 60 and 61 for A"#
    ),
    (
      "37-1-w", "w.example.test", [.record("A", "192.0.2.7"), .record("A", "192.0.2.7")],
      #"invalid records of "w.example.test": the A record "192.0.2.7" is there twice"#
    ),
    (
      "37-1-w", "w.example.test", [],
      #"invalid records of "w.example.test": at least one is needed; DeleteRecords takes them away"#
    ),
    (
      "37-1-w", "w.example.test", (0...256).map { .record("A", "192.0.\($0 / 200).\($0 % 200)") },
      #"invalid records of "w.example.test": there are 257, at most 256 may be"#
    ),
    (
      "37-1-w", "w.*.example.test", [.record("A", "192.0.2.7")],
      #"invalid name "w.*.example.test": '*' may only be the first label, as a whole"#
    ),
    (
      "a/b", "w.example.test", [.record("A", "192.0.2.7")],
      #"invalid workload "a/b": only letters, digits, '.', '_' and '-' may appear"#
    ),
  ]

  @Test func refusalsNameTheInputAndTheRule() async throws {
    try await Knot.withNode { gateway, knot in
      _ = try await gateway.setZone("37-1-zone", "example.test")
      _ = try await gateway.setRecords("37-1-taken", "taken.free.test", .record("A", "192.0.2.1"))
      _ = try await gateway.setRecords("37-1-sub", "sub.free.test", .record("NS", "ns.elsewhere.test"))
      _ = try await gateway.setRecords("37-1-below", "a.other.free.test", .record("A", "192.0.2.1"))
      let before = try gateway.files(in: "records")
      for (workload, name, records, text) in Self.refusals {
        let reply = try await gateway.setRecords(workload, name, records)
        #expect(reply.callError == text)
        try await expectRefusal(of: gateway, workload, name, records, text)
      }
      for (workload, domain, text) in [
        ("38-1-zone", "example.test", "domain already registered: example.test"),
        (
          "38-1-zone", "in.example.test",
          #"invalid domain "in.example.test": the zone example.test is held by another workload"#
        ),
        ("38-1-zone", "in.free.test", #"invalid domain "in.free.test": free.test is the operator's"#),
        ("38-1-zone", "test", #"invalid domain "test": it needs at least two labels"#),
        (
          "38-1-zone", "_acme-challenge.elsewhere.test",
          #"invalid domain "_acme-challenge.elsewhere.test": a name that begins with '_' is no domain of its own"#
        ),
        (
          "38-1-zone", "shop.gent01.example.test",
          #"invalid domain "shop.gent01.example.test": gent01.example.test is the node's own"#
        ),
      ] {
        #expect(try await gateway.setZone(workload, domain).callError == text)
        let outcome = try await Command.run(
          Repository.product("gatewayctl"), ["dns", "set-zone", workload, domain],
          environment: ["GATEWAY_BROKER": gateway.redis.unixURL])
        #expect(outcome.status == .code(1) && outcome.standardError == "gatewayctl: \(text)\n")
      }
      #expect(
        try await gateway.dns("Records", "elsewhere.test").callError
          == #"invalid domain "elsewhere.test": it is in no zone of this gateway"#)
      #expect(try gateway.files(in: "records") == before)
      #expect(try gateway.files(in: "zones").count == 2)
    }
  }

  /// The command line says the same. What it cannot ask for at all it refuses itself.
  private func expectRefusal(
    of gateway: GatewayProcess, _ workload: String, _ name: String, _ records: [JSON], _ text: String
  ) async throws {
    let ttls = Set(records.compactMap(\.["TTL"].integer))
    guard !records.isEmpty, ttls.count < 2 else { return }
    let arguments =
      ["dns", "set", workload, name]
      + records.flatMap { ["--record", "\($0["Type"].string ?? "") \($0["Value"].string ?? "")"] }
      + ttls.flatMap { ["--ttl", "\($0)"] }
    let outcome = try await Command.run(
      Repository.product("gatewayctl"), arguments, environment: ["GATEWAY_BROKER": gateway.redis.unixURL])
    #expect(outcome.status == .code(1) && outcome.standardError == "gatewayctl: \(text)\n")
  }

  /// No value can put a line of its own into a zone, nor read a file, whatever is refused and whatever is not.
  @Test(
    arguments: [
      "192.0.2.7\nevil 60 A 192.0.2.66", "192.0.2.7\r\n$INCLUDE /etc/passwd", "192.0.2.7 ; comment", "( 192.0.2.7",
      "192.0.2.7 )\nevil A 192.0.2.66", "$INCLUDE /etc/passwd", "$GENERATE 1-9 evil$ A 192.0.2.$", "192.0.2.7\u{0}x",
      "\\# 4 c0000242 evil", "\u{2028}evil A 192.0.2.66", "",
    ])
  func valuesStayValues(value: String) async throws {
    try await Knot.withNode { gateway, knot in
      let reply = try await gateway.setRecords("37-1-w", "w.free.test", .record("A", value))
      #expect(reply.callError?.hasPrefix("invalid A value ") == true)
      let text = try await gateway.setRecords(
        "37-1-t", "t.free.test", .record("TXT", #"""# + value.replacing("\\", with: "\\\\") + #"""#))
      let zone = try await eventually {
        try await knot.control("zone-read", "\(Knot.managed).")
      } until: { _ in
        true
      }
      #expect(!zone.contains("] evil") && !zone.contains("] w.free.test."), "\(zone)")
      #expect(
        zone.split(separator: "\n").count { $0.contains("] t.free.test. 3600 TXT ") } == (text.callError == nil ? 1 : 0)
      )
    }
  }

  // MARK: Faults

  @Test func whateverIsKilledAllThatWasAcknowledgedIsAnswered() async throws {
    try await Knot.withNode { gateway, knot in
      _ = try await gateway.setZone("37-1-zone", "example.test")
      _ = try await gateway.setRecords("37-1-a", "a.example.test", .record("A", "192.0.2.1"))
      _ = try await gateway.setRecords("37-1-b", "b.example.test", .record("A", "192.0.2.1"))
      let serial = try await knot.data("example.test", "SOA")

      // The gateway: nobody notices.
      try await gateway.kill()
      #expect(try await knot.data("a.example.test", "A") == ["192.0.2.1"])
      try await gateway.start()
      #expect(try await knot.data("example.test", "SOA") == serial, "nothing changed, so nothing was written")

      // knotd: what is set and deleted meanwhile is so afterwards. It is noticed though nobody sets anything.
      try await knot.kill()
      try await eventually {
        try await gateway.call("Node").data["DNS"]["Fault"].string ?? ""
      } until: {
        $0.contains("Connection refused")
      }
      #expect(try await gateway.setRecords("37-1-c", "c.example.test", .record("A", "192.0.2.3")).callError == nil)
      #expect(try await gateway.dns("DeleteRecords", "37-1-b").callError == nil)
      try await knot.start()
      try await eventually {
        try await knot.data("c.example.test", "A")
      } until: {
        $0 == ["192.0.2.3"]
      }
      #expect(try await knot.ask("b.example.test", "A").status == "NXDOMAIN")
      #expect(try await knot.data("a.example.test", "A") == ["192.0.2.1"])

      // Both, and all that knotd has. Its serials do not go back, though the clock may be anywhere.
      let last = try #require(Int(try await knot.data("example.test", "SOA")[0].split(separator: " ")[2]))
      try await gateway.loseAll(of: knot)
      try await eventually {
        try await knot.data("c.example.test", "A")
      } until: {
        $0 == ["192.0.2.3"]
      }
      #expect(try await knot.data("a.example.test", "A") == ["192.0.2.1"])
      #expect(try await knot.ask("b.example.test", "A").status == "NXDOMAIN")
      #expect(try #require(Int(try await knot.data("example.test", "SOA")[0].split(separator: " ")[2])) > last)
    }
  }

  @Test func whatStrangersDidToKnotIsPutRightAndTheirZonesAreLeftAlone() async throws {
    try await Knot.withNode { gateway, knot in
      _ = try await gateway.setRecords("37-1-a", "a.free.test", .record("A", "192.0.2.1"))
      try await knot.configure(
        ["conf-set", "zone[stranger.test]"],
        ["conf-set", "zone[stranger.test].storage", gateway.root.file("knot/zones")])
      for zone in ["free.test", "stranger.test"] {
        try await knot.control("zone-begin", zone)
        if zone == "stranger.test" {
          try await knot.control("zone-set", zone, "@", "60", "SOA", "a. b. 1 2 3 4 5")
        } else {
          try await knot.control("zone-unset", zone, "a", "A")
        }
        try await knot.control("zone-set", zone, "by-hand", "60", "A", "192.0.2.66")
        try await knot.control("zone-commit", zone)
      }
      #expect(try await knot.data("by-hand.free.test", "A") == ["192.0.2.66"])
      // It looks at all of it when it starts.
      try await gateway.restart()
      try await eventually {
        try await knot.data("a.free.test", "A")
      } until: {
        $0 == ["192.0.2.1"]
      }
      #expect(try await knot.ask("by-hand.free.test", "A").status == "NXDOMAIN")
      #expect(try await knot.data("by-hand.stranger.test", "A") == ["192.0.2.66"])
    }
  }

  @Test func zoneThatAStrangerHasHarmsNoOtherAndIsServedOnceItIsFree() async throws {
    try await Knot.withNode { gateway, knot in
      // At its start the gateway ends what somebody has begun in knotd and not finished.
      _ = try await gateway.setRecords("37-1-a", "a.free.test", .record("A", "192.0.2.1"))
      try await knot.configure(
        ["conf-set", "zone[example.test]"], ["conf-set", "zone[example.test].storage", gateway.root.file("knot/zones")])
      #expect(try await gateway.setZone("37-1-zone", "example.test").callError == nil)
      #expect(try await gateway.setZone("37-1-other", "other.test").callError == nil)
      _ = try await gateway.setRecords("37-1-c", "a.other.test", .record("A", "192.0.2.1"))
      #expect(try await knot.data("a.other.test", "A") == ["192.0.2.1"])
      #expect(try problems(gateway) == ["example.test: knotd has a zone of that name that is not the gateway's"])
      _ = try await gateway.setRecords("37-1-b", "b.example.test", .record("A", "192.0.2.2"))
      try await knot.configure(["conf-unset", "zone[example.test]"])
      try await eventually {
        try await knot.data("b.example.test", "A")
      } until: {
        $0 == ["192.0.2.2"]
      }
      try await eventually { try gateway.logged("zones are served as they are to be").count == 2 }
    }
  }

  /// What somebody else has changed meanwhile is read again before anything is told to be wrong.
  @Test func changeThatSomebodyElseHasMadeAlreadyIsTakenIn() async throws {
    try await Knot.withNode { gateway, knot in
      _ = try await gateway.setRecords("37-1-a", "a.free.test", .record("A", "192.0.2.1"))
      try await knot.control("zone-begin", Knot.managed)
      try await knot.control("zone-unset", Knot.managed, "a", "A")
      try await knot.control("zone-set", Knot.managed, "by-hand", "60", "A", "192.0.2.66")
      try await knot.control("zone-commit", Knot.managed)
      _ = try await gateway.setRecords("37-1-b", "b.free.test", .record("A", "192.0.2.2"))
      #expect(try await gateway.dns("DeleteRecords", "37-1-a").callError == nil)
      #expect(try await knot.data("b.free.test", "A") == ["192.0.2.2"])
      #expect(try problems(gateway) == [])
      try await eventually {
        try await knot.ask("by-hand.free.test", "A").status
      } until: {
        $0 == "NXDOMAIN"
      }
    }
  }

  @Test func zoneThatSomebodyTookAwayComesBack() async throws {
    try await Knot.withNode { gateway, knot in
      _ = try await gateway.setRecords("37-1-a", "a.free.test", .record("A", "192.0.2.1"))
      // It may be back before anybody can ask.
      try await knot.configure(["conf-unset", "zone[free.test]"])
      _ = try await gateway.setRecords("37-1-b", "b.free.test", .record("A", "192.0.2.2"))
      for (name, address) in [("a", "192.0.2.1"), ("b", "192.0.2.2")] {
        try await eventually {
          try await knot.data("\(name).free.test", "A")
        } until: {
          $0 == [address]
        }
      }
    }
  }

  /// An operator's own change is waited for, though not without an end.
  @Test func changeThatAnOperatorHasBegunIsNotEndedAtOnce() async throws {
    try await Knot.withNode { gateway, knot in
      _ = try await gateway.setRecords("37-1-a", "a.free.test", .record("A", "192.0.2.1"))
      try await knot.control("zone-begin", Knot.managed)
      try await knot.control("zone-set", Knot.managed, "by-hand", "60", "A", "192.0.2.66")
      #expect(try await gateway.setRecords("37-1-b", "b.free.test", .record("A", "192.0.2.2")).callError == nil)
      #expect(
        try problems(gateway)
          == ["free.test: somebody has begun to change free.test. in knotd, and has not finished"])
      try await knot.control("zone-commit", Knot.managed)
      try await eventually {
        try await knot.data("b.free.test", "A")
      } until: {
        $0 == ["192.0.2.2"]
      }
      try await knot.control("zone-begin", Knot.managed)
      try await knot.control("conf-begin")
      _ = try await gateway.setZone("37-1-zone", "example.test")
      _ = try await gateway.setRecords("37-1-b", "b.free.test", .record("A", "192.0.2.3"))
      try await eventually {
        try await knot.data("b.free.test", "A")
      } until: {
        $0 == ["192.0.2.3"]
      }
      #expect(try await knot.ask("example.test", "SOA").status == "NOERROR")
    }
  }

  @Test func filesThatPeopleChangeAreTakenInOrPutAway() async throws {
    try await Knot.withNode { gateway, knot in
      _ = try await gateway.setRecords("37-1-a", "a.free.test", .record("A", "192.0.2.1"))
      let file = "name: b.free.test\nrecords: [{type: A, value: 192.0.2.2}]\n"
      try gateway.root.write(file, to: "records/37-1-b.yaml")
      try await eventually {
        try await knot.data("b.free.test", "A")
      } until: {
        $0 == ["192.0.2.2"]
      }
      for (broken, reason) in [
        ("name: c.free.test\n", #"line 1: "records" is missing"#), ("- x\n", "line 1: the root is no mapping"),
        (
          "name: a.free.test\nrecords: [{type: A, value: 192.0.2.9}]\n",
          "name already registered: a.free.test, by an older file"
        ),
        (
          "name: c.free.test\nrecords: [{type: A, value: 192.0.2}]\n",
          #"line 2: invalid A value "192.0.2": invalid IPv4 address"#
        ),
      ] {
        try gateway.root.write(broken, to: "records/37-1-c.yaml")
        try await eventually {
          try gateway.logged("file moved to quarantine").last?["reason"].string
        } until: {
          $0 == reason
        }
        #expect(try gateway.files(in: "records")["37-1-c.yaml"] == nil)
      }
      // One that has a record gets it back.
      try gateway.root.write("broken: [\n", to: "records/37-1-b.yaml")
      try await eventually {
        try gateway.files(in: "records")["37-1-b.yaml"]?.content
      } until: {
        $0?.contains("192.0.2.2") == true
      }
      try FileManager.default.removeItem(atPath: gateway.root.file("records/37-1-a.yaml"))
      try await eventually {
        try await knot.ask("a.free.test", "A").status
      } until: {
        $0 == "NXDOMAIN"
      }
      #expect(try await knot.data("b.free.test", "A") == ["192.0.2.2"])
    }
  }

  // MARK: The parent

  @Test(.enabled(if: getuid() == 0, "port 53 takes root"))
  func zoneIsTakenOnlyWhenItsParentSaysSo() async throws {
    let (authority, resolver) = (LoopbackAddress.next(), LoopbackAddress.next())
    let records = [
      "@ NS ns", "ns A \(authority)", "mine NS \(Knot.nameserver).", "other NS ns.somebody.test.", "plain A 192.0.2.1",
      "mine.deep NS \(Knot.nameserver).",
    ]
    try await Unbound.withServer(at: authority, .authority(zone: "test", records: records)) { _ in
      try await Unbound.withServer(at: resolver, .resolver(hints: ["test": authority])) { _ in
        let flags = try Knot.flags("--resolver", resolver).filter { $0 != "--no-domain-check" }
        try await GatewayProcess.withGateway(flags, prepare: Knot.prepare) { gateway in
          try await Knot.withServer(for: gateway) { knot in
            try await expectDelegation(gateway, knot)
          }
        }
      }
    }
  }

  private func expectDelegation(_ gateway: GatewayProcess, _ knot: Knot) async throws {
    #expect(try await gateway.setZone("37-1-mine", "mine.test").callError == nil)
    #expect(try await knot.data("mine.test", "NS") == ["\(Knot.nameserver)."])
    #expect(try await gateway.setZone("37-1-deep", "mine.deep.test").callError == nil)
    try await eventually {
      try await gateway.dns("Zones").data.array?.map(\.["Delegated"]) ?? []
    } until: {
      $0 == [false, true, true]
    }
    let reason = "is not delegated to this gateway: its NS records at its parent are"
    #expect(
      try await gateway.setZone("37-1-other", "other.test").callError
        == "other.test \(reason) ns.somebody.test, and none is \(Knot.nameserver)")
    #expect(
      try await gateway.setZone("37-1-plain", "plain.test").callError
        == "plain.test is not delegated to this gateway: it has no NS records at its parent, "
        + "and none is \(Knot.nameserver)")
    #expect(try gateway.files(in: "zones").count == 3)
  }

  // MARK: The command line

  @Test func commandLineDoesAllOfIt() async throws {
    try await Knot.withNode { gateway, knot in
      @Sendable func ctl(_ arguments: String...) async throws -> Command.Outcome {
        try await Command.run(
          Repository.product("gatewayctl"), arguments, environment: ["GATEWAY_BROKER": gateway.redis.unixURL])
      }
      let set = try await ctl("dns", "set-zone", "37-1-zone", "example.test")
      #expect(set.standardOutput.hasPrefix("example.test NS \(Knot.nameserver).\nexample.test DS "))
      #expect(
        try await ctl(
          "dns", "set", "37-1-web", "web.example.test", "--a", "192.0.2.7", "192.0.2.8", "--aaaa", "2001:db8::1",
          "--record", "MX 10 mail.example.test.", "--ttl", "60"
        ).status == .code(0))
      #expect(try await knot.data("web.example.test", "A") == ["192.0.2.7", "192.0.2.8"])
      let records = try await ctl("dns", "records", "web.example.test")
      #expect(
        records.standardOutput == """
          NAME                    TTL   TYPE  WORKLOAD   VALUE
          __owner__.example.test  600   TXT   (gateway)  "{\\"identity\\":\\"ns1.gateway.test\\",\\"owner\\":\\"37\\"}"
          example.test            3600  NS    (gateway)  ns1.gateway.test.
          web.example.test        60    A     37-1-web   192.0.2.7
          web.example.test        60    A     37-1-web   192.0.2.8
          web.example.test        60    AAAA  37-1-web   2001:db8::1
          web.example.test        60    MX    37-1-web   10 mail.example.test.

          """)
      let zones = try await ctl("--json", "dns", "zones")
      #expect(try JSON(parsing: zones.standardOutput).array?.map(\.["Domain"]) == ["example.test", "free.test"])
      let refused = try await ctl("dns", "set", "37-1-x", "x.example.test", "--a", "192.0.2")
      #expect(refused.status == .code(1))
      #expect(refused.standardError.contains(#"invalid A value "192.0.2": invalid IPv4 address"#), "\(refused)")
      let waited = try await ctl("dns", "set", "37-1-wild", "*.w.example.test", "--a", "192.0.2.7", "--wait", "30")
      #expect(waited.status == .code(0))
      #expect(waited.standardError.contains("*.w.example.test is served after "), "\(waited)")
      #expect(try await ctl("dns", "delete", "37-1-web").status == .code(0))
      #expect(try await ctl("dns", "delete-zone", "37-1-zone").status == .code(0))
      #expect(try await knot.ask("example.test", "SOA").status == "REFUSED")
      try await knot.kill()
      let hangs = try await ctl("dns", "set", "37-1-x", "x.free.test", "--a", "192.0.2.7", "--wait", "0.1")
      #expect(hangs.status == .code(75))
      #expect(hangs.standardError.contains("x.free.test is not served after "), "\(hangs)")
    }
  }

  @Test func withDNSOffThereIsNoSuchObject() async throws {
    try await GatewayProcess.withGateway { gateway in
      let objects = try await gateway.caller.status().data["objects"]
      #expect(objects.array?.contains { $0["name"] == "dns" } != true, "\(objects)")
      let names = try gateway.files().keys
      let outcome = try await Command.run(
        Repository.product("gatewayctl"), ["dns", "zones"], environment: ["GATEWAY_BROKER": gateway.redis.unixURL])
      #expect(outcome.status == .code(1))
      #expect(
        outcome.standardError == "gatewayctl: this gateway serves no names: it was started without --dns-address\n")
      #expect(!names.contains { $0.hasPrefix("knot") || $0.hasPrefix("records") || $0.hasPrefix("zones") })
    }
  }

  // MARK: The stream

  @Test func changesAreTold() async throws {
    try await Knot.withNode { gateway, _ in
      let events = try await gateway.caller.events(5, of: "Changes", object: "dns@0.0.1", module: "gateway") {
        _ = try await gateway.setZone("37-1-zone", "example.test")
        _ = try await gateway.setRecords("37-1-web", "web.example.test", .record("A", "192.0.2.7"))
        _ = try await gateway.setRecords("37-1-web", "web.example.test", .record("A", "192.0.2.8"))
        _ = try await gateway.dns("DeleteZone", "37-1-zone")
      }
      #expect(
        events.map { "\($0["Kind"].string ?? "") \($0["Action"].string ?? "") \($0["Name"].string ?? "")" } == [
          "zone set example.test", "records set web.example.test", "records replaced web.example.test",
          "records deleted web.example.test", "zone deleted example.test",
        ])
    }
  }
}
