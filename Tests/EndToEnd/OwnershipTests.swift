import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// One owner for a domain, and no write that changes nothing.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct OwnershipTests {
  @Test("The same content leaves the file untouched, however it is written")
  func sameContent() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("w", "shop", "http://10.1.2.3", "http://[2001:db8::1]:80")
      try await gateway.setFQDN("v", "blog.example.org", "10.1.2.4:443")
      let before = try gateway.files()
      let again: [(String, [JSON])] = [
        ("SetNamedProxy", ["w", "shop", ["http://10.1.2.3", "http://[2001:db8::1]:80"], false]),
        ("SetNamedProxy", ["w", "SHOP", ["http://10.1.2.3:80", "http://[2001:DB8:0::1]"], false]),
        (
          "SetNamedProxy",
          ["w", ["Name": "Shop", "Backends": ["http://[::ffff:10.1.2.3]", "http://[2001:db8::1]"]]]
        ),
        ("SetFQDNProxy", ["v", "blog.example.org", ["10.1.2.4:443"], true]),
        ("SetFQDNProxy", ["v", "BLOG.Example.Org.", ["https://10.1.2.4"], true]),
      ]
      for (method, arguments) in again {
        let reply = try await gateway.caller.call(method, with: arguments)
        #expect(reply.callError == nil && reply.protocolError == nil)
        #expect(reply.data == (method == "SetNamedProxy" ? .string("shop.\(zone)") : .null))
        #expect(try gateway.files() == before, "\(arguments)")
      }
    }
  }

  @Test func newContentReplacesTheFileInOneStep() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("w", "shop", "http://10.1.2.3")
      let before = try #require(try gateway.routeFile("w"))
      try await gateway.setName("w", "shop", "http://10.1.2.4")
      let after = try #require(try gateway.routeFile("w"))
      // A file that was written over would be the same one.
      #expect(after.inode != before.inode)
      #expect(after.content == before.content.replacing("10.1.2.3", with: "10.1.2.4"))
      #expect(try gateway.files(in: "staging").count == 1)
    }
  }

  @Test func orderOfBackendsIsContent() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("w", "shop", "http://10.1.2.3", "http://10.1.2.4")
      let before = try #require(try gateway.routeFile("w"))
      try await gateway.setName("w", "shop", "http://10.1.2.4", "http://10.1.2.3")
      #expect(try gateway.routeFile("w")?.content != before.content)
    }
  }

  @Test func workloadThatMovesFreesItsDomain() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("w", "old", "http://10.1.2.3")
      let taken = try await gateway.call("SetNamedProxy", "v", "OLD", ["http://10.1.2.4"], false)
      #expect(taken.callError == "domain already registered: old.\(zone)")
      #expect(taken.dataHex == "a0")

      try await gateway.setFQDN("w", "new.example.org", "http://10.1.2.3")
      try await gateway.setName("v", "old", "http://10.1.2.4")
      #expect(try await gateway.domains() == ["w": "new.example.org", "v": "old.\(zone)"])

      let back = try await gateway.call("SetNamedProxy", "w", "old", ["http://10.1.2.3"], false)
      #expect(back.callError == "domain already registered: old.\(zone)")
      // A refused call changes nothing of what its workload has.
      #expect(try await gateway.domains() == ["w": "new.example.org", "v": "old.\(zone)"])
      let stranger = try await gateway.call("SetFQDNProxy", "u", "New.Example.Org.", ["http://10.1.2.5"], false)
      #expect(stranger.callError == "domain already registered: new.example.org")

      try await gateway.delete("w")
      try await gateway.setFQDN("u", "new.example.org", "http://10.1.2.5")
      #expect(try await gateway.domains() == ["u": "new.example.org", "v": "old.\(zone)"])
    }
  }

  @Test func callsForOneWorkloadTakeEffectInTheirOrder() async throws {
    try await GatewayProcess.withGateway { gateway in
      for number in 0..<100 {
        let (method, arguments): (String, [JSON]) =
          number % 3 == 2
          ? ("DeleteNamedProxy", ["w"])
          : ("SetNamedProxy", ["w", .string("n\(number)"), ["http://10.1.2.3"], false])
        let request = try await gateway.caller.request(
          method, with: arguments, object: "manager@0.0.1", id: "call-\(number)")
        try await gateway.caller.push(request, to: "gateway.manager@0.0.1")
      }
      // The queue is served in order, so after the last reply nothing of the rest is open.
      try await eventually { try await gateway.redis.command("LLEN", "call-99") == "1" }
      #expect(try await gateway.domains() == ["w": "n99.\(zone)"])
      #expect(try gateway.files(in: "proxy").keys.sorted() == ["", "w.yaml"])
    }
  }

  @Test("Sixteen callers who want the same twenty domains get one owner each")
  func fightForDomains() async throws {
    try await GatewayProcess.withGateway { gateway in
      let winners = try await withThrowingTaskGroup(of: (domain: Int, workload: String, error: String?).self) { group in
        for domain in 0..<20 {
          for caller in 0..<16 {
            group.addTask {
              let workload = "caller-\(caller)-\(domain)"
              let object = caller % 2 == 0 ? "manager@0.0.1" : "gateway@0.0.1"
              let reply = try await gateway.call(
                "SetNamedProxy", .string(workload), .string("d\(domain)"), ["http://10.1.2.3"], false, object: object)
              return (domain, workload, reply.callError ?? reply.protocolError)
            }
          }
        }
        var winners: [String: String] = [:]
        for try await (domain, workload, error) in group {
          if let error {
            #expect(error == "domain already registered: d\(domain).\(zone)")
          } else {
            winners[workload] = "d\(domain).\(zone)"
          }
        }
        return winners
      }
      #expect(Set(winners.values).count == 20 && winners.count == 20)
      #expect(try await gateway.domains() == winners)
      try await expectDiskAgrees(gateway)
    }
  }

  @Test("Sixteen workloads that keep moving among twenty domains never share one")
  func moveAmongDomains() async throws {
    try await GatewayProcess.withGateway { gateway in
      let last = try await withThrowingTaskGroup(of: (String, String?).self) { group in
        for mover in 0..<16 {
          group.addTask {
            let workload = "mover-\(mover)"
            var own: String?
            for step in 1...25 {
              if step % 7 == 0 {
                try await gateway.delete(workload)
                own = nil
              }
              let domain = "d\((mover * 7 + step * 3) % 20)"
              let reply = try await gateway.call(
                "SetNamedProxy", .string(workload), .string(domain), ["http://10.1.2.3:\(1000 + step)"], false)
              if reply.callError == nil { own = reply.data.string }
            }
            return (workload, own)
          }
        }
        return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
      }
      // What a workload was told last is what it has.
      #expect(try await gateway.domains() == last)
      #expect(Set(last.values).count == last.count)
      try await expectDiskAgrees(gateway)
    }
  }

  /// A gateway that knows nothing but the disk must know the same.
  private func expectDiskAgrees(_ gateway: GatewayProcess) async throws {
    let routes = try await gateway.routes()
    let files = try gateway.files(in: "proxy")
    #expect(files.count == routes.count + 1)
    try await gateway.restart()
    #expect(try await gateway.routes() == routes)
    #expect(try gateway.files(in: "proxy") == files)
    #expect(try gateway.files(in: "quarantine").count == 1)
    #expect(try gateway.files(in: "staging").count == 1)
  }
}
