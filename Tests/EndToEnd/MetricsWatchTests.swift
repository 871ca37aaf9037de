import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// `gatewayctl metrics`, with real traffic, in a pipe and on a terminal.
@Suite(.timeLimit(.minutes(5)))
struct MetricsWatchTests {
  /// Runs `body` while there is traffic of 100,000 bytes a request.
  private func withTraffic(
    _ body: (GatewayProcess, _ request: () async throws -> Void) async throws -> Void
  ) async throws {
    try await HTTPBackend.withServer("shop") { shop in
      try await GatewayProcess.withGateway { gateway in
        try await gateway.withTraefikAsInstalled { _ in
          try await gateway.setName("1-shop", "shop", shop.url)
          let client = gateway.client("--https-address")
          try await eventually {
            try await client.fetch("https://shop.\(zone)/").status
          } until: {
            $0 == 200
          }
          try await body(gateway) { _ = try await client.fetch("https://shop.\(zone)/bytes/100000") }
        }
      }
    }
  }

  @Test func totalsInBinaryUnits() async throws {
    try await withTraffic { gateway, request in
      for _ in 0..<3 { try await request() }
      let outcome = try await eventually {
        try await gateway.gatewayctl("metrics")
      } until: {
        $0.standardOutput.contains("293 KiB")
      }
      #expect(
        outcome.standardOutput.wholeMatch(of: /WORKLOAD  REQUEST  RESPONSE\n1-shop +[0-9.]+ (Ki)?B +293 KiB\n/) != nil,
        "\(outcome.standardOutput)")
    }
  }

  @Test func watchInAPipePrintsARateForEachInterval() async throws {
    try await withTraffic { gateway, request in
      try await TemporaryDirectory.withDirectory { directory in
        try await ChildProcess.withProcess(
          Repository.product("gatewayctl"),
          ["metrics", "--json", "--watch", "0.2", "--broker", gateway.redis.unixURL], log: directory.file("log")
        ) { watch in
          // Each interval is a line; the rate of one of them is that of a request.
          _ = try await watch.line { $0.contains("1-shop") }
          try await request()
          // In a short interval a few bytes are a high rate, too.
          let line = try await watch.line { line in
            (try? JSON(parsing: line))?["Workloads"][0]["Response"].number.map { $0 >= 100_000 } ?? false
          }
          let shop = try JSON(parsing: line)["Workloads"][0]
          #expect(shop["Workload"] == "1-shop" && shop["ResponseRate"].number! > 0)
          watch.signal(SIGINT)
          let status = try await watch.exit()
          #expect(status == .code(0))
        }
      }
    }
  }

  @Test func watchOnATerminalFitsIt() async throws {
    try await withTraffic { gateway, request in
      try await request()
      // A terminal of 80 columns and 24 lines.
      let program = try Repository.product("gatewayctl")
      let outcome = try await Command.run(
        "script",
        [
          "-qec", "stty cols 80 rows 24; exec timeout -s INT 2 '\(program)' metrics --watch=0.5", "/dev/null",
        ],
        environment: ["GATEWAY_BROKER": gateway.redis.unixURL, "LC_ALL": "C", "NO_COLOR": "1", "TERM": "xterm"])
      let screens = outcome.standardOutput.components(separatedBy: "\u{1b}[H").dropFirst()
      #expect(screens.count >= 2, "\(outcome)")
      let last = try #require(screens.last).replacing("\u{1b}[K", with: "").replacing("\u{1b}[J", with: "")
      let lines = last.split(whereSeparator: \.isNewline)
      #expect(lines[0].hasPrefix("WORKLOAD") && lines[1].hasPrefix("1-shop"), "\(last)")
      #expect(lines.allSatisfy { $0.count <= 80 && $0.utf8.allSatisfy { $0 < 0x80 } } && !last.contains("\u{1b}"))
    }
  }

  @Test(arguments: ["0", "0.01", "soon"]) func badInterval(text: String) async throws {
    let outcome = try await Command.run(Repository.product("gatewayctl"), ["metrics", "--watch", text])
    #expect(outcome.status == .code(64))
    #expect(
      outcome.standardError
        == "gatewayctl: --watch must be a number of seconds from 0.1 to 86400, not '\(text)'\n")
  }
}
