import Foundation
import TestSupport
import Testing

/// The daemon's command line, and how it starts.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CommandLineTests {
  private static let listen = "the host must be an IP address"

  /// Bad arguments, and the one line that tells of them.
  static let badArguments: [(arguments: [String], error: String)] = [
    (["--bogus"], "Unknown option '--bogus'"), (["extra"], "Unexpected argument 'extra'"),
    (["--broker"], "Missing value for '--broker <url>'"),
    (["--workers", "0"], "--workers must be from 1 to 1024, not 0"),
    (["--workers", "-1"], "--workers must be from 1 to 1024, not -1"),
    (["--worker", "1"], "Unknown option '--worker'. Did you mean '--workers'?"),
    (
      ["--broker", "http://\u{1b}[2J"],
      #"--broker: broker URL 'http://\u{1b}[2J': the scheme must be unix, tcp or redis"#
    ),
    (["--workers", "1025"], "--workers must be from 1 to 1024, not 1025"),
    (["--workers", "many"], "The value 'many' is invalid for '--workers <n>'"),
    (["--root", "relative"], "--root must be an absolute path, not 'relative'"),
    (
      ["--broker", "tcp://secret@localhost:x"],
      "--broker: broker URL 'tcp://…@localhost:x': the port must be a number from 1 to 65535"
    ),
    (["--broker", "http://x"], "--broker: broker URL 'http://x': the scheme must be unix, tcp or redis"),
    (
      ["--domain", "local"],
      #"The value 'local' is invalid for '--domain <name>': invalid domain "local": it needs at least two labels"#
    ),
    (
      ["--public-ip", "203.0.113.7", "203.0.113"],
      #"The value '203.0.113' is invalid for '--public-ip <ip>': invalid IP address "203.0.113": it is no IPv4 or IPv6 "#
        + "address"
    ),
    (
      ["--resolver", "dns.google"],
      #"The value 'dns.google' is invalid for '--resolver <ip[:port]>': invalid address "dns.google": \#(listen)"#
    ),
    (
      ["--http-address", "80"],
      #"The value '80' is invalid for '--http-address <[ip]:port>': invalid listen address "80": \#(listen)"#
    ),
    (
      ["--traefik-address", ":8082"],
      #"The value ':8082' is invalid for '--traefik-address <ip:port>': invalid address ":8082": \#(listen)"#
    ),
    (
      ["--netns", "a/b"],
      #"The value 'a/b' is invalid for '--netns <name>': invalid network namespace "a/b": it must be a file name of 1 "#
        + "to 255 bytes"
    ),
    (["--header-timeout", "0"], "--header-timeout must be from 1 to 3600, not 0"),
    (["--idle-timeout", "86401"], "--idle-timeout must be from 1 to 86400, not 86401"),
    (["--acme-certificate-hours", "0"], "--acme-certificate-hours must be from 1 to 87600, not 0"),
    (["--acme-patience", "0"], "--acme-patience must be from 1 to 3600, not 0"),
    (
      ["--trusted-proxy", "10.0.0.0/33"],
      #"The value '10.0.0.0/33' is invalid for '--trusted-proxy <ip[/bits]>': invalid IP network "10.0.0.0/33": the "#
        + "bits must be a number from 0 to 32"
    ),
    (
      ["--proxy-protocol-from", "balancer"],
      #"The value 'balancer' is invalid for '--proxy-protocol-from <ip[/bits]>': invalid IP network "balancer": it "#
        + "must be IP or IP/BITS"
    ),
    (
      ["--alias-headers", "drop"],
      "The value 'drop' is invalid for '--alias-headers <what>'. Please provide one of 'keep', 'delete' or 'reject'."
    ),
    (
      ["--dns-redis", "redis://127.0.0.1"], "--dns-redis needs --dns-address"
    ),
    (
      ["--dns-redis-prefix", "x"], "--dns-redis-prefix and --dns-redis-suffix need --dns-redis"
    ),
    (
      ["--dns-address", "127.0.0.1:5353", "--dns-nameserver", "ns.test.test", "--dns-redis", "redis://:secret@x:y"],
      "--dns-redis: broker URL 'redis://…@x:y': the port must be a number from 1 to 65535"
    ),
    (
      ["--tcprouter-redis", "redis://:secret@x:y"],
      "--tcprouter-redis: broker URL 'redis://…@x:y': the port must be a number from 1 to 65535"
    ),
    (
      ["--log-level", "loud"], "The value 'loud' is invalid for '--log-level <level>': there is no such level"
    ),
    (
      ["--log-format", "xml"],
      "The value 'xml' is invalid for '--log-format <format>'. Please provide one of 'text' and 'json'."
    ),
  ]

  @Test("A bad flag is one line and exit status 64", arguments: badArguments)
  func badFlag(arguments: [String], error: String) async throws {
    let outcome = try await Command.run(Repository.product("gateway"), arguments)
    #expect(outcome.status == .code(64))
    #expect(outcome.standardError == "gateway: \(error)\n")
    #expect(outcome.standardOutput == "")
  }

  @Test(
    "A bad environment variable is told like its flag",
    arguments: [
      ("GATEWAY_WORKERS", "0", "--workers must be from 1 to 1024, not 0"),
      (
        "GATEWAY_NO_DOMAIN_CHECK", "yes",
        "The option '--no-domain-check' does not take any value, but 'yes' was specified."
      ),
      (
        "GATEWAY_PUBLIC_IP", "203.0.113.7,x",
        #"The value 'x' is invalid for '--public-ip <ip>': invalid IP address "x": it is no IPv4 or IPv6 address"#
      ),
    ])
  func badVariable(name: String, value: String, error: String) async throws {
    let outcome = try await Command.run(Repository.product("gateway"), [], environment: [name: value])
    #expect(outcome.status == .code(64))
    #expect(outcome.standardError == "gateway: \(error)\n")
  }

  @Test func environmentVariablesAreFlagsThatTheCommandLineGoesBefore() async throws {
    let environment = [
      "GATEWAY_DOMAIN": "ignored.example.test", "GATEWAY_PUBLIC_IP": "203.0.113.7, 2001:db8::7",
      "GATEWAY_NO_DOMAIN_CHECK": "true", "GATEWAY_ALLOW_LOOPBACK_BACKENDS": "0", "GATEWAY_WORKERS": "2",
      "GATEWAY_RESOLVER": "",
    ]
    try await GatewayProcess.withGateway(["--domain", "given.example.test"], environment: environment) { gateway in
      #expect(try await gateway.setName("w", "shop", "http://10.1.2.3") == "shop.given.example.test")
      try await gateway.setFQDN("v", "example.org", "http://10.1.2.3")
      let loop = try await gateway.call("SetNamedProxy", "u", "x", ["http://[2001:db8::7]"], false)
      #expect(loop.callError == #"invalid backend "http://[2001:db8::7]": the address is one of this node's own"#)
      let loopback = try await gateway.call("SetNamedProxy", "u", "x", ["http://127.0.0.1"], false)
      #expect(loopback.callError == #"invalid backend "http://127.0.0.1": the address is loopback"#)
      #expect(try await gateway.caller.status().data["Workers"].array?.count == 2)
    }
  }

  @Test("The version that `make install` gives the build is the one that the programs say")
  func versionOfTheBuild() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let version = "1.2+34.gabc"
      let manifest = try await Command.run(
        "swift",
        [
          "package", "--package-path", Repository.root, "--scratch-path", directory.file("scratch"), "dump-package",
        ], environment: ["BUILD_VERSION": version])
      let targets = try JSON(parsing: manifest.standardOutput)["targets"].array ?? []
      let library = try #require(targets.first { $0["name"] == "CLinux" }, "\(manifest.standardError)")
      let define = try #require(library["settings"][0]["kind"]["define"]["_0"].string, "\(library)")
      let main = try directory.write(
        "#include <stdio.h>\n#include <CLinux.h>\nint main(void) { return puts(clinux_program_version()) < 0; }\n",
        to: "main.c")
      let folder = Repository.file("Sources/CLinux")
      try await Command.succeed(
        "clang", ["-D\(define)", "-I\(folder)/include", main, "\(folder)/CLinux.c", "-o", directory.file("program")])
      #expect(try await Command.succeed(directory.file("program")) == "\(version)\n")
    }
  }

  /// A public network of which only half is given.
  static let halves: [(flags: [String], warning: String, refusal: String)] = [
    (
      ["--domain", GatewayProcess.zone], "FQDNs will be refused: --domain is given without --public-ip",
      "this node has no public address: an FQDN proxy needs one"
    ),
    (
      ["--public-ip", "203.0.113.7"], "names will be refused: --public-ip is given without --domain",
      "this node has no domain: a named proxy needs one, use SetFQDNProxy"
    ),
  ]

  @Test("Half a public network is told at the start, and what then is refused", arguments: halves)
  func halfAPublicNetwork(flags: [String], warning: String, refusal: String) async throws {
    try await GatewayProcess.withGateway(flags + ["--no-domain-check"]) { gateway in
      let lines = try gateway.log.compactMap { $0["message"].string }.filter { $0.contains("will be refused") }
      #expect(lines == [warning])
      #expect(try gateway.logged(warning).first?["level"] == "warning")
      let name = try await gateway.call("SetNamedProxy", "w", "shop", ["http://10.1.2.3"], false)
      let fqdn = try await gateway.call("SetFQDNProxy", "v", "shop.example.org", ["http://10.1.2.3"], false)
      #expect([name.callError, fqdn.callError].compactMap { $0 } == [refusal])
    }
    let whole = try await GatewayProcess.withGateway { try $0.log }
    #expect(!whole.contains { $0["message"].string?.contains("will be refused") == true })
    let help = try await Command.succeed(Repository.product("gateway"), ["--help"])
    #expect(
      help.replacing(/\s+/, with: " ").contains(
        "with one of them only, half of the routes are refused: names without --domain, FQDNs without --public-ip"))
  }

  /// What keeps a gateway from starting: what is in its root's place, and what is told. Without a quarantine it starts, as
  /// `QuarantineTests` show.
  static let unusableRoots: [(prepare: String, error: String)] = [
    ("echo file > $0", "open $0: Not a directory"),
    ("mkdir $0; echo file > $0/proxy", "opendir $0/proxy: Not a directory"),
    ("mkdir $0; echo file > $0/staging", "opendir $0/staging: Not a directory"),
    ("mkdir -p $0/traefik.yaml", "read $0/traefik.yaml: Is a directory"),
    ("mkdir $0; echo file > $0/acme", "open $0/acme/zone: Not a directory"),
  ]

  @Test("A root that cannot be used is one line and exit status 1", arguments: unusableRoots)
  func unusableRoot(prepare: String, error: String) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let root = directory.file("root")
      try await Command.succeed("sh", ["-c", prepare, root])
      let outcome = try await Command.run(
        Repository.product("gateway"), ["--root", root, "--log-level", "critical"] + GatewayProcess.node)
      #expect(outcome.status == .code(1))
      #expect(outcome.standardError == "gateway: \(error.replacing("$0", with: root))\n")
    }
  }

  @Test("A root that may not be written is one line and exit status 1")
  func unwritableRoot() async throws {
    // Root may write everywhere, but not here.
    let outcome = try await Command.run(
      Repository.product("gateway"), ["--root", "/proc/gateway", "--log-level", "critical"])
    #expect(outcome.status == .code(1))
    #expect(outcome.standardError == "gateway: mkdir /proc/gateway: No such file or directory\n")
  }

  @Test("A broker that denies access is one line and exit status 1", arguments: [GatewayProcess.node, []])
  func wrongPassword(flags: [String]) async throws {
    try await RedisServer.withServer(password: "right") { redis in
      try await TemporaryDirectory.withDirectory { root in
        let outcome = try await Command.run(
          Repository.product("gateway"),
          ["--broker", "tcp://wrong@127.0.0.1:\(redis.port)", "--root", root.path, "--log-level", "critical"] + flags)
        #expect(outcome.status == .code(1))
        #expect(
          outcome.standardError == "gateway: broker tcp://127.0.0.1:\(redis.port) denies access: WRONGPASS invalid "
            + "username-password pair or user is disabled.\n")
      }
    }
  }

  @Test("Each event is one line, in either format", arguments: ["text", "json"])
  func logLines(format: String) async throws {
    try await RedisServer.withServer { redis in
      try await TemporaryDirectory.withDirectory { directory in
        try directory.write("[", to: "bad\nname.yaml")
        try FileManager.default.moveItem(
          atPath: directory.file("bad\nname.yaml"), toPath: directory.directory("root/proxy") + "/bad\nname.yaml")
        try await ChildProcess.withProcess(
          Repository.product("gateway"),
          [
            "--broker", redis.unixURL, "--root", directory.file("root"), "--log-format", format, "--traefik-address",
            "127.0.0.1:1",
          ] + GatewayProcess.node, log: directory.file("log")
        ) { gateway in
          try await gateway.ready {
            let status = ["status", "--timeout", "1", "--broker", redis.unixURL]
            return try await Command.run(Repository.product("gatewayctl"), status).status == .code(0)
          }
          gateway.signal(SIGTERM)
          #expect(try await gateway.exit() == .code(0))
          let lines = gateway.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
          #expect(lines.count >= 5)
          if format == "json" {
            let events = try lines.map { try JSON(parsing: String($0)) }
            #expect(events.allSatisfy { $0["time"].string != nil && $0["level"].string != nil })
            #expect(events.contains { $0["message"] == "file moved to quarantine" && $0["file"] == "bad\nname.yaml" })
            #expect(events.last?["message"] == "stopped")
          } else {
            let event = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|notice|warning|error) .+/
            #expect(lines.allSatisfy { $0.wholeMatch(of: event) != nil })
            #expect(lines.contains { $0.contains(#"error file moved to quarantine file="bad\nname.yaml""#) })
            #expect(lines.last?.hasSuffix(" info stopped") == true)
          }
        }
      }
    }
  }
}
