import Foundation
import TestSupport
import Testing

/// The fixtures of the other tests, each on the real program.
@Suite(.timeLimit(.minutes(5)))
struct FixtureTests {
  @Test func redisAnswersOnBothItsAddresses() async throws {
    try await RedisServer.withServer { redis in
      #expect(try await redis.command("SET", "key", "value") == "OK")
      #expect(try await redis.command("GET", "key") == "value")
      let overTCP = try await Command.succeed("redis-cli", ["-p", "\(redis.port)", "GET", "key"])
      #expect(overTCP == "value\n")
    }
  }

  @Test func redisWithAPasswordRefusesWhoeverHasNone() async throws {
    try await RedisServer.withServer(password: "secret") { redis in
      #expect(try await redis.command("PING") == "PONG")
      let outcome = try await Command.run("redis-cli", ["-e", "-s", redis.socket, "PING"])
      #expect(outcome.status == .code(1))
      #expect(outcome.standardError.contains("NOAUTH"))
    }
  }

  @Test(arguments: [true, false])
  func redisKeepsItsDataOverACrashOnlyWithAnAppendOnlyFile(appendOnly: Bool) async throws {
    try await RedisServer.withServer(appendOnly: appendOnly) { redis in
      try await redis.command("RPUSH", "queue", "request")
      try await redis.kill()
      await #expect(throws: FixtureError.self) { try await redis.command("PING") }
      try await redis.start()
      #expect(try await redis.command("LLEN", "queue") == (appendOnly ? "1" : "0"))
    }
  }

  @Test func pausedRedisAnswersOnceItIsResumed() async throws {
    try await RedisServer.withServer { redis in
      redis.pause()
      async let reply = redis.command("PING")
      let early = try await Command.run("timeout", ["0.2", "redis-cli", "-s", redis.socket, "PING"])
      #expect(early.status == .code(124))
      redis.resume()
      #expect(try await reply == "PONG")
    }
  }

  @Test func traefikServesARouteFileAndDropsItWhenItIsGone() async throws {
    try await TemporaryDirectory.withDirectory { routes in
      try await HTTPBackend.withServer("one") { backend in
        try await Traefik.withServer(routes: routes.path) { traefik in
          try routes.write(
            """
            http:
              routers:
                site-route:
                  rule: Host(`site.example.com`)
                  service: site
                  entryPoints: [web]
              services:
                site:
                  loadBalancer:
                    servers:
                    - url: \(backend.url)
            """, to: "site.yaml")
          let web = try await traefik.client("web")
          let url = "http://site.example.com/path"
          let response = try await eventually {
            try await web.fetch(url)
          } until: {
            $0.status == 200
          }
          #expect(
            response.answer == HTTPBackend.Answer(name: "one", host: "site.example.com", path: "/path", method: "GET"))
          let router = try #require(try await traefik.routers()["site-route@file"])
          #expect(router.status == "enabled" && router.service == "site" && router.kind == .http)

          try await traefik.restart()
          try await eventually {
            try await web.fetch(url)
          } until: {
            $0.status == 200
          }

          try FileManager.default.removeItem(atPath: routes.file("site.yaml"))
          try await eventually {
            try await web.fetch(url)
          } until: {
            $0.status == 404
          }
          #expect(try await traefik.routers().isEmpty)
        }
      }
    }
  }

  @Test(arguments: ["127.0.0.1", "::1"])
  func secureBackendShowsACertificateForItsName(address: String) async throws {
    try await HTTPBackend.withServer("two.example.com", address: address, tls: true) { backend in
      let client = HTTPClient(connectingTo: backend.endpoint)
      let response = try await client.fetch("https://two.example.com/", method: "POST", body: "hello")
      #expect(response.certificateSubject == "CN = two.example.com")
      #expect(response.answer?.method == "POST")
      #expect(response.headers["content-type"] == ["application/json"])
    }
  }

  @Test func clientWithAnAuthorityRefusesACertificateOfAnother() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let other = try await Certificate.selfSigned(for: "site.example.com", in: directory)
      try await HTTPBackend.withServer("site.example.com", tls: true) { backend in
        let client = HTTPClient(connectingTo: backend.endpoint, trust: .authority(file: other.file))
        await #expect { try await client.fetch("https://site.example.com/") } throws: {
          String(describing: $0).contains("self-signed certificate")
        }
      }
    }
  }

  @Test func processThatEndsTooEarlyIsQuoted() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      try await ChildProcess.withProcess("sh", ["-c", "echo no such luck; exit 3"], log: directory.file("log")) {
        process in
        await #expect { try await process.line { $0 == "ready" } } throws: {
          String(describing: $0).contains("no such luck") && String(describing: $0).contains("code(3)")
        }
      }
    }
  }

  @Test func processThatIgnoresTerminationIsKilled() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let script = "trap '' TERM; echo ready; while :; do sleep 0.01; done"
      let process = try ChildProcess("sh", ["-c", script], log: directory.file("log"))
      _ = try await process.line { $0 == "ready" }
      await process.stop(within: .milliseconds(50))
      #expect(process.exitStatus == .signal(SIGKILL))
    }
  }

  @Test func waitingInVainTellsWhatWasSeenLast() async throws {
    var looks = 0
    await #expect {
      try await eventually(within: .milliseconds(20)) {
        looks += 1
        return "look \(looks)"
      } until: { _ in
        false
      }
    } throws: {
      String(describing: $0).contains("last seen: look \(looks)") && looks > 1
    }
  }

  @Test func fixtureIsGoneAfterItsTest() async throws {
    struct Failed: Error {}
    var seen: (pid: Int32, directory: String)?
    do {
      try await TemporaryDirectory.withDirectory { directory in
        try await ChildProcess.withProcess("sleep", ["60"], log: directory.file("log")) { process in
          seen = (process.pid, directory.path)
          throw Failed()
        }
      }
    } catch is Failed {}
    let (pid, directory) = try #require(seen)
    #expect(kill(pid, 0) == -1 && errno == ESRCH)
    #expect(!FileManager.default.fileExists(atPath: directory))
  }

  // From the bytes that the reference implementation of the bus writes.
  @Test(
    arguments: [
      (
        "AddSub", [3.0, 1.0],
        "85a24944d92435656633613165302d306235632d346135342d396431612d306338643666306537623131a6496e7075747392c409cb40080000"
          + "00000000c409cb3ff0000000000000a64f626a65637482a44e616d65a76d616e61676572a756657273696f6ea5302e302e31a7526570"
          + "6c79546fd92435656633613165302d306235632d346135342d396431612d306338643666306537623131a64d6574686f64a64164645375"
          + "62"
      ),
      (
        "DeleteNamedProxy", [10],
        "85a24944d92435656633613165302d306235632d346135342d396431612d306338643666306537623131a6496e7075747391c409d30000000000"
          + "00000aa64f626a65637482a44e616d65a76d616e61676572a756657273696f6ea5302e302e31a75265706c79546fd924356566336131"
          + "65302d306235632d346135342d396431612d306338643666306537623131a64d6574686f64b044656c6574654e616d656450726f7879"
      ),
      (
        "SetFQDNProxy", ["37-2039-testname", "remote.omar.grid.tf", ["137.184.106.152:443"], true],
        "85a24944d92435656633613165302d306235632d346135342d396431612d306338643666306537623131a6496e7075747394c411b033372d3230"
          + "33392d746573746e616d65c414b372656d6f74652e6f6d61722e677269642e7466c41591b33133372e3138342e3130362e3135323a34"
          + "3433c401c3a64f626a65637482a44e616d65a76d616e61676572a756657273696f6ea5302e302e31a75265706c79546fd92435656633"
          + "613165302d306235632d346135342d396431612d306338643666306537623131a64d6574686f64ac5365744651444e50726f7879"
      ),
    ] as [(String, [JSON], String)])
  func pythonCallerWritesTheBytesOfGoCallers(method: String, arguments: [JSON], bytes: String) async throws {
    try await RedisServer.withServer { redis in
      try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
        let request = try await caller.request(
          method, with: arguments, object: "manager@0.0.1", id: "5ef3a1e0-0b5c-4a54-9d1a-0c8d6f0e7b11")
        #expect(request == bytes)
      }
    }
  }

  @Test func pythonCallerGetsTheAnswersOfTheModuleItPlays() async throws {
    try await RedisServer.withServer(password: "secret") { redis in
      try await PythonCaller.withCaller(broker: redis.tcpURL) { caller in
        let configuration: JSON = [
          "Type": "macvlan", "IPv4": ["$net": "185.206.122.26/24"], "IPv6": nil, "Domain": "gent01.dev.grid.tf",
        ]
        let network = try await caller.serve(
          "network@0.0.1", of: "network",
          methods: [
            "GetPublicConfig": ["result": configuration], "Fails": ["error": "no network", "result": ""],
            "Crashes": ["protocol_error": "crash"], "Sleeps": ["silent": true],
          ])
        func call(_ method: String, _ arguments: JSON..., limit: Duration = .seconds(10)) async throws
          -> PythonCaller.Reply
        {
          try await caller.call(
            method, with: arguments, object: "network@0.0.1", module: "network", within: limit, inspect: true)
        }

        let answer = try await call("GetPublicConfig", nil, ["a": 1.5])
        #expect(
          answer.data == [
            "Type": "macvlan", "IPv6": nil, "Domain": "gent01.dev.grid.tf",
            "IPv4": ["IP": ["$bin": "00000000000000000000ffffb9ce7a1a"], "Mask": ["$bin": "ffffff00"]],
          ])
        #expect(answer.hasRequestID && answer.callError == nil && answer.protocolError == nil)
        #expect((1...300).contains(answer.timeToLive ?? 0))
        let failure = try await call("Fails")
        #expect(failure.callError == "no network" && failure.dataHex == "a0")
        #expect(try await call("Crashes").protocolError == "crash")
        await #expect { try await call("Sleeps", limit: .milliseconds(50)) } throws: {
          String(describing: $0).contains("no reply within 0.05 s")
        }
        #expect(
          try await network.requests() == [
            .init(method: "GetPublicConfig", arguments: [nil, ["a": 1.5]]), .init(method: "Fails", arguments: []),
            .init(method: "Crashes", arguments: []), .init(method: "Sleeps", arguments: []),
          ])
        #expect(try await caller.extraReplies() == 0)
        try await caller.push("c0", to: answer.replyTo)
        #expect(try await caller.extraReplies() == 1)
      }
    }
  }

  @Test func pythonCallerServesManyCallsAtOnce() async throws {
    try await RedisServer.withServer { redis in
      try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
        _ = try await caller.serve("echo", of: "test", methods: ["Echo": ["result": 7]])
        let sum = try await withThrowingTaskGroup(of: Int64.self) { group in
          for _ in 0..<200 {
            group.addTask { try await caller.call("Echo", object: "echo", module: "test").data.integer ?? 0 }
          }
          return try await group.reduce(0, +)
        }
        #expect(sum == 1400)
      }
    }
  }

  @Test func pythonCallerReceivesTheEventsOfAStream() async throws {
    try await RedisServer.withServer { redis in
      try await PythonCaller.withCaller(broker: redis.unixURL) { caller in
        let events = try await caller.events(2, of: "Ticks", object: "clock@1.0", module: "test") {
          // The characters are MessagePack too: each is the integer of its code.
          for event in ["1", "2", "3"] { try await redis.command("PUBLISH", "test.clock@1.0.Ticks", event) }
        }
        #expect(events == [49, 50])
      }
    }
  }

  @Test func dnsmasqKnowsWhatItIsToldAndNothingElse() async throws {
    let records: [Dnsmasq.Record] = [
      .address("four.test", "192.0.2.1"), .address("six.test", "2001:db8::1"), .alias("alias.test", to: "link.test"),
      .alias("link.test", to: "four.test"), .failing("failing.test"),
    ]
    try await Dnsmasq.withServer(records) { resolver in
      func answer(_ name: String, _ type: DNSQuestion.RecordType) throws -> DNSQuestion.Answer {
        try DNSQuestion(name: name, type: type).ask(port: resolver.port)
      }
      #expect(try answer("four.test", .a) == .init(code: 0, addresses: [[192, 0, 2, 1]]))
      #expect(try answer("four.test", .aaaa) == .init(code: 0, addresses: []))
      #expect(try answer("six.test", .aaaa).addresses.first?.prefix(4) == [0x20, 0x01, 0x0d, 0xb8])
      #expect(try answer("alias.test", .a) == .init(code: 0, addresses: [[192, 0, 2, 1]]))
      #expect(try answer("failing.test", .a) == .init(code: 2, addresses: []))
      #expect(try answer("unknown.test", .a) == .init(code: 3, addresses: []))

      try await resolver.know([.address("unknown.test", "192.0.2.2")])
      #expect(try answer("unknown.test", .a) == .init(code: 0, addresses: [[192, 0, 2, 2]]))
      #expect(try answer("four.test", .a) == .init(code: 3, addresses: []))
    }
  }

  @Test func dnsmasqStaysSilentWhenItIsTold() async throws {
    try await Dnsmasq.withServer([.silent("silent.test")]) { resolver in
      #expect(throws: DNSQuestion.NoAnswer.self) {
        try DNSQuestion(name: "silent.test", type: .a).ask(port: resolver.port, milliseconds: 200)
      }
    }
  }
}

/// One question over UDP (RFC 1035, section 4), to see that a resolver is there.
private struct DNSQuestion {
  enum RecordType: UInt8 {
    case a = 1
    case aaaa = 28
  }

  struct Answer: Equatable {
    let code: UInt8
    let addresses: [[UInt8]]
  }

  struct NoAnswer: Error {}

  let name: String
  let type: RecordType

  func ask(port: UInt16, milliseconds: Int = 5000) throws -> Answer {
    let socket = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(socket) }
    var patience = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    var server = sockaddr_in()
    server.sin_family = sa_family_t(AF_INET)
    server.sin_port = port.bigEndian
    server.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    withUnsafeBytes(of: &server) { bytes in
      _ = connect(socket, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
    }

    var question: [UInt8] = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    for label in name.split(separator: ".") { question += [UInt8(label.utf8.count)] + Array(label.utf8) }
    question += [0, 0, type.rawValue, 0, 1]
    send(socket, question, question.count, 0)
    var message = [UInt8](repeating: 0, count: 512)
    let count = recv(socket, &message, message.count, 0)
    guard count >= question.count else { throw NoAnswer() }

    var rest = message[question.count..<count]
    var addresses: [[UInt8]] = []
    for _ in 0..<message[7] {
      // A record's name is compressed to two bytes, or written out.
      if let first = rest.first, first >= 0xc0 {
        rest = rest.dropFirst(2)
      } else {
        rest = rest.drop { $0 != 0 }.dropFirst()
      }
      let head = Array(rest.prefix(10))
      let data = Array(rest.dropFirst(10).prefix(Int(head[8]) << 8 | Int(head[9])))
      rest = rest.dropFirst(10 + data.count)
      if head[1] == type.rawValue { addresses.append(data) }
    }
    return Answer(code: message[3] & 0xf, addresses: addresses)
  }
}
