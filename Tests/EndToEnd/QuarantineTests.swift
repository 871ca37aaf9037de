import Foundation
import TestSupport
import Testing

/// What becomes of files that would break Traefik, whoever put them there.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct QuarantineTests {
  private static let notice = "file moved to quarantine"

  private func quarantined(_ gateway: GatewayProcess) throws -> [String: String] {
    try gateway.files(in: "quarantine").filter { !$0.key.isEmpty }.mapValues(\.content)
  }

  /// Shell commands that put a file into the directory, and what the log says of it.
  static let drops = [
    ("echo 'http: [' > proxy/bad.yaml", "bad.yaml", "line 2: did not find expected node content"),
    (
      "mkdir x; echo 'http: {rooters: {}}' > x/bad.yml; mv x/bad.yml proxy", "bad.yml",
      #"line 1: Traefik knows no "rooters" in "http""#
    ),
    ("ln -s nowhere proxy/.#bad.yaml", ".#bad.yaml", "a link to what is not there"),
    (
      "printf 'tcp: {routers: {r: {tls: {passthrough: yes}}}}' > bad; ln bad proxy/bad.yaml", "bad.yaml",
      #"line 1: "passthrough" must be true or false"#
    ),
    (
      "mkdir proxy/more; sleep 0.1; echo 'http: {}' > proxy/more/bad.yaml", "more/bad.yaml",
      #"line 1: "http" must not be empty"#
    ),
    (
      "mkdir more; echo '# {{' > more/bad.toml; mv more proxy", "more/bad.toml",
      "line 1: a Go template: an action has no end"
    ),
    (
      "printf 'a: b\\n# {{ nosuch }}\\n' > proxy/bad.yaml", "bad.yaml",
      #"line 2: a Go template: Traefik knows no function "nosuch""#
    ),
    ("mkfifo proxy/bad.yaml", "bad.yaml", "not a file"),
  ]

  @Test("A file that would break Traefik is moved away at once, and routes set afterwards go live", arguments: drops)
  func movesAwayWhatIsDropped(command: String, name: String, reason: String) async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.withTraefik { traefik in
        try await gateway.setName("before", "before", "http://127.0.0.1:9")
        try await Command.succeed("sh", ["-ec", "cd $0; \(command)", gateway.root.path])
        let line = try await eventually {
          try gateway.logged(Self.notice).first
        } until: {
          $0 != nil
        }
        #expect(line?["file"].string == name && line?["reason"].string == reason)
        #expect(line?["level"].string == "error")
        try await gateway.setName("after", "after", "http://127.0.0.1:9")
        try await eventually {
          try await Set(traefik.routers().keys)
        } until: {
          $0.isSuperset(of: ["before-route@file", "after-route@file"])
        }
      }
    }
  }

  @Test("Files that would break Traefik are out of its way before it starts, and nothing in quarantine is written over")
  func movesAwayWhatIsThereAtTheStart() async throws {
    try await GatewayProcess.withGateway { root in
      for folder in ["proxy/more", "quarantine", "staging"] { _ = try root.directory(folder) }
      try root.write("a: [1", to: "proxy/bad.yaml")
      try root.write("older", to: "quarantine/bad.yaml")
      try root.write("http: {services: {s: {loadBalancer: {}}}}", to: "proxy/more/empty.yml")
      try root.write("good: {by: others}", to: "proxy/good.yaml")
      try root.write("half a", to: "staging/route.yaml")
    } _: { gateway in
      #expect(
        try quarantined(gateway) == [
          "bad.yaml": "older", "bad.yaml.1": "a: [1",
          "more_empty.yml": "http: {services: {s: {loadBalancer: {}}}}",
        ])
      #expect(try gateway.files(in: "proxy").keys.sorted() == ["", "good.yaml", "more"])
      #expect(try gateway.files(in: "staging").keys.sorted() == [""])
      let lines = try gateway.logged(Self.notice)
      #expect(Set(lines.compactMap { $0["file"].string }) == ["bad.yaml", "more/empty.yml"])
      try await gateway.withTraefik { traefik in
        try await gateway.setName("w", "w", "http://127.0.0.1:9")
        try await eventually { try await traefik.routers().keys.contains("w-route@file") }
      }
    }
  }

  @Test("A file that cannot be moved away keeps no gateway from starting and harms nothing else")
  func startsWithWhatCannotBeMovedAway() async throws {
    try await GatewayProcess.withGateway { root in
      _ = try root.directory("proxy")
      _ = try root.directory("staging/no-file")
      try root.write("a: [1", to: "proxy/bad.yaml")
      try root.write("no directory", to: "quarantine")
    } _: { gateway in
      let stuck =
        "file cannot be moved to quarantine and keeps Traefik from taking in any change: move it away by hand"
      let line = try #require(try gateway.logged(stuck).first)
      #expect(line["level"] == "error" && line["file"].string == gateway.root.file("proxy/bad.yaml"))
      #expect(line["reason"].string == "rename \(gateway.root.path)/quarantine/bad.yaml: Not a directory")
      try await gateway.setName("w", "w", "http://10.1.2.3")
      try await gateway.setName("v", "v", "http://10.1.2.3")
      try await gateway.delete("v")
      // Said once, however often it is tried.
      try gateway.root.write("a: [2", to: "proxy/worse.yaml")
      try await eventually { try gateway.logged(stuck).count == 2 }
      try await Command.succeed("sh", ["-ec", "cd $0; rm quarantine; mkdir quarantine", gateway.root.path])
      try await eventually {
        try quarantined(gateway) == ["bad.yaml": "a: [1", "worse.yaml": "a: [2"]
      }
      #expect(try gateway.logged(stuck).count == 2)
      #expect(try gateway.files(in: "proxy").keys.sorted() == ["", "w.yaml"])
    }
  }

  @Test("Somebody's own good file is left alone, also when it names a workload's domain")
  func leavesOthersFilesThatNameADomain() async throws {
    let own = """
      http:
        routers: {mine: {rule: "Host(`a.test`) && PathPrefix(`/x`)", service: mine, tls: {}}}
        services: {mine: {loadBalancer: {servers: [url: 'http://10.1.2.3']}}}
      """
    try await GatewayProcess.withGateway { root in
      _ = try root.directory("proxy")
      try root.write(own, to: "proxy/before.yaml")
    } _: { gateway in
      try await gateway.setFQDN("w", "a.test", "http://10.1.2.3")
      try gateway.root.write(own, to: "proxy/after.yaml")
      try gateway.root.write("a: [", to: "proxy/later.yaml")
      try await eventually { try quarantined(gateway).keys.contains("later.yaml") }
      try await gateway.restart()
      #expect(try await gateway.domains() == ["w": "a.test"])
      #expect(try gateway.files(in: "proxy").keys.sorted() == ["", "after.yaml", "before.yaml", "w.yaml"])
      #expect(try gateway.files(in: "proxy")["after.yaml"]?.content == own)
      #expect(try Array(quarantined(gateway).keys) == ["later.yaml"])
    }
  }

  @Test("While the gateway runs a domain stays whose it is, however old the file is that claims it")
  func runningOwnerKeepsTheDomain() async throws {
    func file(_ workload: String) -> String {
      """
      http:
        routers: {\(workload)-route: {rule: Host(`a.test`), service: \(workload), \
      tls: {certResolver: resolver, domains: [main: a.test]}}}
        services: {\(workload): {loadBalancer: {servers: [url: 'http://10.1.2.3']}}}
      """
    }
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setFQDN("w", "a.test", "http://10.1.2.3")
      let staged = try gateway.root.write(file("old"), to: "old.yaml")
      try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 0)], ofItemAtPath: staged)
      try FileManager.default.moveItem(atPath: staged, toPath: gateway.root.file("proxy/old.yaml"))
      try await eventually { try quarantined(gateway) == ["old.yaml": file("old")] }
      try await gateway.restart()
      #expect(try await gateway.domains() == ["w": "a.test"])
    }
  }

  @Test("Of two files that claim one domain the older keeps it, at the start and later")
  func olderKeepsTheDomain() async throws {
    func file(_ workload: String) -> String {
      """
      http:
        routers: {\(workload)-route: {rule: Host(`a.test`), service: \(workload), \
      tls: {certResolver: resolver, domains: [main: a.test]}}}
        services: {\(workload): {loadBalancer: {servers: [url: 'http://10.1.2.3']}}}
      """
    }
    try await GatewayProcess.withGateway { root in
      _ = try root.directory("proxy")
      for (workload, age) in [("young", 10.0), ("old", 20.0)] {
        let path = try root.write(file(workload), to: "proxy/\(workload).yaml")
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -age)], ofItemAtPath: path)
      }
    } _: { gateway in
      #expect(try await gateway.domains() == ["old": "a.test"])
      #expect(try quarantined(gateway) == ["young.yaml": file("young")])
      try gateway.root.write(file("later"), to: "proxy/later.yaml")
      try await eventually { try quarantined(gateway).keys.contains("later.yaml") }
      try await eventually { try gateway.logged(Self.notice).contains { $0["file"] == "later.yaml" } }
      #expect(try await gateway.domains() == ["old": "a.test"])
      let lines = try gateway.logged(Self.notice)
      #expect(
        lines.map { $0["reason"].string }
          == Array(repeating: "domain already registered: a.test, by the older old", count: 2))
    }
  }

  @Test("A file is not judged while it is being written, and an editor's are not at all")
  func waitsForTheEnd() async throws {
    try await GatewayProcess.withGateway { gateway in
      let file = try #require(fopen(gateway.root.file("proxy/slow.yaml"), "w"))
      fputs("http: {routers: {r: {", file)
      fflush(file)
      for name in [".slow.yaml.swp", "slow.yaml~", "#slow.yaml#"] {
        try gateway.root.write("http: [", to: "proxy/\(name)")
      }
      // What came later has been dealt with.
      try gateway.root.write("a: [", to: "proxy/later.yaml")
      try await eventually { try !gateway.logged(Self.notice).isEmpty }
      fputs("rule: Host(`a.test`), service: s}}}\n", file)
      fclose(file)
      try gateway.root.write("a: [", to: "proxy/last.yaml")
      try await eventually { try gateway.logged(Self.notice).count == 2 }
      #expect(Set(try quarantined(gateway).keys) == ["later.yaml", "last.yaml"])
    }
  }
}
