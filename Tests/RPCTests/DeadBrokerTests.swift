import CLinux
import Glibc
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import RPC

/// A broker on another machine, which stands behind a wire that is cut: it says nothing any more, and nobody says that it
/// is gone.
@Suite(.enabled(if: TemporaryNetworkNamespace.isPermitted), .timeLimit(.minutes(5)))
struct DeadBrokerTests {
  private static let limit = Duration.seconds(30)

  @Test func vanishedBrokerIsNoticedByAllWhoAreIdleAndByThoseWhoHaveSomethingToSend() async throws {
    try await withDistantBroker { broker, redis, cutTheWire, loop in
      let gate = Gate()
      func server(_ module: String, log: LogRecorder) throws -> Server {
        var server = Server(module: module, broker: broker, logger: log.logger)
        server.loop = loop
        server.register(probe) {
          Method("None") {}
          Method("Wait") { await gate.pass() }
        }
        return server
      }
      // Those who only wait, and those who send into the void what is never acknowledged.
      let logs = ["idle server", "idle client", "listener", "busy server", "busy client"].map { ($0, LogRecorder()) }
      let log = Dictionary(uniqueKeysWithValues: logs)
      let client = Client(broker: broker, logger: log["idle client"]!.logger, loop: loop)
      let caller = Client(broker: broker, logger: log["busy client"]!.logger, loop: loop)
      let listener = Client(broker: broker, logger: log["listener"]!.logger, loop: loop)
      try await withThrowingTaskGroup(of: Void.self) { group in
        let servers = try (server("server", log: log["idle server"]!), server("other", log: log["busy server"]!))
        group.addTask { try await servers.0.run() }
        group.addTask { try await servers.1.run() }
        group.addTask { try await client.run() }
        group.addTask { try await caller.run() }
        group.addTask { for try await _ in listener.events("Ticks", of: probe, module: "x", as: Int.self) {} }
        try await client.object(probe, of: "server").call("None")
        let waiting = Task { try await caller.object(probe, of: "other", timeout: .seconds(60)).call("Wait") }
        try await gate.holds(1)
        try await eventually {
          try await redis.command("PUBSUB", "NUMSUB", "x.probe@1.0.Ticks") == "x.probe@1.0.Ticks\n1"
        }

        try await cutTheWire()
        let start = ContinuousClock.now
        await gate.open()
        let late = Task { try await caller.object(probe, of: "server", timeout: .seconds(60)).call("None") }
        for (who, log) in logs {
          try await eventually { !log.lines(containing: "broker away").isEmpty }
          #expect(start.duration(to: .now) < Self.limit, "\(who)")
          let line = try #require(log.lines(containing: "broker away").first)
          // The kernel may find out first that nobody has the address any more.
          let reasons = ["Connection timed out", "No route to host"]
          #expect(
            reasons.contains { line.hasSuffix("connection to broker \(broker) lost: \($0)") }, "\(who): \(line)")
        }
        for task in [waiting, late] { task.cancel() }
        group.cancelAll()
        while let result = await group.nextResult() {
          if case .failure(let error) = result, !(error is CancellationError) { throw error }
        }
      }
    }
  }

  /// Runs `body` with a broker in a namespace of its own, what cuts the wire to it, and an event loop at the other end.
  private func withDistantBroker(
    _ body: (BrokerURL, RedisServer, () async throws -> Void, any EventLoop) async throws -> Void
  ) async throws {
    try await Uplink.withUplink { uplink in
      try await TemporaryNetworkNamespace.inside(uplink.world) {
        try await RedisServer.withServer { redis in
          try await redis.configure("protected-mode", "no")
          try await redis.configure("bind", Uplink.authority)
          let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
          let loop = group.next()
          let node = open("/run/netns/\(uplink.node)", O_RDONLY | O_CLOEXEC)
          defer { close(node) }
          // The loop's one thread, which makes the sockets.
          let entered = try await loop.submit { clinux_enter_network_namespace(node) }.get()
          try #require(entered == 0)
          try await body(
            BrokerURL("tcp://\(Uplink.authority):\(redis.port)"), redis,
            { try await Command.succeed("ip", ["-n", uplink.world, "link", "set", "node", "down"]) }, loop)
          try await group.shutdownGracefully()
        }
      }
    }
  }
}
