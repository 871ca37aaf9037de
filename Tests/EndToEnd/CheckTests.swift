import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// `gatewayctl check`: what it finds on a node where all is right, and where it is not.
@Suite(.timeLimit(.minutes(5)))
struct CheckTests {
  /// The lines of a run by what they are about, and its exit status.
  private struct Report {
    let status: ChildProcess.ExitStatus
    let lines: [String: String]

    init(_ outcome: Command.Outcome) {
      status = outcome.status
      let lines = outcome.standardOutput.split(separator: "\n").map { line in
        // Outcome and name have columns of their own.
        (line.dropFirst(9).prefix(9).trimmingCharacters(in: .whitespaces), "\(line.prefix(9))\(line.dropFirst(20))")
      }
      self.lines = Dictionary(lines) { "\($0); \($1)" }
    }
  }

  /// How Traefik is started on the machine that tests run on.
  private static func command(_ verb: String) -> String {
    if FileManager.default.fileExists(atPath: "/run/systemd/system") { return "systemctl \(verb) gateway-traefik" }
    return FileManager.default.fileExists(atPath: "/var/run/zinit.sock")
      ? "zinit \(verb) traefik" : "\(verb) Traefik"
  }

  private func check(_ gateway: GatewayProcess, resolver: String, _ arguments: String...) async throws -> Report {
    Report(
      try await Command.run(
        Repository.product("gatewayctl"), ["check", "--root", gateway.root.path, "--resolver", resolver] + arguments,
        environment: ["GATEWAY_BROKER": gateway.redis.unixURL]))
  }

  /// Runs `body` on a node with the ports and the DNS that one has in production.
  ///
  /// - Parameters:
  ///   - records: of the zone that the node's is in.
  ///   - others: flags besides those that every node has.
  private func withNode(
    records: [String], adding others: [String] = [], prepare: (TemporaryDirectory) throws -> Void = { _ in },
    _ body: (GatewayProcess) async throws -> Void
  ) async throws {
    let flags =
      [
        "--domain", zone, "--public-ip", Uplink.address, "--resolver", Uplink.resolver, "--allow-loopback-backends",
        "--http-address", "\(Uplink.address):80", "--https-address", "\(Uplink.address):443",
      ] + others
    let server = ["@ NS ns", "ns A \(Uplink.nameServer)"]
    try await Uplink.withUplink { uplink in
      try await TemporaryNetworkNamespace.inside(uplink.world) {
        try await Unbound.withServer(at: Uplink.nameServer, .authority(zone: "example.test", records: server + records))
        {
          _ in
          try await Unbound.withServer(at: Uplink.resolver, .resolver(hints: ["example.test": Uplink.nameServer])) {
            _ in
            try await TemporaryNetworkNamespace.inside(uplink.node) {
              try await GatewayProcess.withGateway(flags, prepare: prepare, body)
            }
          }
        }
      }
    }
  }

  @Test(.enabled(if: TemporaryNetworkNamespace.isPermitted, "network namespaces take root"))
  func nodeWhereAllIsRight() async throws {
    let records = ["gent01 A \(Uplink.address)", "*.gent01 CNAME gent01", "_acme-challenge.gent01 NS gent01"]
    try await withNode(records: records) { gateway in
      try await gateway.withTraefikAsInstalled { traefik in
        // Until Traefik has taken in what the gateway has for itself.
        let report = try await eventually {
          try await check(gateway, resolver: Uplink.resolver)
        } until: {
          $0.lines["transfers"]?.hasPrefix("ok") == true
        }
        #expect(report.status == .code(0), "\(report)")
        let owner = "traefik (pid \(traefik.pid))"
        let expected = [
          "broker": "ok       \(gateway.redis.unixURL) answers",
          "module": "ok       the gateway answers; of 16 workers 0 are busy",
          "node":
            "ok       asked the gateway: version development build, pid \(gateway.pid), root \(gateway.root.path)",
          "traefik": "ok       \(owner) runs with \(gateway.root.file("traefik.yaml"))",
          "port 80": "ok       \(owner) listens at \(Uplink.address):80",
          "port 443": "ok       \(owner) listens at \(Uplink.address):443",
          "port 53": "ok       free, for as long as no challenge is pending",
          "metrics": "ok       \(gateway.address("--traefik-address")) counts the traffic of 0 workloads",
          "transfers": "ok       Traefik has the plugin 'timeouts': bodies and streams may take any time",
          "zone A": "ok       \(zone) is at \(Uplink.address)",
          "zone *": "ok       *.\(zone) is an alias of \(zone)",
          "zone NS": "ok       _acme-challenge.\(zone) is delegated to \(zone)",
        ]
        #expect(report.lines.filter { !["clock", "disk"].contains($0.key) } == expected)
        #expect(report.lines["disk"]?.hasPrefix("ok       \(gateway.root.path) can be written; ") == true)
        // The machine that tests run on may well have nobody who sets its clock.
        #expect(report.lines["clock"]?.hasPrefix("failure") == false)
        #expect(try gateway.files(in: "staging").count == 1, "nothing is left there")

        // A newer static configuration than Traefik has.
        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSinceNow: 60)], ofItemAtPath: gateway.root.file("traefik.yaml"))
        let older = try await check(gateway, resolver: Uplink.resolver)
        #expect(older.status == .code(0))
        #expect(
          older.lines["traefik"] == "warning  \(owner) runs with an older \(gateway.root.file("traefik.yaml")) "
            + "-> \(Self.command("restart"))")
      }
    }
  }

  /// The names of a node that serves its own, at first with what its parent has wrong.
  @Test(.enabled(if: TemporaryNetworkNamespace.isPermitted, "network namespaces take root"))
  func nodeThatServesItsNames() async throws {
    let flags = [
      "--dns-address", "\(Uplink.address):53", "--dns-nameserver", "ns.\(zone)", "--dns-domain", zone,
    ]
    let wrong = "gent01 DS 1 13 2 \(String(repeating: "AB", count: 32))"
    try await TemporaryDirectory.withDirectory { kept in
      var signer = ""
      let delegation = ["gent01 NS ns.gent01", "ns.gent01 A \(Uplink.address)"]
      try await withNode(records: delegation + [wrong], adding: flags, prepare: Knot.prepare) { gateway in
        let down = try await check(gateway, resolver: Uplink.resolver)
        #expect(down.status == .code(1))
        #expect(down.lines["dns"]?.hasPrefix("failure  knotd is not running: ") == true, "\(down)")
        #expect(down.lines["port 53"]?.hasPrefix("failure  nobody listens at \(Uplink.address):53") == true)
        try await Knot.withServer(for: gateway) { knot in
          try await eventually { try await knot.ask(zone, "SOA").status == "NOERROR" }
          let zones = try await gateway.call("Zones", object: "dns@0.0.1").data
          signer = try #require(zones.array?.first?["DS"].array?.first?.string)
          let report = try await check(gateway, resolver: Uplink.resolver)
          #expect(
            report.lines["dns zone"]
              == "failure  the DS of \(zone) at \(Uplink.nameServer) of example.test is of no key of it: "
              + "resolvers that look take no answer -> \(zone) DS \(signer)")
          #expect(report.lines["port 53"] == "ok       knotd listens at \(Uplink.address):53")
        }
        try FileManager.default.copyItem(atPath: gateway.root.file("knot/db"), toPath: kept.file("db"))
      }
      // With the keys that it had, and what is to be entered at the parent.
      let prepare: (TemporaryDirectory) throws -> Void = { root in
        try Knot.prepare(root)
        try FileManager.default.createDirectory(atPath: root.file("knot"), withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: kept.file("db"), toPath: root.file("knot/db"))
        for name in try FileManager.default.subpathsOfDirectory(atPath: root.file("knot/db")) {
          let isKey = name.hasSuffix(".pem")
          try FileManager.default.setAttributes(
            [.posixPermissions: isKey ? 0o666 : 0o777], ofItemAtPath: root.file("knot/db/\(name)"))
        }
      }
      try await withNode(records: delegation + ["gent01 DS \(signer)"], adding: flags, prepare: prepare) { gateway in
        try await Knot.withServer(for: gateway) { knot in
          try await eventually { try await knot.ask(zone, "SOA").status == "NOERROR" }
          let report = try await check(gateway, resolver: Uplink.resolver)
          #expect(
            report.lines["dns"] == "ok       knotd serves 1 zones, in which workloads have set 0 records; "
              + "ok       ns.\(zone) answers at \(Uplink.address) by UDP and TCP, and has the serials")
          #expect(
            report.lines["dns zone"]
              == "ok       \(zone) is delegated to ns.\(zone) and is signed, and its DS is there")
          #expect(report.lines["zone A"] == "ok       \(zone) is at \(Uplink.address)", "\(report)")
          #expect(report.lines["zone *"] == "ok       *.\(zone) is an alias of \(zone)")
          #expect(report.lines["zone NS"] == nil)
        }
      }
    }
  }

  @Test(.enabled(if: TemporaryNetworkNamespace.isPermitted, "network namespaces take root"))
  func zoneThatIsNotAsItShouldBe() async throws {
    try await withNode(records: ["gent01 A 203.0.113.8", "*.gent01 CNAME elsewhere", "elsewhere A 203.0.113.9"]) {
      gateway in
      let report = try await check(gateway, resolver: Uplink.resolver)
      #expect(report.status == .code(1))
      #expect(report.lines["zone A"] == "failure  \(zone) is at 203.0.113.8 -> \(zone) A \(Uplink.address)")
      #expect(
        report.lines["zone *"] == "failure  *.\(zone) is an alias of elsewhere.example.test -> *.\(zone) CNAME \(zone)")
      #expect(
        report.lines["zone NS"]
          == "failure  _acme-challenge.\(zone) is not delegated, says \(Uplink.nameServer) of example.test "
          + "-> _acme-challenge.\(zone) NS \(zone), in the zone above")
      // Nor is Traefik there.
      #expect(
        report.lines["port 443"] == "failure  nobody listens at \(Uplink.address):443 -> \(Self.command("start"))")
      #expect(report.lines["traefik"]?.hasPrefix("failure  nobody listens at ") == true)
      #expect(report.lines["metrics"]?.contains("nothing listens there") == true)
    }
  }

  @Test(.enabled(if: geteuid() == 0, "whose a port is, only root sees"))
  func strangerWhoHasTheChallengesPort() async throws {
    let address = LoopbackAddress.next()
    try await GatewayProcess.withGateway(["--domain", zone, "--public-ip", address]) { gateway in
      // It knows of nothing, and answers on the port that challenges need.
      try await Unbound.withServer(at: address, .authority(zone: "other.test", records: [])) { _ in
        let resolver = try "127.0.0.1:\(FreePort.next())"
        let report = try await check(gateway, resolver: resolver)
        #expect(report.status == .code(1))
        let port = try #require(report.lines["port 53"])
        #expect(
          port.wholeMatch(of: /failure  unbound \(pid \d+\) listens there -> stop it, .*/) != nil, "\(port)")
        #expect(report.lines["zone A"]?.hasPrefix("failure  \(zone) cannot be looked up at \(resolver): ") == true)
      }
    }
  }

  @Test func nothingIsThere() async throws {
    let outcome = try await Command.run(
      Repository.product("gatewayctl"),
      ["check", "--json", "--broker", "unix:///nowhere/redis.sock", "--root", "/nowhere", "--timeout", "0.5"])
    #expect(outcome.status == .code(1) && outcome.standardError.isEmpty)
    let checks = try JSON(parsing: outcome.standardOutput).array ?? []
    #expect(
      checks.map { $0["Check"].string } == ["broker", "module", "node", "traefik", "metrics", "zone", "clock", "disk"])
    #expect(checks[2]["Outcome"] == "warning")
    #expect(
      checks[2]["Finding"] == "read the files below /nowhere, since the gateway does not tell: it does not answer")
    for check in checks where !["clock", "node"].contains(check["Check"].string) {
      #expect(check["Outcome"] == "failure" && check.object?.count == 4, "\(check)")
    }
    #expect(
      checks[0]["Finding"] == "broker unix:///nowhere/redis.sock cannot be reached: No such file or directory")
    #expect(checks[7]["Finding"].string?.hasPrefix("open /nowhere/staging/") == true)
    #expect(checks[7]["Remedy"].string?.hasSuffix(", which makes it, or correct --root") == true)
  }

  @Test func tellsOfQuarantineAndOfAWrongRoot() async throws {
    try await GatewayProcess.withGateway { gateway in
      for name in ["a.yaml", "b\u{1b}[2J.yaml", "c.yaml", "d.yaml"] {
        try gateway.root.write("[", to: "staging/\(name)")
        try FileManager.default.moveItem(
          atPath: gateway.root.file("staging/\(name)"), toPath: gateway.root.file("proxy/\(name)"))
      }
      try await eventually { try gateway.files(in: "quarantine").count == 5 }
      let resolver = try "127.0.0.1:\(FreePort.next())"
      let report = try await check(gateway, resolver: resolver)
      let files = try #require(report.lines["files"])
      #expect(files.hasPrefix("warning  in quarantine: a.yaml (line 1: "), "\(files)")
      #expect(files.contains(#"b\u{1b}[2J.yaml ("#) && files.contains(", and 1 more -> mend or remove them; "))

      let outcome = try await gateway.gatewayctl("check", "--root", "/elsewhere", "--resolver", resolver)
      #expect(outcome.status == .code(1))
      #expect(
        outcome.standardOutput.contains(
          "failure  node       the gateway's root is \(gateway.root.path), not /elsewhere -> leave --root "))
      // The gateway's own is what is looked at.
      #expect(outcome.standardOutput.contains("ok       disk       \(gateway.root.path) can be written; "))
      // Neither has to be given.
      let bare = try await gateway.gatewayctl("check", "--resolver", resolver)
      #expect(bare.standardOutput.contains("ok       disk       \(gateway.root.path) can be written; "))
    }
  }

  @Test("Traefik runs with the gateway's file, however it was named", .enabled(if: geteuid() == 0), arguments: 0..<4)
  func waysToNameTheConfiguration(way: Int) async throws {
    try await GatewayProcess.withGateway { gateway in
      let root = gateway.root.path
      try FileManager.default.createSymbolicLink(
        atPath: gateway.root.file("link.yaml"), withDestinationPath: "traefik.yaml")
      let (command, isIt) = [
        ("exec \"$0\" --configfile traefik.yaml", true), ("exec \"$0\" --configFile=./proxy/../link.yaml", true),
        ("TRAEFIK_CONFIGFILE=traefik.yaml exec \"$0\"", true),
        ("sed 's/web-secure/websecure/g' traefik.yaml >own.yaml; exec \"$0\" --configfile own.yaml", false),
      ][way]
      let traefik = try Repository.program("traefik", environment: "TRAEFIK")
      try await ChildProcess.withProcess(
        "sh", ["-c", "cd \(root) && \(command)", traefik], log: gateway.root.file("traefik.log")
      ) { process in
        try await process.ready {
          try await HTTPClient(connectingTo: gateway.address("--http-address")).fetch("http://\(zone)/").status == 301
        }
        let report = try await check(gateway, resolver: try "127.0.0.1:\(FreePort.next())")
        let line = try #require(report.lines["traefik"])
        #expect(line.contains(isIt ? " runs with \(root)/traefik.yaml" : " does not run with "), "\(line)")
      }
    }
  }

  @Test("A Traefik without the plugin that lets bodies take their time is told")
  func traefikWithoutThePlugin() async throws {
    try await GatewayProcess.withGateway { gateway in
      func transfers() async throws -> String? {
        try await check(gateway, resolver: try "127.0.0.1:\(FreePort.next())").lines["transfers"]
      }
      // Nobody answers: others tell of that.
      #expect(try await transfers() == nil)
      try await gateway.withTraefikAsInstalled { _ in
        let line = try await eventually {
          try await transfers()
        } until: {
          $0?.hasPrefix("ok") == true
        }
        #expect(line == "ok       Traefik has the plugin 'timeouts': bodies and streams may take any time")
      }
      // As it is where Traefik cannot load it, with a line in its log.
      let plain = try String(contentsOfFile: gateway.root.file("traefik.yaml"), encoding: .utf8)
        .replacing("moduleName: ", with: "moduleName: no")
      let file = try gateway.root.write(plain, to: "plain.yaml")
      try await ChildProcess.withProcess(
        Repository.program("traefik", environment: "TRAEFIK"), ["--configfile", file],
        log: gateway.root.file("traefik.log")
      ) { traefik in
        _ = try await traefik.line { $0.contains("plugin") }
        try await traefik.ready {
          try await HTTPClient(connectingTo: gateway.address("--http-address")).fetch("http://\(zone)/").status == 301
        }
        #expect(
          try await transfers()
            == "warning  Traefik runs without the plugin 'timeouts' (it answers 404): requests are cut off that take "
            + "longer than --header-timeout, bodies too -> its log says why, behind 'plugin'; then "
            + Self.command("restart"))
      }
    }
    let odd = try await TemporaryDirectory.withDirectory { directory in
      try await GatewayProcess.withGateway(
        GatewayProcess.permissive + ["--root", directory.file("with space")]
      ) { gateway in
        try await gateway.gatewayctl("check", "--resolver", "127.0.0.1:\(FreePort.next())").standardOutput
      }
    }
    #expect(odd.contains("warning  transfers  Traefik cannot have the plugin 'timeouts' below "), "\(odd)")
  }

  @Test func gatewayThatDoesNotAnswerIsNotTheBroker() async throws {
    try await RedisServer.withServer { redis in
      let outcome = try await Command.run(
        Repository.product("gatewayctl"),
        ["check", "--broker", redis.unixURL, "--root", "/nowhere", "--timeout", "0.5"])
      #expect(outcome.status == .code(1))
      let lines = outcome.standardOutput.split(separator: "\n")
      #expect(lines[0] == "ok       broker     \(redis.unixURL) answers")
      #expect(lines[1].hasPrefix("failure  module     the gateway does not answer within 0.5 seconds -> "))
    }
  }
}
