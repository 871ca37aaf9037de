import Foundation
import TestSupport
import Testing

/// Name servers that follow the gateway's, of which one is a stranger's; and zones as a stranger reads them whole.
@Suite(.timeLimit(.minutes(15)))
struct DNSSecondaryTests {
  private static let catalog = "catalog.\(Knot.nameserver)"

  private func set(_ gateway: GatewayProcess, _ workload: String, _ name: String, _ records: [JSON]) async throws {
    let reply = try await gateway.setRecords(workload, name, records)
    #expect(reply.callError == nil)
  }

  @Test(arguments: Secondary.Kind.allCases)
  func secondaryServesWhatThisOneDoes(_ kind: Secondary.Kind) async throws {
    let port = try FreePort.next()
    try await Knot.withNode(["--dns-secondary", "127.0.0.1:\(port)"]) { gateway, knot in
      try await set(gateway, "37-1-a", "a.free.test", [.record("A", "192.0.2.1")])
      let key = gateway.root.file("transfer.key")
      for file in ["transfer.key", "knot/knot.conf"] {
        let attributes = try FileManager.default.attributesOfItem(atPath: gateway.root.file(file))
        #expect(attributes[.posixPermissions] as? Int == 0o600)
      }
      let primary = gateway.address("--dns-address")
      try await Secondary.withServer(kind, of: primary, key: key, catalog: Self.catalog, at: port) { secondary in
        try await expect(secondary, "a.free.test", "A", ["192.0.2.1"])
        // It is told of each change, and of each zone.
        try await set(gateway, "37-1-a", "a.free.test", [.record("A", "192.0.2.2")])
        try await expect(secondary, "a.free.test", "A", ["192.0.2.2"])
        #expect(try await gateway.dns("SetZone", "37-1-zone", ["Domain": "example.test"]).callError == nil)
        try await set(gateway, "37-1-b", "b.example.test", [.record("TXT", "hello")])
        try await expect(secondary, "b.example.test", "TXT", [#""hello""#])
        let check = try await Command.run(
          Repository.product("gatewayctl"), ["check", "--resolver", "127.0.0.1:\(try FreePort.next())"],
          environment: ["GATEWAY_BROKER": gateway.redis.unixURL])
        #expect(
          check.standardOutput.contains("the secondary at 127.0.0.1:\(port) has the serials\n"), "\(check)")
        #expect(try await secondary.ask("b.example.test", "RRSIG").records.isEmpty == false, "signatures come too")
        #expect(try await gateway.dns("DeleteZone", "37-1-zone").callError == nil)
        try await eventually {
          try await secondary.ask("b.example.test", "TXT").status
        } until: {
          $0 == "REFUSED"
        }
        try await expect(secondary, "a.free.test", "A", ["192.0.2.2"])
      }
      // Nobody else copies anything.
      let copy = try await knot.copy("free.test", key: nil)
      #expect(copy.contains("Transfer failed"), "\(copy)")
    }
  }

  private func expect(_ secondary: Secondary, _ name: String, _ type: String, _ data: [String]) async throws {
    try await eventually {
      try await secondary.ask(name, type).records.filter { $0.kind == type }.map(\.data)
    } until: {
      $0 == data
    }
  }

  @Test func whoNoLongerFollowsIsToldNothing() async throws {
    let port = try FreePort.next()
    try await Knot.withNode(["--dns-secondary", "127.0.0.1:\(port)"]) { gateway, knot in
      let key = gateway.root.file("transfer.key")
      try await set(gateway, "37-1-a", "a.free.test", [.record("A", "192.0.2.1")])
      #expect(try await knot.copy("free.test", key: key).contains("a.free.test."))
      #expect(try await knot.copy(Self.catalog, key: key).contains("free.test."))
      try await gateway.restart(dropping: "--dns-secondary")
      try await set(gateway, "37-1-a", "a.free.test", [.record("A", "192.0.2.2")])
      #expect(try await knot.copy("free.test", key: key).contains("Transfer failed"))
      #expect(try await knot.ask(Self.catalog, "SOA").status == "REFUSED")
    }
  }

  @Test func keyThatIsNoneKeepsTheGatewayFromStarting() async throws {
    for (text, reason) in [
      ("key: [{id: a, algorithm: hmac-md5, secret: \(String(repeating: "A", count: 44))}]", "invalid algorithm"),
      (
        "key: [{id: a, algorithm: hmac-sha256, secret: AAAA}]",
        #"invalid secret "…": it is base64 of at least 16 bytes"#
      ),
      ("key: [{id: 'a b', algorithm: hmac-sha256, secret: AAAA}]", #"invalid id "a b": it is a domain name"#),
      ("id: a", #""id" is not known here"#),
    ] {
      try await TemporaryDirectory.withDirectory { root in
        let file = try root.write(text, to: "key")
        let outcome = try await Command.run(
          Repository.product("gateway"),
          ["--root", root.path, "--dns-transfer-key", file, "--dns-secondary", "127.0.0.1:1"]
            + Knot.flags())
        #expect(outcome.status == .code(1))
        #expect(outcome.standardError.contains("invalid transfer key \"\(file)\""), "\(outcome)")
        #expect(outcome.standardError.contains(reason), "\(outcome)")
      }
    }
  }

  /// What a stranger's checker of zone files says of each zone, and what is in a large one.
  @Test func zonesAreWholeAsAStrangerReadsThem() async throws {
    let count = 20_000
    let prepare: (TemporaryDirectory) throws -> Void = { root in
      try Knot.prepare(root)
      try FileManager.default.createDirectory(atPath: root.file("records"), withIntermediateDirectories: true)
      for number in 0..<count / 4 {
        let records = (0..<4).map { "- {type: A, value: 192.0.\($0).\(number % 250)}\n" }.joined()
        try root.write("name: n\(number).free.test\nrecords:\n\(records)", to: "records/37-\(number)-n.yaml")
      }
    }
    let flags = try Knot.flags("--dns-secondary", "127.0.0.1:1")
    try await GatewayProcess.withGateway(flags, prepare: prepare) { gateway in
      try await Knot.withServer(for: gateway) { knot in
        #expect(try await gateway.dns("SetZone", "37-1-zone", ["Domain": "example.test"]).callError == nil)
        // Wildcards, empty non-terminals and a delegation (RFC 4592).
        for (workload, name, type, value) in [
          ("37-1-a", "*.wild.example.test", "MX", "10 mail.elsewhere.test"),
          ("37-1-b", "a.b.c.example.test", "TXT", "deep"), ("37-1-c", "sub.example.test", "NS", "ns.elsewhere.test"),
          ("37-1-d", "example.test", "CAA", #"0 issue ";""#),
        ] {
          try await set(gateway, workload, name, [.record(type, value)])
        }
        let last = try await eventually {
          try await knot.data("n\(count / 4 - 1).free.test", "A")
        } until: {
          $0.count == 4
        }
        #expect(last.first == "192.0.0.\((count / 4 - 1) % 250)")
        for (zone, records) in [("free.test", count), ("example.test", 4)] {
          let text = try await knot.copy(zone, key: gateway.root.file("transfer.key"))
          #expect(text.split(separator: "\n").count > records)
          try await TemporaryDirectory.withDirectory { directory in
            let file = try directory.write(text, to: "zone")
            let outcome = try await Command.run(
              Repository.program("named-checkzone"), ["-i", "local", "-k", "fail", zone, file])
            #expect(outcome.status == .code(0) && outcome.standardOutput.hasSuffix("OK\n"), "\(outcome)")
          }
        }
        // Denials are valid, in a large zone as well.
        for name in ["nothing.free.test", "n1.free.test"] {
          let said = try await knot.validate(name, "AAAA", zone: "free.test")
          #expect(said.contains("fully validated"), "\(said)")
        }
        #expect(try await knot.ask("x.wild.example.test", "MX").records.count == 1)
        #expect(try await knot.ask("wild.example.test", "MX").status == "NOERROR")
        #expect(try await knot.ask("b.c.example.test", "TXT").status == "NOERROR")
        #expect(try await knot.ask("x.b.c.example.test", "TXT").status == "NXDOMAIN")
      }
    }
  }
}
