import Foundation
import TestSupport
import Testing

/// The units in `systemd/`, as far as that can be seen without systemd; `make test-deb` has it run them.
@Suite(.timeLimit(.minutes(5)))
struct SystemdTests {
  /// In zos' layout, and where the package has it on a node without.
  static let roots = ["/var/cache/modules/gateway", "/var/lib/gateway-module"]

  @Test func traefikRunsAsWithZinit() throws {
    let unit = try SystemdUnit("gateway-traefik.service")
    let zinit = try ZinitUnit("traefik")
    let command = try zinit.command("exec").joined(separator: " ")
    #expect(unit["ExecStart"].map { $0.replacing("${GATEWAY_ROOT}", with: Self.roots[0]) } == [command])
    #expect(unit.environment == zinit.environment.merging(["GATEWAY_ROOT": Self.roots[0]]) { $1 })
  }

  @Test(arguments: ["gateway", "gateway-traefik"])
  func serviceWritesToTheGatewaysRootAlone(name: String) throws {
    let unit = try SystemdUnit("\(name).service")
    #expect(unit["ProtectSystem"] == ["strict"])
    #expect(Set(unit["ReadWritePaths"].flatMap { $0.split(separator: " ") }) == Set(Self.roots.map { "-\($0)" }))
    #expect(unit.environment["GATEWAY_ROOT"] == Self.roots[0])
  }

  /// The relay only reads, and what may stand in the gateway's settings is not for it.
  @Test func relayReadsTheGatewaysRootAlone() throws {
    let unit = try SystemdUnit("gateway-relay.service")
    #expect(unit["ProtectSystem"] == ["strict"])
    #expect(unit["ReadWritePaths"] == [])
    #expect(unit["CapabilityBoundingSet"] == [""])
    #expect(unit["EnvironmentFile"] == ["-/etc/default/gateway-relay"])
    #expect(unit.environment["GATEWAY_ROOT"] == Self.roots[0])
  }

  @Test("A disk that is mounted late is waited for", arguments: ["gateway", "gateway-traefik", "gateway-relay"])
  func mounts(name: String) throws {
    let paths = try SystemdUnit("\(name).service")["RequiresMountsFor"].flatMap { $0.split(separator: " ") }
    #expect(Set(paths.map(String.init)) == Set(Self.roots))
  }

  @Test func traefikIsNotStartedWithoutItsConfiguration() throws {
    let unit = try SystemdUnit("gateway-traefik.service")
    #expect(unit["ExecStartPre"] == ["test -s ${GATEWAY_ROOT}/traefik.yaml"])
    #expect(unit["Restart"] == ["always"])
  }

  @Test func traefikDoesNotReadWhatIsTheGateways() throws {
    #expect(try SystemdUnit("gateway.service")["EnvironmentFile"] == ["-/etc/default/gateway"])
    #expect(try SystemdUnit("gateway-traefik.service")["EnvironmentFile"] == ["-/etc/default/gateway-traefik"])
  }

  @Test func gatewayStartsAfterRedisByAnyOfItsNames() throws {
    let after = try SystemdUnit("gateway.service")["After"].flatMap { $0.split(separator: " ") }
    #expect(Set(["redis", "redis-server", "valkey", "valkey-server"].map { "\($0).service" }).isSubset(of: after))
  }

  @Test func configurationThatIsWatchedIsTraefiks() throws {
    let changed = try SystemdUnit("gateway-traefik-restart.path")["PathChanged"]
    #expect(Set(changed) == Set(Self.roots.map { "\($0)/traefik.yaml" }))
  }

  // MARK: The settings that an installation writes

  /// Runs what an installation runs, with these files there, and returns the settings of both services.
  private func install(over files: [String: String]) async throws -> (gateway: String, traefik: String) {
    try await TemporaryDirectory.withDirectory { directory in
      for (path, content) in files {
        _ = try directory.directory((path as NSString).deletingLastPathComponent)
        try directory.write(content, to: path)
      }
      let defaults = Repository.file("packaging/defaults")
      // Twice, since the second one changes nothing.
      for _ in 0..<2 { try await Command.succeed(defaults, [Repository.file("systemd"), directory.path]) }
      func text(_ name: String) throws -> String {
        try String(contentsOfFile: directory.file("etc/default/\(name)"), encoding: .utf8)
      }
      return try (text("gateway"), text("gateway-traefik"))
    }
  }

  @Test func newInstallationKeepsItsFilesWhereTheyLast() async throws {
    let settings = try await install(over: [:])
    for text in [settings.gateway, settings.traefik] { #expect(text.contains("\nGATEWAY_ROOT=\(Self.roots[1])\n")) }
    #expect(settings.gateway.contains("\nGATEWAY_BROKER=") && !settings.traefik.contains("BROKER"))
  }

  @Test func installationOverAnEarlierGatewaysFilesNamesThem() async throws {
    let settings = try await install(over: ["var/cache/modules/gateway/proxy/w.yaml": ""])
    for text in [settings.gateway, settings.traefik] { #expect(text.contains("\nGATEWAY_ROOT=\(Self.roots[0])\n")) }
  }

  @Test func settingsThatAreThereStayAndTraefikGetsItsOwn() async throws {
    let earlier = """
      # mine
      GATEWAY_BROKER=tcp://secret@127.0.0.1:6379
      LEGO_CA_CERTIFICATES="/etc/ssl/own.pem"
      #GOGC=100
      GATEWAY_ROOT=/srv/gateway
      GATEWAY_ROOTS=no

      """
    var settings = try await install(over: ["etc/default/gateway": earlier])
    #expect(settings.gateway == earlier)
    #expect(
      settings.traefik.split(separator: "\n").filter { !$0.hasPrefix("#") }
        == ["LEGO_CA_CERTIFICATES=\"/etc/ssl/own.pem\"", "GATEWAY_ROOT=/srv/gateway"])

    settings = try await install(over: ["etc/default/gateway": earlier, "etc/default/gateway-traefik": "A=b\n"])
    #expect(settings.gateway == earlier && settings.traefik == "A=b\n")
  }

  // MARK: Readiness

  @Test(
    "systemd is told once Traefik's files are in place, whether there is a Redis or not",
    arguments: ["path", "abstract"])
  func readiness(kind: String) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let socket = try NotifySocket(kind == "path" ? directory.file("notify") : "@\(directory.path)")
      let arguments = ["--broker", "unix://\(directory.file("nobody"))", "--root", directory.file("root")]
      try await ChildProcess.withProcess(
        Repository.product("gateway"), arguments + GatewayProcess.node,
        environment: ["NOTIFY_SOCKET": socket.address], log: directory.file("log")
      ) { gateway in
        var message: String?
        try await gateway.ready {
          message = socket.message
          return message != nil
        }
        #expect(message == "READY=1")
        #expect(FileManager.default.fileExists(atPath: directory.file("root/traefik.yaml")))
      }
    }
  }

  /// Counts what is told until `condition` holds, and returns how often it was that the gateway is alive.
  private static func lives(
    _ socket: NotifySocket, until condition: () async throws -> Bool
  ) async throws -> Int {
    var count = 0
    try await eventually {
      while let message = socket.message { if message == "WATCHDOG=1" { count += 1 } }
      return try await condition()
    }
    return count
  }

  private static func waitForLives(_ socket: NotifySocket, _ number: Int) async throws {
    var count = 0
    try await eventually {
      while let message = socket.message { if message == "WATCHDOG=1" { count += 1 } }
      return count >= number
    }
  }

  @Test("systemd is told again and again that the gateway is alive, also without Redis")
  func watchdogWithoutRedis() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let socket = try NotifySocket(directory.file("notify"))
      try await ChildProcess.withProcess(
        Repository.product("gateway"),
        ["--broker", "unix://\(directory.file("nobody"))", "--root", directory.file("root")] + GatewayProcess.node,
        environment: ["NOTIFY_SOCKET": socket.address, "WATCHDOG_USEC": "400000"], log: directory.file("log")
      ) { gateway in
        try await Self.waitForLives(socket, 5)
        // One that is stopped says nothing.
        gateway.signal(SIGSTOP)
        try await eventually {
          let state = try String(contentsOfFile: "/proc/\(gateway.pid)/stat", encoding: .utf8).split(separator: " ")[2]
          return state == "T"
        }
        while socket.message != nil {}
        let end = ContinuousClock.now + .seconds(1)
        let count = try await Self.lives(socket) { .now > end }
        #expect(count == 0)
        gateway.signal(SIGCONT)
        try await Self.waitForLives(socket, 3)
      }
    }
  }

  @Test("systemd is not told that a gateway is alive whose writer hangs")
  func watchdogOfAHangingWriter() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let socket = try NotifySocket(directory.file("notify"))
      try await GatewayProcess.withGateway(
        environment: ["NOTIFY_SOCKET": socket.address, "WATCHDOG_USEC": "400000"]
      ) { gateway in
        try await Self.waitForLives(socket, 3)
        // Opening it to write waits until somebody reads.
        let pipe = gateway.root.file("staging/w.yaml")
        try await Command.succeed("mkfifo", [pipe])
        async let reply = gateway.call("SetNamedProxy", "w", "shop", ["http://10.1.2.3"], false, within: .seconds(60))
        // The turn that was being taken may have ended well.
        var quiet = ContinuousClock.now
        try await eventually {
          while socket.message != nil { quiet = .now }
          return quiet + .seconds(2) < .now
        }
        // Other calls are answered, so that it is not the whole process that stands still.
        let domains = try await gateway.domains()
        #expect(domains == [:])
        #expect(socket.message == nil)
        let reader = try #require(fopen(pipe, "r"))
        defer { fclose(reader) }
        try await Self.waitForLives(socket, 3)
        _ = try await reply
      }
    }
  }

  @Test func watchdogOfAnotherProcessIsLeftAlone() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let socket = try NotifySocket(directory.file("notify"))
      try await GatewayProcess.withGateway(
        environment: ["NOTIFY_SOCKET": socket.address, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"]
      ) { gateway in
        let end = ContinuousClock.now + .seconds(1)
        let count = try await Self.lives(socket) { .now > end }
        #expect(count == 0)
      }
    }
  }

  @Test func unitHasAWatchdog() throws {
    let unit = try SystemdUnit("gateway.service")
    #expect(unit["WatchdogSec"] == ["60"] && unit["Type"] == ["notify"] && unit["Restart"] == ["always"])
  }

  @Test func gatewayThatCannotTellItsServiceManagerDoesNotStart() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let socket = directory.file("nobody")
      let outcome = try await Command.run(
        Repository.product("gateway"), ["--root", directory.file("root")] + GatewayProcess.node,
        environment: ["NOTIFY_SOCKET": socket])
      #expect(outcome.status == .code(1))
      #expect(outcome.standardError.hasSuffix("gateway: connect \(socket): No such file or directory\n"))
    }
  }
}
