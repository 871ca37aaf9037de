import Foundation
import TestSupport
import Testing

/// Hashes of coredns-redis, from a real Redis to a real knotd.
@Suite(.timeLimit(.minutes(15)))
struct DNSHashTests {
  /// Starts a Redis for the hashes alone, and a node that serves them.
  private func withNode(
    _ flags: [String] = [], filled: [String: [String: String]] = [:],
    _ body: (RedisServer, GatewayProcess, Knot) async throws -> Void
  ) async throws {
    try await RedisServer.withServer(appendOnly: true) { redis in
      for (key, fields) in filled {
        for (field, value) in fields { try await redis.command("HSET", key, field, value) }
      }
      try await Knot.withNode(["--dns-redis", redis.unixURL] + flags) { gateway, knot in
        try await body(redis, gateway, knot)
      }
    }
  }

  private static func address(_ address: String) -> String { #"{"a":[{"ip":"\#(address)","ttl":60}]}"# }

  private func setAddress(_ gateway: GatewayProcess, _ name: String, _ address: String) async throws -> String? {
    try await gateway.setRecords("37-1-w", name, .record("A", address)).callError
  }

  /// Waits until a name has this address, and no other; none for none.
  private func expect(_ knot: Knot, _ name: String, _ addresses: String...) async throws {
    try await eventually {
      try await knot.data(name, "A")
    } until: {
      $0 == addresses
    }
  }

  private func faults(_ gateway: GatewayProcess) throws -> [String] {
    try gateway.logged("a field of a hash is not served as it is").map {
      "\($0["level"].string ?? "") \($0["key"].string ?? "") \($0["field"].string ?? ""): \($0["reason"].string ?? "")"
    }.sorted()
  }

  @Test func hashIsServedAsItStands() async throws {
    let apex =
      #"{"soa":{"ns":"ns1.hash.test","MBox":"admin.hash.test","refresh":44,"retry":55,"expire":66,"minttl":77},"#
      + #""ns":[{"host":"ns1.hash.test.","ttl":500}],"a":[{"ip":"192.0.2.1","ttl":60}],"mx":[{"host":"mail","preference":5}]}"#
    let hash = [
      "@": apex, "www": Self.address("192.0.2.2"), "*": Self.address("192.0.2.3"), "sub.*": Self.address("192.0.2.4"),
      "_ssh._tcp.host1": #"{"srv":[{"target":"host1.hash.test","port":22,"priority":1,"weight":2}]}"#,
      "host1": #"{"aaaa":[{"ip":"2001:db8::1"}],"txt":[{"text":"\#(String(repeating: "x", count: 256))"}]}"#,
      "*.deep": #"{"cname":[{"host":"www.hash.test"}]}"#,
      "caa": #"{"caa":[{"flag":0,"tag":"issue","value":"ca.test"}]}"#,
      "gone": "", "nothing": "{}", "__owner__": #"{"txt":[{"text":"{\"identity\":\"x\"}","ttl":600}]}"#,
    ]
    try await withNode(filled: ["hash.test.": hash]) { redis, gateway, knot in
      try await expect(knot, "www.hash.test", "192.0.2.2")
      let soa = try await knot.data("hash.test", "SOA")[0].split(separator: " ")
      #expect(soa[..<2] == ["ns1.hash.test.", "admin.hash.test."] && soa[3...] == ["44", "55", "66", "77"])
      #expect(try await knot.ask("hash.test", "NS").records.map { "\($0.ttl) \($0.data)" } == ["500 ns1.hash.test."])
      for (name, type, data) in [
        ("hash.test", "A", ["192.0.2.1"]), ("hash.test", "MX", ["5 mail."]), ("any.hash.test", "A", ["192.0.2.3"]),
        ("sub.\\*.hash.test", "A", ["192.0.2.4"]), ("_ssh._tcp.host1.hash.test", "SRV", ["1 2 22 host1.hash.test."]),
        ("host1.hash.test", "AAAA", ["2001:db8::1"]), ("a.b.deep.hash.test", "CNAME", ["www.hash.test."]),
        ("host1.hash.test", "TXT", [#""\#(String(repeating: "x", count: 255))" "x""#]),
        ("caa.hash.test", "CAA", [#"0 issue "ca.test""#]),
        ("__owner__.hash.test", "TXT", [#""{\"identity\":\"x\"}""#]),
        // A wildcard does not stand for what is below a name that is there (RFC 4592).
        ("below.www.hash.test", "A", []),
      ] {
        #expect(try await knot.data(name, type) == data, "\(name) \(type)")
      }
      #expect(try await knot.ask("www.hash.test", "A").records.first?.ttl == 60)
      #expect(try await knot.ask("host1.hash.test", "AAAA").records.first?.ttl == 300)
      #expect(try await knot.ask("below.www.hash.test", "A").status == "NXDOMAIN")
      #expect(try await knot.validate("www.hash.test", "A", zone: "hash.test").contains("fully validated"))

      let zone = try #require(try await gateway.dns("Zones").data.array?.last)
      #expect(zone["Domain"] == "hash.test" && zone["Workload"] == "hash:hash.test." && zone["Managed"] == false)
      #expect(zone["Records"] == 11 && zone["Delegated"] == .null, "\(zone)")
      let records = try await gateway.dns("Records", "hash.test").data.array ?? []
      #expect(Set(records.map { $0["Workload"].string ?? "" }) == ["", "hash:hash.test."])
      #expect(try faults(gateway) == [])
    }
  }

  /// With keyspace notifications at once, without when all hashes are read the next time.
  @Test(arguments: ["KA", ""])
  func changeIsTakenIn(notifications: String) async throws {
    let hash = ["a": Self.address("192.0.2.1"), "b": Self.address("192.0.2.2")]
    try await withNode(filled: ["hash.test.": hash, "other.test.": hash]) { redis, gateway, knot in
      try await redis.configure("notify-keyspace-events", notifications)
      try await expect(knot, "a.hash.test", "192.0.2.1")
      try await redis.command("HSET", "hash.test.", "a", Self.address("192.0.2.9"), "c", Self.address("192.0.2.3"))
      try await redis.command("HDEL", "hash.test.", "b")
      try await redis.command("DEL", "other.test.")
      try await redis.command("HSET", "new.test.", "a", Self.address("192.0.2.4"))
      try await expect(knot, "a.hash.test", "192.0.2.9")
      try await expect(knot, "c.hash.test", "192.0.2.3")
      try await expect(knot, "a.new.test", "192.0.2.4")
      try await eventually {
        try await knot.ask("b.hash.test", "A").status
      } until: {
        $0 == "NXDOMAIN"
      }
      try await eventually {
        try await knot.ask("a.other.test", "A").status
      } until: {
        $0 == "REFUSED"
      }
      // What is none any more is gone as well.
      try await redis.command("SET", "new.test.", "x")
      try await eventually {
        try await knot.ask("a.new.test", "A").status
      } until: {
        $0 == "REFUSED"
      }
      let zones = try await gateway.dns("Zones").data.array ?? []
      #expect(zones.map(\.["Domain"]) == [.string(Knot.managed), "hash.test"])
    }
  }

  @Test func busWinsOverTheHashAndGivesItBack() async throws {
    let hash = ["@": Self.address("192.0.2.9"), "web": Self.address("192.0.2.1"), "mail": Self.address("192.0.2.2")]
    let owner = ["__owner__": #"{"txt":[{"text":"{\"identity\":\"old\",\"owner\":\"37\"}"}]}"#]
    let hashes = [
      "\(Knot.managed).": hash, "hash.test.": hash.merging(owner) { $1 }, "nobodys.test.": hash,
    ]
    try await withNode(filled: hashes) { _, gateway, knot in
      let name = "web.\(Knot.managed)"
      try await expect(knot, name, "192.0.2.1")
      #expect(try await setAddress(gateway, name, "192.0.2.7") == nil)
      #expect(try await knot.data(name, "A") == ["192.0.2.7"])
      #expect(try await knot.data("mail.\(Knot.managed)", "A") == ["192.0.2.2"])
      let records = try await gateway.dns("Records", .string(Knot.managed)).data.array ?? []
      #expect(records.first { $0["Name"].string == name }?["Workload"] == "37-1-w")
      #expect(try await gateway.dns("DeleteRecords", "37-1-w").callError == nil)
      try await expect(knot, name, "192.0.2.1")
      // Such a zone is as the gateway's own are.
      #expect(try await knot.data(Knot.managed, "NS") == ["\(Knot.nameserver)."])
      #expect(try await knot.data(Knot.managed, "A") == ["192.0.2.9"])

      // Where only Redis says that there is a zone, nobody sets records by the bus.
      #expect(
        try await setAddress(gateway, "x.hash.test", "192.0.2.7")
          == #"invalid name "x.hash.test": it is in no zone of this gateway"#)
      try await expect(knot, "web.hash.test", "192.0.2.1")
      for (workload, domain, whose) in [
        ("38-1-zone", "hash.test", "says that it is user 37's"), ("37-1-x", "nobodys.test", "does not say whose it is"),
      ] {
        let reply = try await gateway.dns("SetZone", .string(workload), ["Domain": .string(domain)])
        #expect(reply.callError == "invalid domain \"\(domain)\": its hash in Redis \(whose)")
      }
      let delegation = try await gateway.dns("SetZone", "37-1-zone", ["Domain": "hash.test"])
      #expect(delegation.callError == nil)
      #expect(try await setAddress(gateway, "web.hash.test", "192.0.2.7") == nil)
      #expect(try await knot.data("web.hash.test", "A") == ["192.0.2.7"])
      #expect(try await knot.data("mail.hash.test", "A") == ["192.0.2.2"])
      #expect(try await gateway.dns("DeleteZone", "37-1-zone").callError == nil)
      try await expect(knot, "web.hash.test", "192.0.2.1")
    }
  }

  @Test func faultIsToldOnceAndTheRestIsServed() async throws {
    let hash = [
      "good": Self.address("192.0.2.1"), "bad": Self.address("192.0.2.1\\nevil 60 A 192.0.2.66"), "no json": "{",
      "both": #"{"a":[{"ip":"192.0.2.2"}],"cname":[{"host":"good.hash.test"}]}"#,
      "text": #"{"txt":[{"text":"\" )\n$INCLUDE /etc/passwd\nevil 60 A 192.0.2.66"}]}"#,
    ]
    let expected = [
      #"warning hash.test. bad: a[0]: invalid ip "192.0.2.1\nevil 60 A 192.0.2.66": it is no IPv4 address"#,
      "warning hash.test. both: cname: a CNAME stands alone (RFC 1034, 3.6.2)",
      "warning hash.test. no json: the name has a label that is not '*' and not 1 to 63 letters, digits, '-' and '_'",
    ]
    try await withNode(filled: ["hash.test.": hash]) { redis, gateway, knot in
      try await redis.configure("notify-keyspace-events", "KA")
      try await expect(knot, "good.hash.test", "192.0.2.1")
      try await expect(knot, "both.hash.test", "192.0.2.2")
      #expect(
        try await knot.data("text.hash.test", "TXT")
          == [#""\" )\010$INCLUDE /etc/passwd\010evil 60 A 192.0.2.66""#])
      #expect(try await knot.control("zone-read", "hash.test").contains("] evil") == false)
      #expect(try faults(gateway) == expected)
      // The hash is read again, and what is wrong with it is the same.
      try await redis.command("HSET", "hash.test.", "more", Self.address("192.0.2.3"))
      try await expect(knot, "more.hash.test", "192.0.2.3")
      #expect(try faults(gateway) == expected)
      // Another one is told.
      try await redis.command("HSET", "hash.test.", "bad", #"{"a":[{}]}"#)
      try await eventually {
        try faults(gateway).count
      } until: {
        $0 == 4
      }
      #expect(try faults(gateway).contains(#"warning hash.test. bad: a[0]: "ip" is missing"#))
      #expect(
        try gateway.logged("zones are not served as they are to be").allSatisfy {
          $0["reason"].string?.hasPrefix("knotd is not running") == true
        })
    }
  }

  @Test func whatWasThereIsServedWhileRedisIsAway() async throws {
    let hash = ["a": Self.address("192.0.2.1"), "b": Self.address("192.0.2.2")]
    try await withNode(filled: ["hash.test.": hash]) { redis, gateway, knot in
      try await redis.configure("notify-keyspace-events", "KA")
      try await expect(knot, "a.hash.test", "192.0.2.1")
      try await eventually {
        try gateway.files()["hashes.msgpack"]?.content ?? ""
      } until: {
        $0.contains("192.0.2.2")
      }
      try await redis.kill()
      try await eventually {
        try gateway.logged("broker away, trying again until it is back").count
      } until: {
        $0 == 1
      }
      #expect(try await knot.data("a.hash.test", "A") == ["192.0.2.1"])

      // The gateway anew, and a knotd that has forgotten everything.
      try await gateway.loseAll(of: knot)
      try await expect(knot, "a.hash.test", "192.0.2.1")
      try await expect(knot, "b.hash.test", "192.0.2.2")
      try await eventually {
        try gateway.logged("broker away, trying again until it is back").count
      } until: {
        $0 == 2
      }

      try await redis.start()
      try await redis.configure("notify-keyspace-events", "KA")
      try await redis.command("HDEL", "hash.test.", "a")
      try await eventually {
        try await knot.ask("a.hash.test", "A").status
      } until: {
        $0 == "NXDOMAIN"
      }
      #expect(try gateway.logged("broker away, trying again until it is back").count == 2)
      #expect(try gateway.logged("broker is back").count == 1)
      try await redis.command("HSET", "hash.test.", "c", Self.address("192.0.2.3"))
      try await expect(knot, "c.hash.test", "192.0.2.3")
      // What is not there any more is not there after a restart either.
      try await gateway.restart()
      try await expect(knot, "c.hash.test", "192.0.2.3")
      #expect(try await knot.ask("a.hash.test", "A").status == "NXDOMAIN")
    }
  }

  @Test func damagedFileIsPutAsideAndTold() async throws {
    try await withNode(filled: ["hash.test.": ["a": Self.address("192.0.2.1")]]) { redis, gateway, knot in
      try await expect(knot, "a.hash.test", "192.0.2.1")
      gateway.signal(SIGTERM)
      #expect(try await gateway.exit() == .code(0))
      try gateway.root.write("rubbish", to: "hashes.msgpack")
      try await gateway.start()
      let line = try #require(
        try gateway.logged("what was read of hashes is damaged: they are not served until Redis answers").last)
      #expect(line["level"] == "error" && line["kept"].string == gateway.root.file("hashes.msgpack.damaged"))
      #expect(try gateway.files()["hashes.msgpack.damaged"]?.content == "rubbish")
      try await expect(knot, "a.hash.test", "192.0.2.1")
      try await eventually { try gateway.files()["hashes.msgpack"]?.content.contains("192.0.2.1") == true }
    }
  }

  /// TFGateway's own hashes and what others have in the same Redis: the bus, here.
  @Test func keysThatAreNoZonesAreLeftAlone() async throws {
    try await RedisServer.withServer { other in
      try await other.command("HSET", "x", "y", "z")
      try await Knot.withNode { gateway, knot in
        let redis = gateway.redis
        try await redis.configure("notify-keyspace-events", "KA")
        for key in ["zone", "managed_domains", "test.", "Upper.test.", "bare.test", "a b.test.", "hash.test.:z"] {
          try await redis.command("HSET", key, "a", Self.address("192.0.2.1"), "example.test", #"{"Owner": "37"}"#)
        }
        try await redis.command("SET", "text.test.", "x")
        try await redis.command("RPUSH", "list.test.", "x")
        try await redis.command("HSET", "hash.test.", "a", Self.address("192.0.2.1"))
        try await gateway.restart(adding: ["--dns-redis", redis.unixURL])
        try await expect(knot, "a.hash.test", "192.0.2.1")
        let zones = try await gateway.dns("Zones").data.array ?? []
        #expect(zones.map(\.["Domain"]) == [.string(Knot.managed), "hash.test"])
        #expect(try faults(gateway) == [])
        #expect(try gateway.logged("broker away, trying again until it is back").isEmpty)
      }
    }
  }

  /// Also such as would mean something else to Redis, in a database of its own.
  @Test func prefixAndSuffixStandAroundTheName() async throws {
    try await RedisServer.withServer { redis in
      try await redis.configure("notify-keyspace-events", "KA")
      func set(_ key: String, _ address: String, database: Int = 3) async throws {
        try await redis.command("-n", "\(database)", "HSET", key, "a", Self.address(address))
      }
      for key in [
        "hash.test.", #"dns\:other.test.?"#, #"d[n]s*\:other.test.x"#, #"d[n]s*\:x:other.test.?"#,
        #"d[n]s*\:hash.test.?"#,
      ] {
        try await set(key, "192.0.2.1")
      }
      try await set(#"d[n]s*\:other.test.?"#, "192.0.2.1", database: 0)
      let flags = [
        "--dns-redis", "redis://127.0.0.1:\(redis.port)/3", "--dns-redis-prefix", #"d[n]s*\:"#, "--dns-redis-suffix",
        "?",
      ]
      try await Knot.withNode(flags) { gateway, knot in
        try await expect(knot, "a.hash.test", "192.0.2.1")
        let zones = try await gateway.dns("Zones").data.array ?? []
        #expect(zones.map(\.["Domain"]) == [.string(Knot.managed), "hash.test"])
        #expect(zones.last?["Workload"] == #"hash:d[n]s*\:hash.test.?"#)
        try await set(#"d[n]s*\:new.test.?"#, "192.0.2.2")
        try await expect(knot, "a.new.test", "192.0.2.2")
      }
    }
  }

  @Test func rightsThatTheDocumentNamesAreEnough() async throws {
    try await RedisServer.withServer { redis in
      try await redis.command("HSET", "hash.test.", "a", Self.address("192.0.2.1"))
      try await redis.configure("notify-keyspace-events", "KA")
      try await Knot.withNode(["--dns-redis", redis.url(of: "gateway-dns")]) { gateway, knot in
        // There is no such user yet.
        let away = try await eventually {
          try gateway.logged("broker away, trying again until it is back")
        } until: {
          !$0.isEmpty
        }
        #expect(away.count == 1 && away[0]["reason"].string?.contains("WRONGPASS") == true)
        try await redis.command("CONFIG", "RESETSTAT")
        let rights = try await redis.makeUsers(asIn: "docs/dns.md")
        try await redis.command("ACL", "LOG", "RESET")
        try await expect(knot, "a.hash.test", "192.0.2.1")
        try await redis.command("HSET", "hash.test.", "a", Self.address("192.0.2.2"))
        try await expect(knot, "a.hash.test", "192.0.2.2")
        #expect(try await redis.denials() == "")
        let used = Set(try await redis.commandCounts().keys)
        #expect(rights["gateway-dns"]?.subtracting(used) == [], "more than it needs")
      }
    }
  }
}
