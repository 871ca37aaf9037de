import Foundation
import TestSupport
import Testing

/// Pipes, from the bus to the bytes that go through them.
@Suite(.timeLimit(.minutes(10)))
struct PipeTests {
  private func isRefused(_ address: String) async throws -> Bool {
    do {
      _ = try await HTTPClient().fetch("http://\(address)/")
      return false
    } catch is FixtureError {
      return true
    }
  }

  private func answers(at address: String, as name: String) async throws -> Bool {
    try await HTTPClient().fetch("http://\(address)/").answer?.name == name
  }

  // MARK: What is set is served

  @Test func bytesAreCarriedBothWaysAndCounted() async throws {
    try await Relay.withNode { gateway, _ in
      try await TLSPeers.withPeers { peers in
        let listen = try await gateway.setPipe("37-pipe", to: peers.endpoint)
        try await peers.open("long", to: "pipe.example.org", through: listen)
        _ = try await peers.send(3_000_000, over: "long")
        _ = try await peers.connect(30, to: "pipe.example.org", through: listen)
        try await eventually { try await gateway.listedPipe("37-pipe")?["Streams"] == 1 }
        let sums = try await peers.close("long")
        let listed = try await eventually {
          try await gateway.listedPipe("37-pipe")
        } until: {
          $0?["Streams"] == 0
        }
        #expect(listed?["Received"].number == sums.response)
        #expect(listed?["Sent"].number == sums.request)
        #expect(
          listed?["Listen"] == .string(listen) && listed?["Remote"] == .string(peers.endpoint)
            && listed?["Listening"] == true && listed?["Error"] == "")
        // In the totals, which go on when the relay begins anew.
        let totals = try await gateway.call("Metrics").data
        #expect(totals["Request"]["37-pipe"].number == sums.request)
        #expect(totals["Response"]["37-pipe"].number == sums.response)
      }
    }
  }

  @Test func totalsGoOnWhenTheRelayIsKilled() async throws {
    try await Relay.withNode { gateway, relay in
      try await HTTPBackend.withServer("behind") { backend in
        let listen = try await gateway.setPipe("37-pipe", to: backend.endpoint)
        func total() async throws -> Double {
          try await gateway.call("Metrics").data["Response"]["37-pipe"].number ?? 0
        }
        for life in 1...2 {
          let body = try await HTTPClient().fetch("http://\(listen)/bytes/1000000").body
          #expect(body.utf8.count == 1_000_000)
          try await eventually { try await total() > Double(life) * 1_000_000 }
          let before = try await total()
          relay.signal(SIGKILL)
          _ = try await relay.exit()
          #expect(try await total() == before)
          try await relay.start()
          // Its files are all that it needs.
          try await eventually { try await answers(at: listen, as: "behind") }
        }
      }
    }
  }

  @Test func pipeLeadsToTheClientOfATunnel() async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      try await HTTPBackend.withServer("home") { backend in
        let listen = try await gateway.setPipe("37-pipe", to: "tunnel:37-home")
        #expect(try await isRefused(listen))
        #expect(
          try await gateway.listedPipe("37-pipe")?["Error"] == "no client of the tunnel 37-home is connected")
        try await relay.withClient(secret: secret, local: backend.endpoint) { _ in
          let body = try await HTTPClient().fetch("http://\(listen)/bytes/3000000").body
          #expect(body.utf8.count == 3_000_000)
        }
        let tunnel = try await gateway.listedTunnel("37-home")
        let pipe = try await gateway.listedPipe("37-pipe")
        #expect(tunnel?["Received"].number == pipe?["Received"].number)
        #expect((pipe?["Received"].number ?? 0) > 3_000_000)
        #expect(try await gateway.call("Metrics").data["Response"]["37-home"].number == tunnel?["Received"].number)
      }
    }
  }

  @Test func fileThatSomebodyPutsThereIsServed() async throws {
    try await Relay.withNode { gateway, _ in
      try await HTTPBackend.withServer("behind") { backend in
        let listen = "127.0.0.1:\(try FreePort.next())"
        let file = "listen:\n  address: \(listen)\nremote:\n  address: \(backend.endpoint)\n"
        try gateway.root.write(file, to: "pipes/37-hand.yaml")
        try await eventually { try await answers(at: listen, as: "behind") }
        try gateway.root.write("listen: nowhere\n", to: "pipes/37-broken.yaml")
        try await eventually { try gateway.files()["quarantine/37-broken.yaml"] != nil }
        #expect(try await answers(at: listen, as: "behind"))
        try FileManager.default.removeItem(atPath: gateway.root.file("pipes/37-hand.yaml"))
        try await eventually { try await isRefused(listen) }
      }
    }
  }

  /// NIO takes the answer's end for a broken connection where the other half is closed already.
  @Test func whoHasClosedHisHalfIsAnsweredWhole() async throws {
    try await Relay.withNode { gateway, relay in
      let application = "127.0.0.1:\(try FreePort.next())"
      let secret = try await gateway.setTunnel("37-home")
      let direct = try await gateway.setPipe("37-direct", to: application)
      let through = try await gateway.setPipe("37-through", to: "tunnel:37-home")
      try await relay.withOwnClient(secret: secret, ["--local", application]) { own in
        _ = try await own.line { $0.contains("\"message\":\"connected\"") }
        for (address, size) in [(direct, 3_000_000), (through, 3_000_000), (direct, 0), (through, 0)] {
          let outcome = try await Command.run(
            Repository.program("python3"),
            [Repository.file("Tests/python/half_closes.py"), application, address, "\(size)"])
          #expect(outcome.standardOutput == "whole\n", "\(address == direct ? "pipe" : "tunnel"), \(size) bytes")
        }
      }
    }
  }

  /// What is missing must not look like the end.
  @Test func streamsOfAKilledRelayAreReset() async throws {
    try await Relay.withNode { gateway, relay in
      let backend = "127.0.0.1:\(try FreePort.next())"
      let listen = try await gateway.setPipe("37-pipe", to: backend)
      let script = """
        import os, signal, socket, sys
        def endpoint(text): host, port = text.rsplit(":", 1); return host, int(port)
        listener = socket.create_server(endpoint(sys.argv[1]))
        user = socket.create_connection(endpoint(sys.argv[2]))
        application, _ = listener.accept()
        for one, other in ((user, application), (application, user)):
          one.sendall(b"x")
          assert other.recv(1) == b"x"
        os.kill(int(sys.argv[3]), signal.SIGKILL)
        for end in (user, application):
          try: print(end.recv(1))
          except ConnectionResetError: print("reset")
        """
      let outcome = try await Command.run(
        Repository.program("python3"), ["-c", script, backend, listen, "\(relay.pid)"])
      #expect(outcome.standardOutput == "reset\nreset\n", "\(outcome.standardError)")
      _ = try await relay.exit()
      try await relay.start()
    }
  }

  // MARK: What is refused

  @Test func badValuesAreRefusedInWords() async throws {
    let flags =
      GatewayProcess.node + ["--no-domain-check", "--pipe-ports", "12000-12999"] + ["--tunnel-address", ":12001"]
    try await Relay.withNode(flags) { gateway, _ in
      func refusal(_ listen: String, _ remote: String, _ more: [String: JSON] = [:]) async throws -> String? {
        let request: [String: JSON] = ["Listen": .string(listen), "Remote": .string(remote)]
        return try await gateway.pipe("SetPipe", "37-pipe", .object(request.merging(more) { $1 })).callError
      }
      let good = "0.0.0.0:12000"
      let listening: [(String, String)] = [
        ("0.0.0.0:11999", #"invalid listening address "0.0.0.0:11999": the port must be from 12000 to 12999"#),
        ("[::]:13000", #"invalid listening address "[::]:13000": the port must be from 12000 to 12999"#),
        ("127.0.0.1:12000", #"invalid listening address "127.0.0.1:12000": the address is loopback"#),
        ("[fe80::1]:12000", #"invalid listening address "[fe80::1]:12000": the address is link-local"#),
        ("224.0.0.1:12000", #"invalid listening address "224.0.0.1:12000": nobody can listen at it"#),
        ("0.0.0.0:12001", #"invalid listening address "0.0.0.0:12001": the port is the relay's own, for tunnels"#),
        ("12000", #"invalid address "12000": the host must be an IP address"#),
        ("0.0.0.0", #"invalid address "0.0.0.0": the port is missing"#),
      ]
      for (listen, reason) in listening { #expect(try await refusal(listen, "10.1.2.3:22") == reason) }
      let leading: [(String, String)] = [
        ("127.0.0.1:22", #"invalid remote "127.0.0.1:22": the address is loopback"#),
        ("169.254.1.1:22", #"invalid remote "169.254.1.1:22": the address is link-local"#),
        ("203.0.113.7:22", #"invalid remote "203.0.113.7:22": the address is one of this node's own"#),
        ("10.1.2.3", #"invalid address "10.1.2.3": the port is missing"#),
        (
          "db.example.org",
          #"invalid remote "db.example.org": it must be HOST:PORT, "#
            + "with a port from 1 to 65535, or tunnel:WORKLOAD"
        ),
        ("localhost:22", #"invalid domain "localhost": it needs at least two labels"#),
        ("tunnel:38-other", #"invalid remote "tunnel:38-other": this user has no such tunnel"#),
        ("tunnel:", #"invalid workload "": it is empty"#),
      ]
      _ = try await gateway.setTunnel("38-other")
      for (remote, reason) in leading { #expect(try await refusal(good, remote) == reason) }
      #expect(
        try await refusal(good, "10.1.2.3:22", ["Network": "a b"])
          == #"invalid network "a b": it has 1 to 32 letters, digits, '-' and '_'"#)
      #expect(try await gateway.pipe("Pipes").data == [])
      #expect(try gateway.files().keys.allSatisfy { !$0.hasPrefix("pipes/") })
    }
  }

  @Test func portThatIsTakenIsAnErrorAndChangesNothing() async throws {
    try await Relay.withNode { gateway, _ in
      try await HTTPBackend.withServer("holder") { holder in
        let taken: JSON = ["Listen": .string(holder.endpoint), "Remote": .string(holder.endpoint)]
        let reason = "cannot listen at \(holder.endpoint): bind: Address already in use"
        #expect(
          try await gateway.pipe("SetPipe", "37-pipe", taken).callError == "the pipe of 37-pipe is not set: \(reason)")
        #expect(try await gateway.pipe("Pipes").data == [])
        #expect(try gateway.files()["pipes/37-pipe.yaml"] == nil)
        // One that there is stays.
        let listen = try await gateway.setPipe("37-pipe", to: holder.endpoint)
        let before = try gateway.files()["pipes/37-pipe.yaml"]
        #expect(try await gateway.pipe("SetPipe", "37-pipe", taken).callError != nil)
        #expect(try gateway.files()["pipes/37-pipe.yaml"]?.content == before?.content)
        #expect(try await answers(at: listen, as: "holder"))
        // What another workload's has is that one's.
        let other: JSON = ["Listen": .string(listen), "Remote": .string(holder.endpoint)]
        #expect(
          try await gateway.pipe("SetPipe", "38-pipe", other).callError
            == "listening address already registered: \(listen)")
        // All addresses at a port are also its own.
        let port = listen.split(separator: ":")[1]
        let wide: JSON = ["Listen": .string("0.0.0.0:\(port)"), "Remote": .string(holder.endpoint)]
        #expect(
          try await gateway.pipe("SetPipe", "38-pipe", wide).callError
            == "listening address already registered: \(listen)")
        #expect(try await gateway.pipe("SetPipe", "37-pipe", wide).callError == nil)
        #expect(try await answers(at: listen, as: "holder"))
        #expect(try await gateway.pipe("SetPipe", "37-pipe", other).callError == nil)
        #expect(try await answers(at: listen, as: "holder"))
      }
    }
  }

  // MARK: What happens while connections are open

  @Test func openConnectionsOutliveTheGatewayAndAChangeAndEndWithThePipe() async throws {
    try await Relay.withNode { gateway, relay in
      try await TLSPeers.withPeers { peers in
        let listen = try await gateway.setPipe("37-pipe", to: peers.endpoint)
        try await peers.open("long", to: "pipe.example.org", through: listen)
        try await gateway.kill()
        try await gateway.redis.kill()
        _ = try await peers.send(1_000_000, over: "long")
        _ = try await peers.connect(3, to: "pipe.example.org", through: listen)
        try await gateway.redis.start()
        try await gateway.start()
        try await HTTPBackend.withServer("other") { other in
          let changed: JSON = ["Listen": .string(listen), "Remote": .string(other.endpoint)]
          #expect(try await gateway.pipe("SetPipe", "37-pipe", changed).callError == nil)
          #expect(try await answers(at: listen, as: "other"))
          _ = try await peers.send(1_000_000, over: "long")
          #expect(try await gateway.listedPipe("37-pipe")?["Streams"] == 1)
          #expect(try await gateway.pipe("DeletePipe", "37-pipe").callError == nil)
          #expect(try await gateway.pipe("Pipes").data == [])
          try await eventually { try await relay.metric("gateway_relay_connections") == 0 }
          #expect(try await isRefused(listen))
        }
      }
      #expect(try await gateway.pipe("DeletePipe", "37-pipe").callError == nil)
    }
  }

  @Test func targetThatIsAwayIsToldAndComesBack() async throws {
    try await Relay.withNode { gateway, relay in
      let target = "127.0.0.1:\(try FreePort.next())"
      let listen = try await gateway.setPipe("37-pipe", to: target)
      #expect(try await isRefused(listen))
      let listed = try await gateway.listedPipe("37-pipe")
      #expect(listed?["Error"] == .string("\(target): connection refused"))
      #expect(listed?["ErrorTime"].isNull == false && listed?["Listening"] == true)
      #expect(
        try relay.log.filter { $0["message"] == "pipe leads nowhere" }.map { $0["reason"] }
          == [.string("\(target): connection refused")])
      try await HTTPBackend.withServer("back", port: UInt16(target.split(separator: ":")[1])!) { _ in
        let isBack = try await answers(at: listen, as: "back")
        #expect(isBack)
      }
      #expect(try await relay.metric("gateway_relay_connections") == 0)
    }
  }

  /// Runs `body` with a pipe that leads to a server, one that leads to it through a tunnel, and a client of that.
  private func withBothWays(
    _ body: (GatewayProcess, Relay, _ direct: String, _ tunnelled: String) async throws -> Void
  ) async throws {
    try await Relay.withNode { gateway, relay in
      let secret = try await gateway.setTunnel("37-home")
      try await HTTPBackend.withServer("behind") { backend in
        let direct = try await gateway.setPipe("37-direct", to: backend.endpoint)
        let tunnelled = try await gateway.setPipe("37-tunnelled", to: "tunnel:37-home")
        try await relay.withClient(secret: secret, local: backend.endpoint) { _ in
          #expect(try await answers(at: tunnelled, as: "behind"))
          try await body(gateway, relay, direct, tunnelled)
        }
      }
    }
  }

  /// Runs `body` with a client that has asked for so many bytes, and a function that has it read them all, and tells how many came.
  private func withStalledReader(
    of count: Int, at address: String, _ body: (_ read: () async throws -> Int) async throws -> Void
  ) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let input = Pipe()
      try await ChildProcess.withProcess(
        Repository.program("python3"),
        [Repository.file("Tests/python/stalled_reader.py"), address, "/bytes/\(count)"],
        standardInput: input.fileHandleForReading.fileDescriptor, log: directory.file("reader.log")
      ) { reader in
        _ = try await reader.line { $0 == "asked" }
        try await body {
          try input.fileHandleForWriting.write(contentsOf: Data("\n".utf8))
          return Int(try await reader.line { $0.hasPrefix("read ") }.dropFirst(5)) ?? 0
        }
      }
    }
  }

  @Test func readerThatStallsHoldsUpNobodyAndCostsLittle() async throws {
    try await withBothWays { _, relay, direct, tunnelled in
      for listen in [direct, tunnelled] {
        let before = try relay.residentBytes
        try await withStalledReader(of: 100_000_000, at: listen) { read in
          // Until what may be held is held.
          var last = try await relay.received()
          try await eventually {
            try await Task.sleep(for: .milliseconds(200))
            let received = try await relay.received()
            defer { last = received }
            return received == last
          }
          for _ in 0..<20 { #expect(try await answers(at: listen, as: "behind")) }
          #expect(try relay.residentBytes - before < 24 << 20)
          let count = try await read()
          #expect(count > 100_000_000)
        }
      }
    }
  }

  @Test func tailIsDeliveredWhenTheRelayStops() async throws {
    try await withBothWays { _, relay, direct, tunnelled in
      let before = try await relay.received()
      try await withStalledReader(of: 8_000_000, at: direct) { readFirst in
        try await withStalledReader(of: 8_000_000, at: tunnelled) { readSecond in
          // Of each more than the other can account for.
          try await eventually { try await relay.received() > before + 10_000 }
          relay.signal(SIGTERM)
          let counts = try await (readFirst(), readSecond())
          #expect(counts.0 > 8_000_000 && counts.1 > 8_000_000)
          #expect(try await relay.exit() == .code(0))
        }
      }
    }
  }

  @Test func connectionThatCarriesNothingIsClosedWhereAsked() async throws {
    try await Relay.withNode(relay: ["--allow-loopback-backends", "--stream-idle-timeout", "2"]) { gateway, relay in
      try await TLSPeers.withPeers { peers in
        let listen = try await gateway.setPipe("37-pipe", to: peers.endpoint)
        try await peers.open("idle", to: "pipe.example.org", through: listen)
        // Only an answer shows that it is carried.
        _ = try await peers.send(1000, over: "idle")
        try await eventually { try await relay.metric("gateway_relay_connections") == 0 }
      }
    }
  }

  @Test func relayOutOfDescriptorsSaysSoAndGoesOn() async throws {
    try await Relay.withNode { gateway, relay in
      try await TLSPeers.withPeers { peers in
        let listen = try await gateway.setPipe("37-pipe", to: peers.endpoint)
        try await peers.open("kept", to: "pipe.example.org", through: listen)
        _ = try await peers.send(1000, over: "kept")
        let used = Set(
          try FileManager.default.contentsOfDirectory(atPath: "/proc/\(relay.pid)/fd").compactMap { Int($0) })
        let free = (0...).first { !used.contains($0) }!
        func limit(_ count: Int) async throws {
          try await Command.succeed("prlimit", ["--pid", "\(relay.pid)", "--nofile=\(count):"])
        }
        // None for who comes, and then none for where the pipe leads.
        for count in [free, free + 1] {
          try await limit(count)
          for _ in 0..<5 { #expect(try await isRefused(listen)) }
        }
        _ = try await peers.send(100_000, over: "kept")
        try await limit(4096)
        _ = try await peers.connect(5, to: "pipe.example.org", through: listen)
        _ = try await peers.close("kept")
        #expect(try relay.log.contains { $0["message"] == "connections are refused: no descriptors are left" })
        #expect(try await gateway.listedPipe("37-pipe")?["Error"].string?.hasSuffix(": Too many open files") == true)
      }
    }
  }

  @Test func noPipeLeadsToTheNodeItself() async throws {
    try await Relay.withNode(relay: []) { gateway, relay in
      // The gateway lets it pass, and the relay does not: as of a name, whose addresses are seen only then.
      let listen = try await gateway.setPipe("37-loop", to: "127.0.0.1:1")
      let loop: JSON = ["Listen": .string(listen), "Remote": .string(listen)]
      #expect(try await gateway.pipe("SetPipe", "37-loop", loop).callError == nil)
      #expect(try await isRefused(listen))
      #expect(
        try await gateway.listedPipe("37-loop")?["Error"]
          == .string("\(listen): the address is one of this node's own"))
      try await eventually { try await relay.metric("gateway_relay_connections") == 0 }
    }
  }

  // MARK: Private networks

  /// Runs `body` with a namespace that the node's `network` module says is that of every network, and with servers at one address of
  /// the loopback, outside it and in it.
  private func withNetwork(
    of gateway: GatewayProcess,
    _ body: (_ namespace: String, PythonCaller.Service, _ server: String) async throws -> Void
  ) async throws {
    try await TemporaryNetworkNamespace.withNamespace { namespace in
      let networks = try await gateway.caller.serve(
        "network@0.0.1", of: "network", methods: ["Namespace": ["result": .string(namespace)]])
      try await HTTPBackend.withServer("outside") { outside in
        try await TemporaryNetworkNamespace.inside(namespace) {
          try await HTTPBackend.withServer("inside", port: outside.port) { inside in
            try await TemporaryNetworkNamespace.inside(nil) { try await body(namespace, networks, inside.endpoint) }
          }
        }
      }
    }
  }

  @Test(.enabled(if: TemporaryNetworkNamespace.isPermitted))
  func pipesLeadIntoAPrivateNetworkAndOutOfIt() async throws {
    try await Relay.withNode { gateway, relay in
      try await withNetwork(of: gateway) { namespace, networks, server in
        let listen = try await gateway.setPipe("37-in", to: server, in: "mynet")
        #expect(try await networks.requests() == [.init(method: "Namespace", arguments: ["VhXa1GWNNKDvv"])])
        // The same address outside is another's.
        let plain = try await gateway.setPipe("37-plain", to: server)
        for _ in 0..<10 {
          #expect(try await answers(at: listen, as: "inside"))
          #expect(try await answers(at: plain, as: "outside"))
        }
        let reverse: JSON = ["Listen": "127.0.0.1:80", "Network": "mynet", "Remote": .string(server)]
        #expect(try await gateway.pipe("SetPipe", "37-out", reverse).callError == nil)
        func isServedInside() async throws -> Bool {
          try await TemporaryNetworkNamespace.inside(namespace) { try await answers(at: "127.0.0.1:80", as: "outside") }
        }
        #expect(try await isServedInside())
        let listed = try await gateway.listedPipe("37-out")
        #expect(listed?["Network"] == "mynet" && listed?["RemoteNetwork"] == "" && listed?["Listening"] == true)
        #expect(try await gateway.listedPipe("37-in")?["RemoteNetwork"] == "mynet")
        // The network goes away, and another comes by its name.
        try await Command.succeed("ip", ["netns", "delete", namespace])
        #expect(try await isRefused(listen))
        #expect(
          try await gateway.listedPipe("37-in")?["Error"].string?.contains("no network namespace \(namespace)") == true)
        #expect(try await answers(at: plain, as: "outside"))
        try await Command.succeed("ip", ["netns", "add", namespace])
        try await Command.succeed("ip", ["-n", namespace, "link", "set", "lo", "up"])
        try await eventually { try await isServedInside() }
        // Also for a relay that has never seen the old one.
        relay.signal(SIGKILL)
        _ = try await relay.exit()
        try await relay.start()
        try await eventually { try await isServedInside() }
      }
    }
  }

  @Test(.enabled(if: TemporaryNetworkNamespace.isPermitted))
  func hostNamesAreLookedUpForEachConnectionWhereThePipeLeads() async throws {
    try await Relay.withNode { gateway, _ in
      try await withNetwork(of: gateway) { namespace, _, server in
        let directory = "/etc/netns/\(namespace)"
        let isMade = FileManager.default.fileExists(atPath: "/etc/netns")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: isMade ? directory : "/etc/netns") }
        func write(_ lines: String) throws {
          try lines.write(toFile: "\(directory)/hosts", atomically: true, encoding: .utf8)
        }
        let port = server.split(separator: ":")[1]
        try write("127.0.0.1 db.example.org\n")
        let listen = try await gateway.setPipe("37-in", to: "db.example.org:\(port)", in: "mynet")
        #expect(try await answers(at: listen, as: "inside"))
        // Nobody is at the first address.
        try write("127.0.0.9 db.example.org\n127.0.0.1 db.example.org\n")
        #expect(try await answers(at: listen, as: "inside"))
        try write("127.0.0.9 db.example.org\n")
        #expect(try await isRefused(listen))
        #expect(try await gateway.listedPipe("37-in")?["Error"] == .string("127.0.0.9:\(port): connection refused"))
        try write("169.254.1.1 db.example.org\n")
        #expect(try await isRefused(listen))
        #expect(
          try await gateway.listedPipe("37-in")?["Error"] == "db.example.org: no pipe may lead to 169.254.1.1")
      }
    }
  }

  @Test(.enabled(if: TemporaryNetworkNamespace.isPermitted))
  func addressThatNeverAnswersIsGivenUp() async throws {
    try await Relay.withNode { gateway, _ in
      try await withNetwork(of: gateway) { namespace, _, server in
        // Where packets come to nobody.
        try await Command.succeed("ip", ["-n", namespace, "route", "add", "192.0.2.0/24", "dev", "lo"])
        let listen = try await gateway.setPipe("37-silent", to: "192.0.2.9:80", in: "mynet")
        let other = try await gateway.setPipe("37-in", to: server, in: "mynet")
        async let silent = isRefused(listen)
        // One that waits holds up no other.
        for _ in 0..<10 { #expect(try await answers(at: other, as: "inside")) }
        #expect(try await silent)
        #expect(try await gateway.listedPipe("37-silent")?["Error"] == "192.0.2.9:80: no answer")
      }
    }
  }

  // MARK: The command line

  @Test func commandsSetListAndDelete() async throws {
    try await Relay.withNode { gateway, _ in
      try await HTTPBackend.withServer("behind") { backend in
        let listen = "127.0.0.1:\(try FreePort.next())"
        let set = try await gateway.gatewayctl(
          "pipe", "set", "37-pipe", "--listen", listen, "--remote", backend.endpoint)
        #expect(set.status == .code(0) && set.standardOutput.isEmpty)
        let again = try await gateway.gatewayctl(
          "pipe", "set", "37-pipe", "--listen", listen, "--remote", backend.endpoint, "--wait")
        #expect(again.status == .code(0) && again.standardError.hasPrefix("the pipe of 37-pipe is served after "))
        #expect(try await answers(at: listen, as: "behind"))
        let list = try await gateway.gatewayctl("pipe", "list")
        let rows = list.standardOutput.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(
          rows.first == ["WORKLOAD", "LISTEN", "LISTENING", "REMOTE", "STREAMS", "RECEIVED", "SENT", "LAST", "ERROR"])
        #expect(rows.last.map { Array($0.prefix(5)) } == ["37-pipe", listen, "yes", backend.endpoint, "0"])
        let json = try JSON(parsing: try await gateway.gatewayctl("pipe", "list", "--json").standardOutput)
        #expect(json.array?.count == 1)
        for field in ["Workload", "Listen", "Remote", "Received", "Listening"] {
          let listed = try await gateway.listedPipe("37-pipe")
          #expect(json[0][field] == listed?[field])
        }
        #expect(try await gateway.gatewayctl("pipe", "delete", "37-pipe").status == .code(0))
        #expect(try await isRefused(listen))
        let bad = try await gateway.gatewayctl("pipe", "set", "37-pipe", "--listen", "x", "--remote", "y")
        #expect(bad.status != .code(0) && bad.standardError.contains("invalid"))
      }
    }
    try await GatewayProcess.withGateway { gateway in
      let none = try await gateway.gatewayctl("pipe", "list")
      #expect(none.standardError.contains("this gateway has no pipes: it was started without --relay-address"))
    }
  }
}
