import Foundation
import TestSupport
import Testing

/// The units in `systemd/`, as far as that can be seen without systemd; `make test-deb` has it run them.
@Suite(.timeLimit(.minutes(5)))
struct SystemdTests {
  static let root = "/var/cache/modules/gateway"

  @Test func traefikRunsAsWithZinit() throws {
    let unit = try SystemdUnit("gateway-traefik.service")
    let zinit = try ZinitUnit("traefik")
    let command = try zinit.command("exec").joined(separator: " ")
    #expect(unit["ExecStart"] == [command])
    #expect(unit.environment == zinit.environment)
  }

  @Test(arguments: ["gateway", "gateway-traefik"])
  func serviceWritesToTheGatewaysRootAlone(name: String) throws {
    let unit = try SystemdUnit("\(name).service")
    #expect(unit["ProtectSystem"] == ["strict"])
    #expect(unit["ReadWritePaths"] == [Self.root])
  }

  @Test func configurationThatIsWatchedIsTraefiks() throws {
    #expect(try SystemdUnit("gateway-traefik-restart.path")["PathChanged"] == ["\(Self.root)/traefik.yaml"])
  }

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
