import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// What the independent caller gets for each method, in each form, from each object.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CallTests {
  @Test("Every method answers in both argument forms", arguments: ["manager@0.0.1", "gateway@0.0.1"])
  func answers(object: String) async throws {
    try await GatewayProcess.withGateway { gateway in
      func call(_ method: String, _ arguments: JSON...) async throws -> PythonCaller.Reply {
        let reply = try await gateway.caller.call(method, with: arguments, object: object)
        #expect(reply.protocolError == nil)
        #expect(reply.callError == nil)
        #expect(reply.hasRequestID)
        return reply
      }

      let asStruct = try await call(
        "SetNamedProxy", "1-1-shop",
        ["Name": "Shop", "TLSPassthrough": false, "Backends": ["http://10.1.2.3:9000"], "Network": nil])
      #expect(asStruct.data == "shop.\(zone)" as JSON)
      let asArguments = try await call(
        "SetNamedProxy", "1-2-bank", "bank", ["10.1.2.3:443", "https://[fd00::1]"], true)
      #expect(asArguments.data == "bank.\(zone)" as JSON)

      let ofStruct = try await call(
        "SetFQDNProxy", "2-1-blog",
        [
          "FQDN": "Blog.example.org.", "TLSPassthrough": true, "Backends": ["10.1.2.4:443"],
          "HTTPBackends": ["10.1.2.4"],
        ])
      let ofArguments = try await call("SetFQDNProxy", "2-2-news", "news.example.org", ["https://10.1.2.5"], false)
      // As the Rust library, whose field is not optional, needs it, and Go reads it as well.
      #expect(ofStruct.dataHex == "" && ofArguments.dataHex == "")

      #expect(
        try await call("Routes").data == [
          [
            "Workload": "1-1-shop", "Kind": "named", "FQDN": "shop.\(zone)", "TLSPassthrough": false,
            "Backends": ["http://10.1.2.3:9000"], "HTTPBackends": [],
          ],
          [
            "Workload": "1-2-bank", "Kind": "named", "FQDN": "bank.\(zone)", "TLSPassthrough": true,
            "Backends": ["10.1.2.3:443", "[fd00::1]:443"], "HTTPBackends": [],
          ],
          [
            "Workload": "2-1-blog", "Kind": "fqdn", "FQDN": "blog.example.org", "TLSPassthrough": true,
            "Backends": ["10.1.2.4:443"], "HTTPBackends": ["10.1.2.4:80"],
          ],
          [
            "Workload": "2-2-news", "Kind": "fqdn", "FQDN": "news.example.org", "TLSPassthrough": false,
            "Backends": ["https://10.1.2.5:443"], "HTTPBackends": [],
          ],
        ])
      #expect(try await call("Metrics").data == ["Request": [:], "Response": [:]])

      for workload in ["1-1-shop", "1-2-bank", "2-1-blog", "2-2-news", "2-2-news", "never-set"] {
        #expect(try await call("DeleteNamedProxy", .string(workload)).dataHex == "")
      }
      #expect(try await call("Routes").data == [])
      #expect(try await gateway.caller.extraReplies() == 0)
    }
  }

  @Test func everyReplyIsTheOnlyOneAndExpires() async throws {
    try await GatewayProcess.withGateway { gateway in
      let calls: [(String, [JSON])] = [
        ("SetNamedProxy", ["w", "name", ["http://10.1.2.3"], false]), ("SetNamedProxy", ["w", "name", [], false]),
        ("SetFQDNProxy", ["v", "example.org", ["http://10.1.2.3"], false]), ("DeleteNamedProxy", ["w"]),
        ("Metrics", []), ("Routes", []), ("Nonsense", []), ("Metrics", ["too", "many"]),
      ]
      for (method, arguments) in calls {
        let reply = try await gateway.caller.call(method, with: arguments, inspect: true)
        let timeToLive = try #require(reply.timeToLive)
        #expect(timeToLive > 290 && timeToLive <= 300, "\(method)")
      }
      // What these calls left behind, and nothing else.
      _ = try await gateway.caller.status()
      #expect(try await gateway.caller.extraReplies() == 0)
      #expect(try await gateway.redis.command("KEYS", "gateway.*.in-flight") == "")
    }
  }

  @Test("A failing call carries its result's zero value, which a Go stub decodes before it looks at the error")
  func failsWithZeroValue() async throws {
    try await GatewayProcess.withGateway { gateway in
      let named = try await gateway.call("SetNamedProxy", "w", "", [], false)
      #expect(named.callError != nil && named.protocolError == nil)
      #expect(named.dataHex == "a0")

      let fqdn = try await gateway.call("SetFQDNProxy", "w", "", [], false)
      #expect(fqdn.callError != nil && fqdn.protocolError == nil)
      #expect(fqdn.dataHex == "")

      let delete = try await gateway.call("DeleteNamedProxy", "")
      #expect(delete.callError != nil && delete.protocolError == nil)
      #expect(delete.dataHex == "")
    }
  }

  @Test func statusNamesBothObjectsAndEveryWorker() async throws {
    try await GatewayProcess.withGateway(GatewayProcess.permissive + ["--workers", "3"]) { gateway in
      let status = try await gateway.caller.status().data
      #expect(
        status["Objects"] == [["Name": "manager", "Version": "0.0.1"], ["Name": "gateway", "Version": "0.0.1"]])
      #expect(status["Workers"].array?.map { $0["State"] } == ["free", "free", "free"])
    }
  }
}
