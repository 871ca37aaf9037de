import Foundation
import TestSupport
import Testing

/// The fixtures of the other tests, each on the real program.
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
          let web = try traefik.client("web")
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
}
