import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// The operator's command line: what it prints, and how it ends.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct GatewayCtlTests {
  /// How a run ended and what it printed.
  private struct Outcome: Equatable {
    let status: Int32
    let output: String
    let error: String

    init(_ status: Int32, _ output: String, _ error: String = "") {
      (self.status, self.output, self.error) = (status, output, error)
    }

    init(_ outcome: Command.Outcome) {
      if case .code(let code) = outcome.status { status = code } else { status = -1 }
      output = outcome.standardOutput
      error = outcome.standardError
    }
  }

  @Test func everyCommandDoesWhatItSays() async throws {
    try await GatewayProcess.withGateway(GatewayProcess.permissive + ["--workers", "4"]) { gateway in
      func ctl(_ arguments: String...) async throws -> Outcome {
        Outcome(
          try await Command.run(
            Repository.product("gatewayctl"), arguments + ["--broker", gateway.redis.unixURL]))
      }
      let named = try await ctl(
        "set-name", "1-1-shop", "Shop", "--backend", "http://10.1.2.3", "http://10.1.2.4:8080", "--backend",
        "https://[fd00::1]")
      #expect(named == Outcome(0, "shop.\(zone)\n"))
      #expect(
        try await ctl("set-fqdn", "2-1-bank", "bank.example.org", "--tls-passthrough", "--backend", "10.1.2.5:443")
          == Outcome(0, ""))
      #expect(
        try await ctl("set-name", "1-1-shop", "shop", "--backend", "http://10.1.2.3", "--json")
          == Outcome(0, "{\n  \"FQDN\" : \"shop.\(zone)\"\n}\n"))
      #expect(
        try await ctl("set-fqdn", "2-2-x", "x.example.org", "--backend", "http://10.1.2.3", "--json")
          == Outcome(0, "{}\n"))

      let table = """
        WORKLOAD  KIND   DOMAIN                    TLS          BACKENDS
        1-1-shop  named  shop.gent01.example.test  terminated   http://10.1.2.3:80
        2-1-bank  fqdn   bank.example.org          passthrough  10.1.2.5:443
        2-2-x     fqdn   x.example.org             terminated   http://10.1.2.3:80

        """
      #expect(try await ctl("list") == Outcome(0, table))
      let list = try await ctl("list", "--json")
      #expect(try JSON(parsing: list.output) == .array(await gateway.routes()))

      let mail = try await ctl("list", "--domain", "*.EXAMPLE.org", "--workload", "2-2-*")
      #expect(mail.status == 0 && mail.output.split(separator: "\n").map { $0.prefix(5) } == ["WORKL", "2-2-x"])
      #expect(try await ctl("list", "--domain", "example.org", "--json") == Outcome(0, "[\n\n]\n"))

      let traffic = try await ctl("metrics").output.split(separator: "\n")
      #expect(traffic.first == "WORKLOAD  REQUEST  RESPONSE" && traffic.count == 5)
      #expect(traffic[1] == "1-1-shop      0 B       0 B")
      let metrics = try await ctl("metrics", "--json")
      let zero: JSON = ["1-1-shop": 0, "2-1-bank": 0, "2-2-x": 0]
      #expect(try JSON(parsing: metrics.output) == ["Request": zero, "Response": zero])

      let text = try await ctl("status")
      #expect(text.output.hasSuffix("objects  manager@0.0.1 gateway@0.0.1\nworkers  4, of which busy 0\n"))
      let start = "gateway  development build, pid \(gateway.pid) since "
      #expect(
        text.status == 0 && text.output.hasPrefix(start) && text.output.contains("Z, root \(gateway.root.path)\n"))
      #expect(text.output.contains("\nroutes   3\ntraefik  down: "))
      let status = try JSON(parsing: try await ctl("status", "--json").output)
      #expect(status["Objects"][1] == ["Name": "gateway", "Version": "0.0.1"])
      #expect(status["Workers"].array?.count == 4 && status["Node"]["PID"] == .integer(Int64(gateway.pid)))
      for time in [status["Workers"][0]["StartTime"], status["Node"]["Started"]] {
        #expect(time.string?.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil, "\(time)")
      }

      #expect(
        try await ctl("set-name", "1-1-shop", "store", "--backend", "http://10.1.2.3")
          == Outcome(0, "store.\(zone)\n", "gatewayctl: 1-1-shop gave up shop.\(zone)\n"))
      let again = try await ctl("set-name", "1-1-shop", "shop", "--backend", "http://10.1.2.3", "--json")
      #expect(try JSON(parsing: again.output) == ["FQDN": "shop.\(zone)", "GaveUp": "store.\(zone)"])
      #expect(again.error == "gatewayctl: 1-1-shop gave up store.\(zone)\n")
      let kind = try await ctl("set-fqdn", "1-1-shop", "shop.example.org", "--backend", "http://10.1.2.3")
      #expect(kind == Outcome(0, "", "gatewayctl: 1-1-shop gave up shop.\(zone)\n"))
      #expect(try await ctl("delete", "1-1-shop") == Outcome(0, ""))
      #expect(try await ctl("delete", "1-1-shop") == Outcome(0, "", "gatewayctl: 1-1-shop had no route\n"))
      #expect(
        try await ctl("delete", "never-set", "--json") == Outcome(0, "{}\n", "gatewayctl: never-set had no route\n"))
      #expect(try await gateway.domains() == ["2-1-bank": "bank.example.org", "2-2-x": "x.example.org"])
    }
  }

  @Test("A refusal is the gateway's own words and exit status 1")
  func refusals() async throws {
    try await GatewayProcess.withGateway(GatewayProcess.node + ["--no-domain-check"]) { gateway in
      try await gateway.setName("held", "held", "http://10.1.2.3")
      let refusals: [([String], String)] = [
        (
          ["set-name", "w", "held", "--backend", "http://10.1.2.3"],
          "domain already registered: held.\(zone)"
        ),
        (
          ["set-name", "w", "shop", "--backend", "x", "http://127.0.0.1"],
          #"invalid backend "x": it must be http://IP[:port] or https://IP[:port]; "#
            + #"invalid backend "http://127.0.0.1": the address is loopback"#
        ),
        (
          ["set-fqdn", "w", "shop.\(zone)", "--backend", "http://10.1.2.3", "--json"],
          "domain shop.\(zone) is inside this node's domain \(zone): use SetNamedProxy"
        ),
        (["delete", "a/b"], #"invalid workload "a/b": only letters, digits, '.', '_' and '-' may appear"#),
      ]
      for (arguments, error) in refusals {
        let outcome = try await Command.run(
          Repository.product("gatewayctl"), arguments, environment: ["GATEWAY_BROKER": gateway.redis.unixURL])
        #expect(Outcome(outcome) == Outcome(1, "", "gatewayctl: \(error)\n"))
      }
    }
  }

  @Test("Bad arguments are one line and exit status 64")
  func badArguments() async throws {
    let cases: [([String], String)] = [
      (["bogus"], "Unexpected argument 'bogus'"), (["--json", "bogus"], "Unexpected argument 'bogus'"),
      (["list", "--bogus"], "Unknown option '--bogus'"), (["list", "extra"], "Unexpected argument 'extra'"),
      (["set-name", "w"], "Missing expected argument '<name>'"),
      (["set-name", "w", "shop"], "Missing expected argument '--backend <url> ...'"),
      (["delete"], "Missing expected argument '<workload>'"),
      (["list", "--timeout", "0"], "--timeout must be above 0 and at most 86400"),
      (["lst"], "Unexpected argument 'lst'. Did you mean 'list'?"),
      (["delte", "w", "--json"], "Unexpected argument 'delte'. Did you mean 'delete'?"),
      (["list", "--jsno"], "Unknown option '--jsno'. Did you mean '--json'?"),
      (["list", "--tls-passthrough"], "Unknown option '--tls-passthrough'"),
      (["list", "--x\u{1b}[2J\n"], #"Unknown option '--x\u{1b}[2J\n'"#),
      (["list", "x\u{1b}]0;y\u{7}"], #"Unexpected argument 'x\u{1b}]0;y\u{7}'"#),
      (["list", "--timeout", "-1"], "--timeout must be above 0 and at most 86400"),
      (["--timeout", "-1", "list"], "--timeout must be above 0 and at most 86400"),
      (["metrics", "--watch", "-1"], "--watch must be a number of seconds from 0.1 to 86400, not '-1'"),
      (["list", "--timeout", "nan"], "--timeout must be above 0 and at most 86400"),
      (["list", "--timeout", "soon"], "The value 'soon' is invalid for '--timeout <seconds>'"),
      (
        ["--broker", "redis.sock", "list"],
        "--broker: broker URL 'redis.sock': expected unix:///PATH, tcp://HOST:PORT or redis://HOST:PORT"
      ),
      (
        ["list", "--broker", "tcp://secret@localhost:0"],
        "--broker: broker URL 'tcp://…@localhost:0': the port must be a number from 1 to 65535"
      ),
    ]
    for environment in [[:], ["GATEWAY_BROKER": "unix:///nowhere"]] {
      for (arguments, error) in cases {
        let outcome = try await Command.run(
          Repository.product("gatewayctl"), arguments, environment: environment)
        #expect(Outcome(outcome) == Outcome(64, "", "gatewayctl: \(error)\n"))
      }
    }
  }

  @Test(
    "Each program says its version",
    arguments: ["gateway", "gatewayctl", "gateway-relay", "gateway-tunnel", "acme-hook"])
  func version(program: String) async throws {
    let outcome = Outcome(try await Command.run(Repository.product(program), ["--version"]))
    #expect(outcome == Outcome(0, "\(program) development build\n"))
  }

  @Test(
    "The broker is the one that the package's settings name, as far as the user may read them",
    .enabled(if: geteuid() == 0, "to put settings in place takes root"))
  func brokerOfThePackage() async throws {
    try await GatewayProcess.withGateway { gateway in
      // Settings in a file system of its own, and the program as root, as somebody else, and as somebody with a password.
      func run(_ settings: String, as user: String = "") async throws -> Outcome {
        let script = """
          mount -t tmpfs none /etc/default && \(settings)
          exec \(user) "$0" list --json
          """
        return Outcome(
          try await Command.run("unshare", ["--mount", "sh", "-c", script, Repository.product("gatewayctl")]))
      }
      let broker = "GATEWAY_BROKER=\(gateway.redis.tcpURL)"
      let own = "printf '# \\n\(broker)\\n' >/etc/default/gateway; chmod 600 /etc/default/gateway;"
      let shared = "echo 'GATEWAY_BROKER=\"\(gateway.redis.tcpURL)\"' >/etc/default/gateway-client;"
      #expect(try await run(own) == Outcome(0, "[\n\n]\n"))
      #expect(try await run(own + shared, as: "setpriv --reuid 65534") == Outcome(0, "[\n\n]\n"))
      // The gateway's own goes before what everybody may know.
      #expect(try await run(own + "echo GATEWAY_BROKER=unix:///nowhere >/etc/default/gateway-client;").status == 0)
      let hidden = try await run(own, as: "setpriv --reuid 65534")
      #expect(
        hidden.status == 69 && hidden.error.contains("may be set in /etc/default/gateway, which this user may not read")
      )
    }
  }

  @Test("Help is printed, whatever the environment says", arguments: [["--help"], [], ["help"], ["list", "--help"]])
  func help(arguments: [String]) async throws {
    let outcome = try await Command.run(
      Repository.product("gatewayctl"), arguments, environment: ["GATEWAY_BROKER": "unix:///nowhere"])
    #expect(outcome.status == .code(0))
    #expect(outcome.standardOutput.hasPrefix("OVERVIEW: ") && outcome.standardError.isEmpty)
  }

  @Test("When nothing answers in time the broker and the queue are named, and the exit status is 69")
  func nothingAnswers() async throws {
    try await RedisServer.withServer { redis in
      let ctl = { (arguments: [String], broker: String) in
        Outcome(
          try await Command.run(
            Repository.product("gatewayctl"), arguments + ["--timeout", "0.5"], environment: ["GATEWAY_BROKER": broker])
        )
      }
      let silence = "gatewayctl: no answer within 0.5 seconds from queue"
      let list = try await ctl(["list"], redis.unixURL)
      #expect(
        list
          == Outcome(
            69, "", "\(silence) gateway.gateway@0.0.1 at \(redis.unixURL); the request was withdrawn\n"))
      #expect(
        try await ctl(["status"], redis.tcpURL)
          == Outcome(69, "", "\(silence) gateway.zbus@1.0 at \(redis.tcpURL); the request was withdrawn\n"))
      // Nothing is left to be run later.
      #expect(try await redis.command("KEYS", "*") == "")
      // A broker that cannot be reached is not waited for, whatever an answer may take.
      for command in ["list", "status", "metrics"] {
        let unreachable = Outcome(
          try await Command.run(
            Repository.product("gatewayctl"),
            [command, "--timeout", "3600", "--broker", "unix:///nowhere/redis.sock"],
            environment: ["GATEWAY_ROOT": "/nowhere"]))
        #expect(unreachable.status == 69 && unreachable.error.hasSuffix("; nothing was sent\n"), "\(unreachable)")
      }
      let watch = try await Command.run(
        Repository.product("gatewayctl"), ["watch", "--broker", "unix:///nowhere/redis.sock"])
      #expect(watch.status == .code(69), "\(watch)")
      #expect(
        try await ctl(["delete", "w"], "unix:///nowhere/redis.sock")
          == Outcome(
            69, "",
            "gatewayctl: broker unix:///nowhere/redis.sock cannot be reached: No such file or directory; "
              + "nothing was sent\n"))
    }
  }

  @Test("Where the gateway does not answer, `metrics` are what it put on disk, and that is said")
  func metricsOfFiles() async throws {
    try await HTTPBackend.withServer("shop") { shop in
      try await GatewayProcess.withGateway { gateway in
        func metrics(_ arguments: String..., broker: String? = nil) async throws -> Outcome {
          Outcome(
            try await Command.run(
              Repository.product("gatewayctl"), ["metrics"] + arguments,
              environment: ["GATEWAY_BROKER": broker ?? gateway.redis.unixURL]))
        }
        try await gateway.setName("1-shop", "shop", shop.url)
        try await gateway.setName("2-quiet", "quiet", "http://127.0.0.1:9")
        try await gateway.withTraefikAsInstalled { _ in
          let client = gateway.client("--https-address").overHTTP1
          try await eventually { try await client.fetch("https://shop.\(zone)/bytes/5000").status == 200 }
          try await eventually { try await gateway.call("Metrics").data["Response"]["1-shop"].number ?? 0 >= 5000 }
        }
        // It tells of its own root, whatever was given.
        let told = try await metrics("--json", "--root", "/nowhere")
        #expect(
          told.error == "gatewayctl: the gateway's root is \(gateway.root.path), not /nowhere, which is not used\n")
        let asked = try await metrics("--json", "--root", gateway.root.path)
        #expect(asked.status == 0 && asked.error == "")
        let bytes = try #require(JSON(parsing: asked.output)["Response"]["1-shop"].number)
        #expect(bytes >= 5000)

        // A broker that is away, then a gateway that is.
        gateway.signal(SIGTERM)
        #expect(try await gateway.exit() == .code(0))
        for broker in ["unix:///nowhere/redis.sock", gateway.redis.unixURL] {
          let stored = try await metrics(
            "--json", "--root", gateway.root.path, "--timeout", "0.5", broker: broker)
          #expect(stored.status == 0)
          let response = try JSON(parsing: stored.output)["Response"]
          #expect(response["1-shop"].number ?? 0 >= bytes && response["2-quiet"] == 0, "\(stored)")
          let reason = "gatewayctl: read the files below \(gateway.root.path), since the gateway does not tell: "
          #expect(stored.error.hasPrefix(reason) && stored.error.contains(broker), "\(stored)")
        }
        let table = try await metrics("--root", gateway.root.path, "--timeout", "0.5")
        #expect(table.output.contains("\n2-quiet "), "\(table)")

        // Where nothing is, or nothing whole, there are no totals; and nothing is moved.
        let nowhere = try await metrics("--root", "/nowhere", "--timeout", "0.5")
        #expect(nowhere.status == 69 && nowhere.output == "")
        #expect(
          nowhere.error.hasPrefix(
            "gatewayctl: no totals below /nowhere: opendir /nowhere/proxy: No such file or directory\n"
              + "gatewayctl: no answer within 0.5 seconds from queue "), "\(nowhere)")
        try gateway.root.write("rubbish", to: "traffic.msgpack")
        let damaged = try await metrics("--root", gateway.root.path, "--timeout", "0.5")
        #expect(damaged.status == 69 && damaged.error.hasPrefix("gatewayctl: no totals below "), "\(damaged)")
        #expect(try String(contentsOfFile: gateway.root.file("traffic.msgpack"), encoding: .utf8) == "rubbish")
      }
    }
  }

  @Test func wrongPasswordIsToldAtOnce() async throws {
    try await RedisServer.withServer(password: "right") { redis in
      for (credentials, reason) in [
        ("wrong@", "WRONGPASS invalid username-password pair or user is disabled."),
        ("", "NOAUTH Authentication required."),
      ] {
        let outcome = Outcome(
          try await Command.run(
            Repository.product("gatewayctl"), ["list", "--broker", "tcp://\(credentials)127.0.0.1:\(redis.port)"]))
        #expect(
          outcome
            == Outcome(1, "", "gatewayctl: broker tcp://127.0.0.1:\(redis.port) denies access: \(reason)\n"))
      }
    }
  }

  @Test func optionsMayStandBeforeAndAfterTheSubcommand() async throws {
    try await GatewayProcess.withGateway { gateway in
      let broker = gateway.redis.unixURL
      let forms = [
        ["--broker", broker, "--json", "--timeout=5", "list"], ["--broker=\(broker)", "list", "--json"],
        ["list", "--json", "--broker", broker], ["--json", "--timeout", "5", "list", "--broker=\(broker)"],
      ]
      for arguments in forms {
        let outcome = try await Command.run(
          Repository.product("gatewayctl"), arguments, environment: ["GATEWAY_BROKER": "unix:///nowhere"])
        #expect(Outcome(outcome) == Outcome(0, "[\n\n]\n"), "\(arguments)")
      }
      // A name may begin with a hyphen.
      let hyphen = try await gateway.gatewayctl("set-name", "--backend", "http://10.1.2.3", "--", "w", "-x")
      #expect(Outcome(hyphen) == Outcome(0, "-x.\(zone)\n"))
    }
  }
}
