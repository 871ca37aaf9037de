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
  /// By what the kernel is asked for (tcp(7)), which a busy machine does not make longer.
  @Test func kernelGivesUpWithinThirtySeconds() throws {
    func value(_ option: CInt) throws -> Int {
      try #require(RedisConnection.tcpOptions.first { $0.0.rawValue == option }).1
    }
    let silence = try value(TCP_KEEPIDLE) + value(TCP_KEEPINTVL) * value(TCP_KEEPCNT)
    #expect(silence <= 30)
    #expect(try value(CInt(TCP_USER_TIMEOUT)) <= 30_000)
  }

  @Test func vanishedBrokerIsNoticedByAllWhoAreIdleAndByThoseWhoHaveSomethingToSend() async throws {
    try await withDistantBroker { broker, redis, connections, cutTheWire, loop in
      let gate = Gate()
      func server(_ module: String, log: LogRecorder) throws -> RPCServer {
        var server = RPCServer(module: module, broker: broker, logger: log.logger)
        server.loop = loop
        server.register(probe) {
          RPCMethod("None") {}
          RPCMethod("Wait") { await gate.pass() }
        }
        return server
      }
      // Those who only wait, and those who send into the void what is never acknowledged.
      let logs = ["idle server", "idle client", "listener", "busy server", "busy client"].map { ($0, LogRecorder()) }
      let log = Dictionary(uniqueKeysWithValues: logs)
      let client = RPCClient(broker: broker, logger: log["idle client"]!.logger, loop: loop)
      let caller = RPCClient(broker: broker, logger: log["busy client"]!.logger, loop: loop)
      let listener = RPCClient(broker: broker, logger: log["listener"]!.logger, loop: loop)
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

        // Each connection's kernel asks, of itself, whether the broker is there.
        try await eventually {
          try await connections()
        } until: {
          $0.count >= logs.count && $0.allSatisfy { $0.contains("timer:(keepalive,") }
        }
        try await cutTheWire()
        await gate.open()
        let late = Task { try await caller.object(probe, of: "server", timeout: .seconds(60)).call("None") }
        for (who, log) in logs {
          // Within the time above, and whatever the machine adds to that; without those options it takes hours.
          try await eventually(within: .patience * 2) { !log.lines(containing: "broker away").isEmpty }
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

  /// Runs `body` with a broker in a namespace of its own, what lists the connections to it (ss(8)), what cuts the wire to it, and
  /// an event loop at the other end.
  private func withDistantBroker(
    _ body: (
      BrokerURL, RedisServer, () async throws -> [Substring], () async throws -> Void, any EventLoop
    ) async throws -> Void
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
            {
              let arguments = ["netns", "exec", uplink.node, "ss", "--tcp", "--numeric", "--options", "--no-header"]
              let filter = ["state", "established", "dport", "=", ":\(redis.port)"]
              return try await Command.succeed("ip", arguments + filter).split(separator: "\n")
            },
            { try await Command.succeed("ip", ["-n", uplink.world, "link", "set", "node", "down"]) }, loop)
          try await group.shutdownGracefully()
        }
      }
    }
  }
}
