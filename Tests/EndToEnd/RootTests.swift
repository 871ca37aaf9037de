import Foundation
import TestSupport
import Testing

/// A root has one gateway, which keeps what is its own in it as it should be.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct RootTests {
  @Test("A second gateway on a root names the first and writes nothing", arguments: ["same broker", "another broker"])
  func secondGateway(broker: String) async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("w", "shop", "http://10.1.2.3")
      let before = try gateway.files()
      let ran = gateway.root.path + ".ran"
      let outcome = try await Command.run(
        Repository.product("gateway"),
        [
          "--broker", broker == "same broker" ? gateway.redis.unixURL : "tcp://:secret@127.0.0.1:1", "--root",
          gateway.root.path, "--domain", "other.example.test", "--public-ip", "192.0.2.9", "--acme-email",
          "a@example.org",
          "--traefik-restart", "touch \(ran)",
        ])
      #expect(outcome.status == .code(1))
      #expect(
        outcome.standardError
          == "gateway: \(gateway.root.path) is already served by another gateway: pid \(gateway.pid), broker "
          + "\(gateway.redis.unixURL)\n")
      #expect(try gateway.files() == before)
      #expect(!FileManager.default.fileExists(atPath: ran))
      try await gateway.setName("w", "other", "http://10.1.2.3")
    }
  }

  @Test func holdersNoteOfAnEarlierLifeIsNotTold() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let root = try directory.directory("root")
      try directory.write("pid 2147483647, broker unix:///gone\n", to: "root/holder")
      try await ChildProcess.withProcess("flock", ["--no-fork", root, "sleep", "600"], log: directory.file("log")) {
        _ in
        let outcome = try await eventually {
          try await Command.run(Repository.product("gateway"), ["--root", root])
        } until: {
          $0.status == .code(1)
        }
        #expect(outcome.standardError == "gateway: \(root) is already served by another gateway\n")
      }
    }
  }

  @Test func rootOfAKilledGatewayIsFreeAtOnce() async throws {
    try await GatewayProcess.withGateway { gateway in
      for _ in 0..<3 {
        gateway.signal(SIGKILL)
        #expect(try await gateway.exit() == .signal(SIGKILL))
        try await gateway.start()
      }
    }
  }

  @Test func rootThatIsReplacedByAnEmptyOneIsTakenAndFilled() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("w", "shop", "http://10.1.2.3")
      let (route, configuration) = (try gateway.routeFile("w")?.content, try gateway.files()["traefik.yaml"]?.content)
      try await Command.succeed("sh", ["-ec", "mv $0 $0.away; mkdir $0", gateway.root.path])
      try await eventually {
        try gateway.routeFile("w")?.content == route && gateway.files()["traefik.yaml"]?.content == configuration
      }
      let outcome = try await Command.run(Repository.product("gateway"), ["--root", gateway.root.path])
      #expect(outcome.standardError.contains(" is already served by another gateway: pid \(gateway.pid), "))
      try await gateway.setName("v", "other", "http://10.1.2.3")
      try FileManager.default.removeItem(atPath: gateway.root.path + ".away")
    }
  }

  @Test func rootThatIsReplacedByAnotherGatewaysEndsThisOne() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await TemporaryDirectory.withDirectory { directory in
        let other = gateway.root.path + ".other"
        try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
        try await ChildProcess.withProcess("flock", ["--no-fork", other, "sleep", "600"], log: directory.file("log")) {
          holder in
          // It has the directory open once it is about to lock it, and is another program once it has.
          try await eventually {
            try String(contentsOfFile: "/proc/\(holder.pid)/comm", encoding: .utf8) == "sleep\n"
          }
          try await Command.succeed("sh", ["-ec", "mv $0 $0.away; mv $0.other $0", gateway.root.path])
          #expect(try await gateway.exit() == .code(1))
          #expect(try gateway.files().keys.sorted() == [""])
        }
        try FileManager.default.removeItem(atPath: gateway.root.path + ".away")
      }
    }
  }

  /// Shell commands that somebody runs in the root.
  static let damage = [
    "rm traefik.yaml", "echo 'log: {}' > traefik.yaml", "mv traefik.yaml mine.yaml",
    "head -c 2000000 /dev/zero > traefik.yaml", "echo port 54 > acme/zone", "rm acme/zone",
    "rm traefik.yaml acme/zone", "rm -r acme", "mv staging away", "rmdir quarantine", "rm -r traefik",
    "rm -r acme staging quarantine traefik traefik.yaml",
  ]

  @Test("What somebody changed or removed is put right by the running gateway", arguments: damage)
  func repairs(command: String) async throws {
    try await GatewayProcess.withGateway(GatewayProcess.node + ["--acme-email", "a@example.org"]) { gateway in
      func own() throws -> [String: String] {
        try gateway.files().filter { path, _ in
          ["traefik.yaml", "acme", "acme/zone", "staging", "quarantine", "traefik", "proxy"].contains(path)
        }.mapValues(\.content)
      }
      let before = try own()
      #expect(before.count == 7)
      try await Command.succeed("sh", ["-ec", "cd $0; \(command)", gateway.root.path])
      try await eventually {
        try own()
      } until: {
        $0 == before
      }
      try await gateway.setName("w", "shop", "http://10.1.2.3")
      // It was no change of the configuration: nobody restarts Traefik for it.
      let changed = "Traefik's static configuration changed; Traefik takes it in when it is restarted"
      #expect(try gateway.logged(changed).isEmpty)
    }
  }

  @Test func fileThatIsNoConfigurationDoesNotKeepAGatewayFromStarting() async throws {
    try await GatewayProcess.withGateway { root in
      _ = try root.write(String(repeating: "a: b\n", count: 400_000), to: "traefik.yaml")
    } _: { gateway in
      let text = try gateway.files()["traefik.yaml"]?.content
      #expect(text?.contains("entryPoints:") == true)
    }
  }
}
