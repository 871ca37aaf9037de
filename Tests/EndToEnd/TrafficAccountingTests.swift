import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// That what callers bill by is exact, and is never taken back.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct TrafficAccountingTests {
  // MARK: TLS terminated by Traefik

  @Test func totalsOutliveTraefikAndTheGateway() async throws {
    try await HTTPBackend.withServer("site") { backend in
      try await GatewayProcess.withGateway { gateway in
        try await gateway.setName("w", "site", backend.url)
        try await gateway.withTraefik { traefik in
          let client = try await traefik.client("web-secure").overHTTP1
          // So long as there is no route, nothing is counted.
          try await eventually {
            try await client.fetch("https://site.\(zone)/bytes/0").status == 200
          }
          var expected = 0.0
          func fetch(_ bytes: Int) async throws {
            try await eventually {
              try await client.fetch("https://site.\(zone)/bytes/0").status == 200
            }
            _ = try await client.fetch("https://site.\(zone)/bytes/\(bytes)", method: "POST", body: "12345")
            expected += Double(bytes)
            try await Self.expect(gateway, "w", response: expected)
          }
          try await fetch(100_000)
          try await traefik.restart()
          // Below the last reading, and above it.
          try await fetch(50_000)
          try await traefik.restart()
          try await fetch(300_000)

          try await Self.kill(gateway)
          try await fetch(1000)
          try await gateway.restart()
          try await fetch(2000)

          try await Self.kill(gateway, meanwhile: traefik.restart)
          try await fetch(700_000)

          // Deleted, it is told of, and set again it goes on.
          try await gateway.delete("w")
          try await Self.expect(gateway, "w", response: expected)
          try await eventually {
            try await traefik.routers().isEmpty
          }
          for _ in 0..<3 { try await Self.expect(gateway, "w", response: expected) }
          try await gateway.setName("w", "site", backend.url)
          try await fetch(10)
          #expect(try await Self.total(gateway, "Request", "w") == 35)
        }
      }
    }
  }

  /// What is counted before anybody asks, and what of it is on disk.
  @Test func totalsAreStoredWithoutACall() async throws {
    try await HTTPBackend.withServer("site") { backend in
      try await GatewayProcess.withGateway { gateway in
        try await gateway.setName("w", "site", backend.url)
        try await gateway.withTraefik { traefik in
          let client = try await traefik.client("web-secure").overHTTP1
          try await eventually {
            try await client.fetch("https://site.\(zone)/bytes/5000").status == 200
          }
          // A reading is taken at the start, and one at the end.
          try await Self.kill(gateway)
          try await eventually { try gateway.files()["traffic.msgpack"] != nil }
          _ = try await client.fetch("https://site.\(zone)/bytes/7000")
          // Traefik counts a response once it is over, which a client sees a moment earlier.
          try await eventually { try await traefik.responseBytes(of: "w") == 12_000 }
          gateway.signal(SIGTERM)
          #expect(try await gateway.exit() == .code(0))
        }
        try await gateway.start()
        try await Self.expect(gateway, "w", response: 12_000)
      }
    }
  }

  @Test func aDamagedFileIsKeptAsideAndSaid() async throws {
    try await GatewayProcess.withGateway { gateway in
      gateway.signal(SIGTERM)
      _ = try await gateway.exit()
      try gateway.root.write("rubbish", to: "traffic.msgpack")
      try await gateway.start()
      #expect(try await gateway.call("Metrics").callError == nil)
      #expect(try gateway.files()["traffic.msgpack.damaged"]?.content == "rubbish")
      let line = try #require(try gateway.logged("traffic totals are damaged: counting begins anew").first)
      #expect(line["level"] == "error")
      #expect(line["kept"].string == gateway.root.file("traffic.msgpack.damaged"))
    }
  }

  // MARK: TLS passed through

  /// Where Traefik and the gateway run, and with what.
  enum Place: String, CaseIterable, CustomTestStringConvertible {
    case sameNamespace = "in the gateway's namespace"
    case otherNamespace = "in a namespace of its own"
    case withoutPrivilege = "with a gateway without CAP_NET_ADMIN"

    var testDescription: String { rawValue }
    static var possible: [Self] { TemporaryNetworkNamespace.isPermitted ? allCases : [.sameNamespace] }
  }

  @Test("Bytes passed through are exact", arguments: Place.possible)
  func passthrough(_ place: Place) async throws {
    switch place {
    case .sameNamespace: try await passThrough(GatewayProcess.permissive)
    case .withoutPrivilege:
      try await passThrough(GatewayProcess.permissive, wrapper: ["setpriv", "--bounding-set", "-net_admin"])
    case .otherNamespace:
      try await TemporaryNetworkNamespace.withNamespace { name in
        try await passThrough(GatewayProcess.permissive + ["--netns", name], namespace: name)
      }
    }
  }

  private func passThrough(_ flags: [String], wrapper: [String] = [], namespace: String? = nil) async throws {
    func inside(_ body: () async throws -> Void) async throws {
      if let namespace { try await TemporaryNetworkNamespace.inside(namespace, body) } else { try await body() }
    }
    try await GatewayProcess.withGateway(flags, wrapper: wrapper) { gateway in
      let address = gateway.address("--https-address")
      try await inside {
        try await TLSPeers.withPeers { peers in
          try await gateway.setFQDN("w", "passed.example.org", peers.endpoint)
          try await gateway.withTraefik { traefik in
            try await eventually {
              try await traefik.routers()["w-route@file"]?.status == "enabled"
            }
            // Connections of some milliseconds, which no look at the open ones sees.
            try await Self.expect(
              gateway, "w", try await peers.connect(300, to: "passed.example.org", through: address))

            // One that stays open, and one that was never seen before its route went.
            try await peers.open("long", to: "passed.example.org", through: address)
            try await Self.expect(gateway, "w", try await peers.send(1_000_000, over: "long"))
            try await Self.expect(gateway, "w", try await peers.send(2_000_000, over: "long"))
            try await Self.kill(gateway)
            try await Self.expect(gateway, "w", try await peers.send(10, over: "long"))

            try await peers.open("late", to: "passed.example.org", through: address)
            _ = try await peers.send(20, over: "late")
            try await gateway.delete("w")
            _ = try await peers.send(30, over: "late")
            _ = try await peers.send(40, over: "long")
            _ = try await peers.close("late")
            try await Self.expect(gateway, "w", try await peers.close("long"))
          }
        }
      }
    }
  }

  @Test func bytesOfASharedBackendAreSplit() async throws {
    try await TLSPeers.withPeers { peers in
      try await GatewayProcess.withGateway { gateway in
        try await gateway.setFQDN("a", "a.example.org", peers.endpoint)
        try await gateway.setFQDN("b", "b.example.org", peers.endpoint)
        try await gateway.withTraefik { traefik in
          try await eventually {
            // Three for each.
            try await traefik.routers().count { $0.value.status == "enabled" } == 6
          }
          let sums = try await peers.connect(
            10, to: "a.example.org", through: gateway.address("--https-address"))
          let half = TLSPeers.Sums(request: sums.request / 2, response: sums.response / 2)
          try await Self.expect(gateway, "a", half)
          try await Self.expect(gateway, "b", half)
          let lines = try gateway.logged("workloads share a backend: its bytes are split evenly among them")
          #expect(lines.map(\.["backend"].string) == [peers.endpoint])
          #expect(lines.map(\.["workloads"].string) == ["a b"])
        }
      }
    }
  }

  /// Starts a program that finds no sock_diag(7) in the kernel.
  private static let withoutSockDiag = """
    import ctypes, errno, os, platform, struct, sys
    number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
    def op(code, jt, jf, k): return struct.pack("HBBI", code, jt, jf, k)
    load, equal, end = 0x20, 0x15, 0x06
    # socket(AF_NETLINK, any, NETLINK_SOCK_DIAG)
    program = b"".join([
        op(load, 0, 0, 0), op(equal, 0, 5, number), op(load, 0, 0, 16), op(equal, 0, 3, 16),
        op(load, 0, 0, 32), op(equal, 0, 1, 4), op(end, 0, 0, 0x00050000 | errno.EPROTONOSUPPORT),
        op(end, 0, 0, 0x7fff0000)])
    text = ctypes.create_string_buffer(program)
    filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(text)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
    os.execv(sys.argv[1], sys.argv[1:])
    """

  @Test func aKernelThatDoesNotTellIsSaidOnce() async throws {
    let wrapper = try [Repository.program("python3"), "-c", Self.withoutSockDiag]
    try await HTTPBackend.withServer("site") { backend in
      try await GatewayProcess.withGateway(wrapper: wrapper) { gateway in
        try await gateway.setName("w", "site", backend.url)
        try await gateway.setFQDN("passed", "passed.example.org", backend.endpoint)
        try await gateway.withTraefik { traefik in
          let client = try await traefik.client("web-secure").overHTTP1
          try await eventually {
            try await client.fetch("https://site.\(zone)/bytes/5000").status == 200
          }
          for _ in 0..<3 { try await Self.expect(gateway, "w", response: 5000) }
          let lines = try gateway.logged("connections to backends are not counted")
          #expect(lines.map(\.["reason"].string) == ["socket: Protocol not supported"])
        }
      }
    }
  }

  // MARK: What is told

  private static func total(_ gateway: GatewayProcess, _ kind: String, _ workload: String) async throws -> Double {
    let reply = try await gateway.call("Metrics")
    if let error = reply.callError ?? reply.protocolError { throw FixtureError(error) }
    return reply.data[kind][workload].number ?? 0
  }

  /// That a workload's responses come to a total, and that it never goes back or beyond.
  private static func expect(
    _ gateway: GatewayProcess, _ workload: String, response: Double,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    try await expect(gateway, "Response", workload, response, sourceLocation)
  }

  private static func expect(
    _ gateway: GatewayProcess, _ workload: String, _ sums: TLSPeers.Sums,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    try await expect(gateway, "Response", workload, sums.response, sourceLocation)
    try await expect(gateway, "Request", workload, sums.request, sourceLocation)
  }

  private static func expect(
    _ gateway: GatewayProcess, _ kind: String, _ workload: String, _ bytes: Double, _ sourceLocation: SourceLocation
  ) async throws {
    let told: Double
    do {
      told = try await eventually {
        try await total(gateway, kind, workload)
      } until: {
        $0 >= bytes
      }
    } catch let error as FixtureError {
      let warnings = try gateway.log.filter { $0["level"] == "warning" || $0["level"] == "error" }
      throw FixtureError(
        "\(kind) of \(workload) should be \(bytes) at line \(sourceLocation.line): \(error)\n\(warnings)")
    }
    #expect(told == bytes, sourceLocation: sourceLocation)
  }

  private static func kill(
    _ gateway: GatewayProcess, meanwhile: () async throws -> Void = {}
  ) async throws {
    try await gateway.kill()
    try await meanwhile()
    try await gateway.start()
  }
}
