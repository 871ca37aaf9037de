import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// How long clients may take, and how long they may say nothing, through the real Traefik with what the gateway wrote for it.
///
/// With the times of the flags scaled down; `scripts/long-transfers` runs the same with the defaults, and with transfers of 80 s and
/// of ten minutes.
@Suite(.serialized, .timeLimit(.minutes(30)))
struct LongTransferTests {
  /// In seconds.
  private struct Times {
    let header: Int
    let idle: Int
    /// Transfers, each much longer than the time for a header.
    let transfers: [Int]

    static let scaled = Times(header: 2, idle: 4, transfers: [6])
    static let real = Times(header: 30, idle: 180, transfers: [80, 600])
    static var chosen: Times {
      ProcessInfo.processInfo.environment["LONG_TRANSFERS"] == nil ? scaled : real
    }

    var flags: [String] {
      header == Times.real.header ? [] : ["--header-timeout", "\(header)", "--idle-timeout", "\(idle)"]
    }
  }

  private let times = Times.chosen

  private func withSite(
    tls: Bool = false, _ body: (GatewayProcess, Traefik, HTTPBackend) async throws -> Void
  ) async throws {
    try await HTTPBackend.withServer("shop", tls: tls) { shop in
      try await GatewayProcess.withGateway(GatewayProcess.permissive + times.flags) { gateway in
        try await gateway.setName("shop", "shop", shop.url)
        try await gateway.withTraefik { traefik in
          let client = try await traefik.client("web-secure")
          try await eventually(within: .seconds(60)) { try await client.fetch("https://shop.\(zone)/").status == 200 }
          // A second after its start Traefik's health check lets bodies take their time.
          let address = gateway.address("--https-address")
          try await eventually(within: .seconds(300)) {
            try await Self.upload(1, in: times.header + 1, "--http1.1", to: address)
          } until: {
            $0 == "\(times.header + 1)"
          }
          try await body(gateway, traefik, shop)
        }
      }
    }
  }

  @Test func uploadMayTakeLongerThanItsHeader() async throws {
    try await withSite { gateway, traefik, _ in
      try await withThrowingTaskGroup { group in
        for seconds in times.transfers {
          for version in ["--http1.1", "--http2"] {
            let address = gateway.address("--https-address")
            group.addTask {
              let start = ContinuousClock.now
              let bytes = try await Self.upload(100_000, in: seconds, version, to: address)
              #expect(bytes == "\(100_000 * seconds)", "\(version), \(seconds) s")
              print("upload of \(seconds) s, \(version): \(bytes) bytes after \(ContinuousClock.now - start)")
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }

  /// Sends so many bytes a second, for so many seconds; returns what the backend says that it got.
  private static func upload(_ rate: Int, in seconds: Int, _ version: String, to address: String) async throws -> String
  {
    let script = """
      for i in $(seq \(seconds)); do head --bytes \(rate) /dev/zero; sleep 1; done |
        curl --silent --show-error --insecure --noproxy '*' \(version) --upload-file - \
          --connect-to ::\(address) https://shop.\(zone)/count
      """
    let outcome = try await Command.run("/bin/sh", ["-c", script], within: .seconds(seconds + 60))
    return outcome.standardOutput + outcome.standardError
  }

  @Test func streamInBothDirectionsGoesOn() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let name = "grpc.\(zone)"
      let certificate = try await Certificate.selfSigned(for: name, in: directory)
      let script = Repository.file("Tests/python/grpc_stream.py")
      let python = try Repository.program("python3")
      try await ChildProcess.withProcess(
        python, [script, "serve", certificate.file, certificate.key], log: directory.file("serve.log")
      ) { server in
        let port = try await server.line { $0.hasPrefix("port ") }.dropFirst("port ".count)
        try await withSite { gateway, traefik, _ in
          // So that the client can tell that it is Traefik whom it talks to.
          let pair = "tls: {certificates: [{certFile: \(certificate.file), keyFile: \(certificate.key)}]}\n"
          let written = try gateway.root.write(pair, to: "pair.yaml")
          try FileManager.default.moveItem(atPath: written, toPath: gateway.root.file("proxy/pair.yaml"))
          try await gateway.setName("grpc", "grpc", "https://127.0.0.1:\(port)")
          try await eventually(within: .seconds(60)) { try await traefik.routers().keys.contains("grpc-route@file") }
          let seconds = times.header == Times.real.header ? 75 : 6
          let outcome = try await Command.run(
            python, [script, "call", gateway.address("--https-address"), name, certificate.file, "\(seconds)"],
            within: .seconds(seconds + 90))
          let words = outcome.standardOutput.split(whereSeparator: \.isWhitespace)
          #expect(words.first == "answers" && words.last == "OK", "\(outcome.standardOutput)\(outcome.standardError)")
          #expect(words.count == 3 && (Int(words[1]) ?? 0) >= seconds, "\(outcome.standardOutput)")
          print("stream of \(seconds) s: \(outcome.standardOutput)")
        }
      }
    }
  }

  @Test func whoSaysNothingIsLetGo() async throws {
    try await withSite { gateway, traefik, _ in
      let header = ["silent", "half-hello", "half-header", "tls-silent", "tls-half-header", "tls-second-half"]
      let idle = ["tls-idle", "h2-idle", "h2-half-header"]
      for (flag, kinds) in [("--https-address", header + idle), ("--http-address", Array(header.prefix(5)))] {
        let address = gateway.address(flag).split(separator: ":")
        let limit = times.idle + 60
        let output = try await Command.run(
          Repository.program("python3"),
          [Repository.file("Tests/python/slow_clients.py"), String(address[0]), String(address[1]), "\(limit)"] + kinds,
          within: .seconds(limit + 60))
        let seen = try JSON(parsing: output.standardOutput)
        for kind in kinds {
          let time = try #require(seen[kind].number, "\(flag) \(kind): \(output.standardOutput)\(output.standardError)")
          // How late it may be is no matter of Traefik's, and on a busy machine of nobody's.
          let least = Double(header.contains(kind) ? times.header : times.idle)
          #expect(time >= least - 0.5, "\(flag) \(kind)")
          print("\(flag) \(kind): let go after \(time) s")
        }
      }
    }
  }
}
