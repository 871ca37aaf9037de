import Foundation
import TestSupport
import Testing

/// Services of tcprouter, from a real Redis through Traefik and the relay.
@Suite(.timeLimit(.minutes(15)))
struct TCPRouterTests {
  private static let zone = GatewayProcess.zone
  private static let prefix = "/tcprouter/service/"

  /// Starts a Redis for the services alone, and a node that serves them.
  private func withNode(
    _ services: [String: String] = [:], notifications: String = "KA", flags: [String] = GatewayProcess.permissive,
    _ body: (RedisServer, GatewayProcess, Relay) async throws -> Void
  ) async throws {
    try await RedisServer.withServer(appendOnly: true) { redis in
      try await redis.configure("notify-keyspace-events", notifications)
      for (name, value) in services { try await set(redis, name, value) }
      try await Relay.withNode(flags + ["--tcprouter-redis", redis.unixURL]) { gateway, relay in
        try await body(redis, gateway, relay)
      }
    }
  }

  /// As tf_gateway writes it.
  private static func entry(_ inner: String) -> String {
    #"{"Key":"whatever","Value":"\#(Data(inner.utf8).base64EncodedString())","LastIndex":0}"#
  }

  private static func address(_ tls: String, _ http: String) -> String {
    let parts = tls.split(separator: ":")
    return entry(
      #"{"addr":"\#(parts[0])","tlsport":\#(parts[1]),"httpport":\#(http.split(separator: ":")[1]),"clientsecret":"","user":"37"}"#
    )
  }

  private static func nowhere(_ port: Int = 443) -> String { address("10.1.2.3:\(port)", "10.1.2.3:80") }

  private static func client(_ secret: String) -> String { entry(#"{"clientsecret":"\#(secret)","user":"37"}"#) }

  private func set(_ redis: RedisServer, _ name: String, _ value: String) async throws {
    try await redis.command("SET", Self.prefix + name, value)
  }

  private func delete(_ redis: RedisServer, _ name: String) async throws {
    try await redis.command("DEL", Self.prefix + name)
  }

  /// Waits until these workloads have these domains, and no others any.
  private func expect(_ gateway: GatewayProcess, _ domains: [String: String]) async throws {
    try await eventually {
      try await gateway.domains()
    } until: {
      $0 == domains
    }
  }

  /// How many routes there are.
  private func count(_ gateway: GatewayProcess) async throws -> Int64? {
    try await gateway.call("Node").data["Routes"].integer
  }

  private func backends(_ gateway: GatewayProcess, _ workload: String) async throws -> JSON {
    try await gateway.routes().first { $0["Workload"].string == workload }?["Backends"] ?? .null
  }

  /// The log's lines that say why services are not served.
  private func faults(_ gateway: GatewayProcess) throws -> [String] {
    try gateway.logged("a service of tcprouter is not served").map {
      "\($0["level"].string ?? "") \(($0["key"].string ?? "").dropFirst(Self.prefix.count)): \($0["reason"].string ?? "")"
    }.sorted()
  }

  // MARK: What Redis says is served

  /// With keyspace notifications at once, without when all are read the next time.
  @Test(arguments: ["KA", ""])
  func serviceIsServedByItsDomain(notifications: String) async throws {
    try await HTTPBackend.withServer("one", tls: true) { one in
      try await HTTPBackend.withServer("two", tls: true) { two in
        try await HTTPBackend.withServer("plain") { plain in
          let services = ["shop.example.org": Self.address(one.endpoint, plain.endpoint)]
          try await withNode(services, notifications: notifications) { redis, gateway, _ in
            try await gateway.withTraefik { _ in
              let (secure, web) = (gateway.client("--https-address"), gateway.client("--http-address"))
              try await eventually {
                try await secure.fetch("https://shop.example.org/").certificateSubject?.contains("one") == true
              }
              try await eventually { try await web.fetch("http://shop.example.org/x").answer?.name == "plain" }
              try await set(redis, "shop.example.org", Self.address(two.endpoint, plain.endpoint))
              try await eventually { try await secure.fetch("https://shop.example.org/").answer?.name == "two" }
              // A name in the node's own domain too.
              try await set(redis, "own.\(Self.zone)", Self.address(one.endpoint, plain.endpoint))
              try await eventually { try await secure.fetch("https://own.\(Self.zone)/").answer?.name == "one" }
              try await delete(redis, "shop.example.org")
              try await expect(gateway, ["tcprouter-own.\(Self.zone)": "own.\(Self.zone)"])
              try await eventually { try await web.fetch("http://shop.example.org/x").status == 301 }
              #expect(try await gateway.routes().map { $0["Kind"] } == ["named"])
            }
          }
        }
      }
    }
  }

  @Test func clientWithTheSecretIsReached() async throws {
    let secret = "37:0123456789abcdef"
    try await withNode(["home.example.org": Self.client(secret)]) { redis, gateway, relay in
      try await HTTPBackend.withServer("plain") { plain in
        try await HTTPBackend.withServer("secure", tls: true) { secure in
          try await expect(gateway, ["tcprouter-home.example.org": "home.example.org"])
          try await relay.withClient(secret: secret, local: plain.endpoint, localTLS: secure.endpoint) { _ in
            try await gateway.withTraefik { _ in
              let https = gateway.client("--https-address")
              try await eventually {
                try await https.fetch("https://home.example.org/").answer?.name == "secure"
              }
              try await eventually {
                try await gateway.client("--http-address").fetch("http://home.example.org/").answer?.name == "plain"
              }
              // Another domain of the same client's.
              try await set(redis, "also.example.org", Self.client(secret))
              try await eventually { try await https.fetch("https://also.example.org/").answer?.name == "secure" }
              // They share the tunnel, whoever it was made for.
              try await delete(redis, "home.example.org")
              try await expect(gateway, ["tcprouter-also.example.org": "also.example.org"])
              #expect(try await https.fetch("https://also.example.org/").answer?.name == "secure")
              #expect(try await gateway.listedTunnel("tcprouter-home.example.org")?["Connected"] == true)
            }
          }
        }
      }
      // Another secret is another tunnel, and takes the place of the last.
      try await set(redis, "also.example.org", Self.client("fedcba9876543210"))
      try await eventually {
        try await gateway.tunnel("Tunnels").data.array?.map { $0["Workload"] }
      } until: {
        $0 == ["tcprouter-also.example.org"]
      }
      try await eventually {
        try await backends(gateway, "tcprouter-also.example.org") == ["tunnel:tcprouter-also.example.org"]
      }
      try await set(redis, "also.example.org", Self.nowhere())
      try await eventually { try await gateway.tunnel("Tunnels").data == [] }
      #expect(try await backends(gateway, "tcprouter-also.example.org") == ["10.1.2.3:443"])
      // Nowhere is a secret said.
      for text in [secret, "fedcba9876543210"] {
        #expect(try !gateway.log.contains { "\($0)".contains(text) })
        #expect(try !gateway.files().values.contains { $0.content.contains(text) })
      }
      #expect(try faults(gateway) == [])
    }
  }

  @Test func catchAllGetsWhatIsForNobodyElse() async throws {
    try await HTTPBackend.withServer("rest", tls: true) { rest in
      try await HTTPBackend.withServer("rest") { plain in
        let service = ["CATCH_ALL": Self.address(rest.endpoint, plain.endpoint)]
        // An authority that is not there: Traefik looks for challenges all the same.
        let authority = ["--acme-email", "x@example.org", "--acme-ca", "https://127.0.0.1:9/directory"]
        try await withNode(service, flags: GatewayProcess.permissive + authority) { redis, gateway, _ in
          try await gateway.setName("37-site", "site", plain.url)
          try await gateway.withTraefik { _ in
            let (secure, web) = (gateway.client("--https-address"), gateway.client("--http-address"))
            try await eventually { try await secure.fetch("https://any.example.net/").answer?.name == "rest" }
            try await eventually { try await web.fetch("http://any.example.net/").answer?.name == "rest" }
            try await eventually { try await web.fetch("http://site.\(Self.zone)/").status == 301 }
            // Challenges are Traefik's own to answer.
            for host in ["site.\(Self.zone)", "any.example.net"] {
              let challenge = "http://\(host)/.well-known/acme-challenge/token"
              #expect(try await web.fetch(challenge).status == 404, "\(host)")
            }
            // What is set later is redirected as well, and no longer when it is gone.
            try await gateway.setFQDN("37-later", "any.example.net", "10.1.2.3:443")
            try await eventually { try await web.fetch("http://any.example.net/").status == 301 }
            try await gateway.delete("37-later")
            try await eventually { try await web.fetch("http://any.example.net/").answer?.name == "rest" }
            let route = try await gateway.routes().first { $0["Workload"] == "tcprouter-CATCH_ALL" }
            #expect(route?["FQDN"] == "*" && route?["HTTPBackends"] == [.string(plain.endpoint)])
            let list = try await gateway.gatewayctl("list", "--workload", "tcprouter-*")
            #expect(list.standardOutput.contains("tcprouter-CATCH_ALL  fqdn  *"), "\(list)")
            // The file says all that is needed to read it back.
            let file = try gateway.routeFile("tcprouter-CATCH_ALL")
            try await redis.kill()
            try await gateway.restart()
            #expect(try await gateway.routes().contains { $0["FQDN"] == "*" })
            #expect(try gateway.routeFile("tcprouter-CATCH_ALL") == file)
            // Nor is Redis needed to see what is redirected.
            try await gateway.setFQDN("37-later", "any.example.net", "10.1.2.3:443")
            try await eventually { try await web.fetch("http://any.example.net/").status == 301 }
            try await gateway.delete("37-later")
            try await redis.start()
            try await delete(redis, "CATCH_ALL")
            try await eventually { try gateway.routeFile("tcprouter-CATCH_ALL") == nil }
            try await eventually { try await web.fetch("http://other.example.net/").status == 301 }
          }
        }
      }
    }
  }

  // MARK: The bus goes before

  @Test func busWinsAndGivesBack() async throws {
    let services = ["shop.example.org": Self.nowhere(), "web.\(Self.zone)": Self.nowhere()]
    let own = [
      "tcprouter-shop.example.org": "shop.example.org", "tcprouter-web.\(Self.zone)": "web.\(Self.zone)",
    ]
    try await withNode(services) { redis, gateway, _ in
      try await expect(gateway, own)
      try await gateway.setFQDN("37-shop", "shop.example.org", "http://10.9.9.9")
      try await gateway.setName("37-web", "web", "http://10.9.9.9")
      let bus = ["37-shop": "shop.example.org", "37-web": "web.\(Self.zone)"]
      #expect(try await gateway.domains() == bus)
      // Another one's, as ever.
      let taken = try await gateway.call("SetFQDNProxy", "38-shop", "shop.example.org", ["http://10.9.9.9"], false)
      #expect(taken.callError == "domain already registered: shop.example.org")
      // What Redis says meanwhile does not count.
      try await set(redis, "shop.example.org", Self.nowhere(8443))
      try await set(redis, "seen.example.org", Self.nowhere())
      try await expect(gateway, bus.merging(["tcprouter-seen.example.org": "seen.example.org"]) { $1 })
      try await delete(redis, "seen.example.org")
      try await gateway.delete("37-shop")
      try await gateway.setName("37-web", "other", "http://10.9.9.9")
      try await expect(gateway, own.merging(["37-web": "other.\(Self.zone)"]) { $1 })
      #expect(try await backends(gateway, "tcprouter-shop.example.org") == ["10.1.2.3:8443"])

      // A call that fails has taken nothing away.
      try gateway.root.write("# somebody's", to: "proxy/37-foreign.yaml")
      let failed = try await gateway.call(
        "SetFQDNProxy", "37-foreign", "shop.example.org", ["http://10.9.9.9"], false)
      #expect(failed.callError?.hasSuffix("exists and is not this module's") == true)
      #expect(try await backends(gateway, "tcprouter-shop.example.org") == ["10.1.2.3:8443"])

      // What was set before is not touched.
      try await gateway.setFQDN("37-first", "first.example.org", "http://10.9.9.9")
      try await set(redis, "first.example.org", Self.nowhere())
      try await eventually {
        try gateway.logged("a service of tcprouter gives way").contains {
          $0["key"].string == "\(Self.prefix)first.example.org" && $0["level"] == "info"
        }
      }
      #expect(try await gateway.domains()["37-first"] == "first.example.org")
      try await gateway.delete("37-first")
      try await eventually { try await gateway.domains()["tcprouter-first.example.org"] == "first.example.org" }
      #expect(try faults(gateway) == [])
    }
  }

  @Test func tunnelOfTheBusIsNotTaken() async throws {
    let secret = "0123456789abcdef"
    try await withNode { redis, gateway, _ in
      let held = try await gateway.tunnel("SetTunnel", "37-home", ["Secret": .string(secret)])
      #expect(held.callError == nil)
      try await set(redis, "home.example.org", Self.client(secret))
      let reason = "clientsecret: secret already registered: sha256:9f9f5111f7b2, by 37-home"
      try await eventually { try faults(gateway) == ["warning home.example.org: \(reason)"] }
      #expect(try await gateway.domains() == [:])
      // With its end the service has it.
      #expect(try await gateway.tunnel("DeleteTunnel", "37-home").callError == nil)
      try await expect(gateway, ["tcprouter-home.example.org": "home.example.org"])
      #expect(try await gateway.listedTunnel("tcprouter-home.example.org") != nil)
    }
  }

  @Test func workloadsOfServicesAreNotSetByCalls() async throws {
    try await withNode(["shop.example.org": Self.nowhere()]) { _, gateway, relay in
      let workload: JSON = "tcprouter-shop.example.org"
      try await expect(gateway, ["tcprouter-shop.example.org": "shop.example.org"])
      let refusal =
        #"invalid workload "tcprouter-shop.example.org": what begins with 'tcprouter-' follows from tcprouter's "#
        + "services in Redis"
      for method in ["SetNamedProxy", "SetFQDNProxy"] {
        #expect(
          try await gateway.call(method, workload, "other.example.org", ["http://10.9.9.9"], false).callError == refusal
        )
      }
      #expect(try await gateway.tunnel("SetTunnel", workload, [:]).callError == refusal)
      // One that is deleted, by whatever means, is back.
      try await gateway.delete("tcprouter-shop.example.org")
      try await expect(gateway, ["tcprouter-shop.example.org": "shop.example.org"])
      try FileManager.default.removeItem(atPath: gateway.root.file("proxy/tcprouter-shop.example.org.yaml"))
      try await eventually { try gateway.routeFile("tcprouter-shop.example.org") != nil }
    }
  }

  // MARK: What is wrong

  @Test func faultIsToldOnceAndTheRestIsServed() async throws {
    let long = "\(String(repeating: "a", count: 63)).\(String(repeating: "b", count: 60)).test"
    let services: [String: String] = [
      "good.example.org": Self.nowhere(), "text.example.org": "no JSON", "base.example.org": #"{"Value":"**"}"#,
      "bytes.example.org": "\u{1}\u{2}", "inner.example.org": Self.entry("[1"), "none.example.org": Self.entry("{}"),
      "name.example.org": Self.entry(#"{"addr":"backend.test","tlsport":443}"#),
      "port.example.org": Self.entry(#"{"addr":"10.1.2.3","tlsport":70000}"#),
      "own.example.org": Self.entry(#"{"addr":"\#(GatewayProcess.addresses[0])"}"#),
      "six.example.org": Self.entry(#"{"addr":"2001:db8::9","tlsport":443,"httpport":80}"#),
      "local.example.org": Self.entry(#"{"addr":"fe80::1"}"#), "secret.example.org": Self.client("too-short"),
      "tunnel.\(Self.zone)": Self.nowhere(), "Upper.example.org": Self.nowhere(), "no domain": Self.nowhere(),
      "": Self.nowhere(), long: Self.nowhere(),
    ]
    let expected: [String] = [
      #"warning : invalid domain "": it is empty"#,
      #"warning Upper.example.org: invalid domain "Upper.example.org": in a key it is in lower case, without a dot at its end"#,
      #"warning \#(long): invalid domain "\#(long.prefix(100))…": that of a service has at most 118 bytes"#,
      #"warning base.example.org: "Value" is no base64"#,
      "warning bytes.example.org: the value is no JSON object: no value begins so, at byte 1",
      #"warning inner.example.org: what is in "Value" is no JSON object: ',' or ']' is needed, at byte 3"#,
      #"warning local.example.org: invalid backend "[fe80::1]:443": the address is link-local"#,
      #"warning name.example.org: invalid addr "backend.test": it is no IP address"#,
      #"warning no domain: invalid domain "no domain": a label may hold only letters, digits, '-' and '_'"#,
      #"warning none.example.org: there is neither "addr" nor "clientsecret""#,
      #"warning own.example.org: invalid backend "203.0.113.7:443": the address is one of this node's own"#,
      #"warning port.example.org: "tlsport" is no port from 1 to 65535"#,
      "warning secret.example.org: invalid secret of 9 bytes: it must have 16 to 512",
      "warning text.example.org: the value is no JSON object: no value begins so, at byte 2",
      #"warning tunnel.\#(Self.zone): invalid domain "tunnel.\#(Self.zone)": clients of tunnels dial in under it"#,
    ].sorted()
    // Changes are seen only when all is read.
    try await withNode(services, notifications: "") { redis, gateway, _ in
      for key in ["\(Self.prefix)list.example.org", "\(Self.prefix)x"] { try await redis.command("RPUSH", key, "x") }
      try await redis.command("SET", "/tcprouter/other", "x")
      let served = [
        "tcprouter-good.example.org": "good.example.org", "tcprouter-six.example.org": "six.example.org",
      ]
      try await expect(gateway, served)
      try await eventually {
        try faults(gateway)
      } until: {
        $0.count >= expected.count
      }
      #expect(try faults(gateway) == expected)
      #expect(try await backends(gateway, "tcprouter-six.example.org") == ["[2001:db8::9]:443"])
      // All are read once more, and what is wrong is the same; a service whose value is bad now is no longer served.
      try await set(redis, "good.example.org", "bad now")
      try await set(redis, "text.example.org", Self.nowhere())
      try await expect(
        gateway,
        ["tcprouter-six.example.org": "six.example.org", "tcprouter-text.example.org": "text.example.org"])
      let now = expected + ["warning good.example.org: the value is no JSON object: no value begins so, at byte 1"]
      try await eventually { try faults(gateway) == now.sorted() }
    }
  }

  @Test func loopbackIsRefusedUnlessItIsAllowed() async throws {
    let services = ["loop.example.org": Self.address("127.0.0.1:443", "127.0.0.1:80")]
    try await withNode(services, flags: GatewayProcess.node) { _, gateway, _ in
      try await eventually {
        try faults(gateway)
          == [#"warning loop.example.org: invalid backend "127.0.0.1:443": the address is loopback"#]
      }
      #expect(try await gateway.domains() == [:])
    }
  }

  @Test func secretsNeedTunnels() async throws {
    try await RedisServer.withServer { redis in
      try await set(redis, "home.example.org", Self.client("0123456789abcdef"))
      try await set(redis, "shop.example.org", Self.nowhere())
      try await GatewayProcess.withGateway(GatewayProcess.permissive + ["--tcprouter-redis", redis.unixURL]) {
        gateway in
        try await expect(gateway, ["tcprouter-shop.example.org": "shop.example.org"])
        try await eventually {
          try faults(gateway)
            == ["warning home.example.org: a clientsecret needs tunnels: --relay-address is not given"]
        }
      }
    }
  }

  // MARK: When something stops

  @Test func whatWasThereIsServedWhileRedisIsAway() async throws {
    let services = [
      "shop.example.org": Self.nowhere(), "home.example.org": Self.client("0123456789abcdef"),
    ]
    let own = [
      "tcprouter-shop.example.org": "shop.example.org", "tcprouter-home.example.org": "home.example.org",
    ]
    try await withNode(services) { redis, gateway, _ in
      try await expect(gateway, own)
      let tunnels = try gateway.files(in: "tunnels")
      try await redis.kill()
      try await eventually { try gateway.logged("broker away, trying again until it is back").count == 1 }
      #expect(try await gateway.domains() == own)
      try await gateway.restart()
      try await eventually { try gateway.logged("broker away, trying again until it is back").count == 2 }
      #expect(try await gateway.domains() == own)
      #expect(try gateway.files(in: "tunnels") == tunnels)
      // The bus goes before also now. What it gives up is back once Redis is.
      try await gateway.setFQDN("37-shop", "shop.example.org", "http://10.9.9.9")
      #expect(try await gateway.domains()["37-shop"] == "shop.example.org")
      try await gateway.delete("37-shop")

      try await redis.start()
      try await redis.configure("notify-keyspace-events", "KA")
      try await expect(gateway, own)
      // What went while nobody looked is gone as well.
      gateway.signal(SIGTERM)
      #expect(try await gateway.exit() == .code(0))
      try await delete(redis, "home.example.org")
      try await set(redis, "new.example.org", Self.nowhere())
      try await gateway.start()
      try await expect(
        gateway,
        ["tcprouter-shop.example.org": "shop.example.org", "tcprouter-new.example.org": "new.example.org"])
      try await eventually { try await gateway.tunnel("Tunnels").data == [] }
    }
  }

  @Test func thousandsOfServicesAreServed() async throws {
    try await withNode { redis, gateway, _ in
      func run(_ script: String) async throws {
        try await redis.command("EVAL", "for i = 1, 5000 do \(script) end", "0", Self.prefix, Self.nowhere())
      }
      try await run("redis.call('SET', ARGV[1] .. 's' .. i .. '.example.org', ARGV[2])")
      try await eventually {
        try await count(gateway)
      } until: {
        $0 == 5000
      }
      // What is there is left alone.
      let files = try gateway.files(in: "proxy")
      try await gateway.restart()
      try await set(redis, "last.example.org", Self.nowhere())
      try await eventually {
        try await count(gateway)
      } until: {
        $0 == 5001
      }
      try await delete(redis, "last.example.org")
      try await eventually {
        try await count(gateway)
      } until: {
        $0 == 5000
      }
      let now = try gateway.files(in: "proxy")
      #expect(files.allSatisfy { $0.key.isEmpty || now[$0.key] == $0.value })
      try await run("redis.call('DEL', ARGV[1] .. 's' .. i .. '.example.org')")
      try await eventually {
        try await count(gateway)
      } until: {
        $0 == 0
      }
      #expect(try faults(gateway) == [])
    }
  }

  @Test func diskThatIsFullIsNotToldForEach() async throws {
    try await withNode { redis, gateway, _ in
      let staging = gateway.root.file("staging")
      try FileManager.default.removeItem(atPath: staging)
      try "".write(toFile: staging, atomically: true, encoding: .utf8)
      try await redis.command(
        "EVAL", "for i = 1, 100 do redis.call('SET', ARGV[1] .. 's' .. i .. '.example.org', ARGV[2]) end", "0",
        Self.prefix, Self.nowhere())
      try await eventually { try !gateway.logged("route not stored").isEmpty }
      try FileManager.default.removeItem(atPath: staging)
      try FileManager.default.createDirectory(atPath: staging, withIntermediateDirectories: false)
      try await eventually {
        try await count(gateway)
      } until: {
        $0 == 100
      }
      // One for each time that it was tried.
      #expect(try gateway.logged("route not stored").count < 20)
    }
  }

  @Test func rightsThatTheDocumentNamesAreEnough() async throws {
    try await RedisServer.withServer { redis in
      try await set(redis, "shop.example.org", Self.nowhere())
      try await redis.configure("notify-keyspace-events", "KA")
      let rights = try await redis.makeUsers(asIn: "docs/tunnels.md")
      try await redis.command("CONFIG", "RESETSTAT")
      try await redis.command("ACL", "LOG", "RESET")
      let flags = ["--tcprouter-redis", redis.url(of: "gateway-tcprouter")]
      try await GatewayProcess.withGateway(GatewayProcess.permissive + flags) { gateway in
        try await expect(gateway, ["tcprouter-shop.example.org": "shop.example.org"])
        try await delete(redis, "shop.example.org")
        try await expect(gateway, [:])
        #expect(try await redis.denials() == "")
        let used = Set(try await redis.commandCounts().keys)
        #expect(rights["gateway-tcprouter"]?.subtracting(used) == [], "more than it needs")
      }
    }
  }
}
