import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// `gatewayctl set-… --wait`: what it waits for, and where it says that a route hangs.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct WaitTests {
  /// The steps that were over, as standard error tells them.
  private func steps(_ outcome: Command.Outcome) -> [String] {
    outcome.standardError.split(separator: "\n").filter { $0.hasPrefix("done ") }
      .map { String($0.split(separator: " ")[1]) }
  }

  private func wait(
    _ gateway: GatewayProcess, _ arguments: [String], limit: Double = 120, environment: [String: String] = [:]
  ) async throws -> Command.Outcome {
    try await Command.run(
      Repository.product("gatewayctl"), arguments + ["--wait", "\(limit)", "--root", gateway.root.path],
      environment: ["GATEWAY_BROKER": gateway.redis.unixURL].merging(environment) { $1 }, within: .patience * 3)
  }

  /// Waits for what does not come, as often as it takes until it is the last step that is not over: on a busy machine the time of
  /// one run may be over before.
  private func wait(
    _ gateway: GatewayProcess, _ arguments: [String], untilItHangsAt step: String
  ) async throws -> Command.Outcome {
    let outcome = try await eventually {
      try await wait(gateway, arguments, limit: 3)
    } until: {
      $0.standardError.contains("it is stuck at the step '\(step)': ")
    }
    #expect(outcome.status == .code(75), "\(outcome.standardError)")
    return outcome
  }

  @Test func returnsWhenTheWorldSeesTheRoute() async throws {
    try await HTTPBackend.withServer("app") { app in
      try await CertificateNode.withNode(domains: ["app.example.org", "down.example.org"], isDelegated: false) { node in
        let (gateway, pebble) = (node.gateway, node.pebble)
        try await gateway.withTraefikAsInstalled(environment: pebble.environment) { _ in
          let outcome = try await wait(
            gateway, ["set-fqdn", "app", "app.example.org", "--backend", app.url],
            environment: ["SSL_CERT_FILE": pebble.root])
          #expect(outcome.status == .code(0), "\(outcome.standardError)")
          #expect(steps(outcome) == ["file", "traefik", "certificate", "backend"])
          #expect(outcome.standardError.contains("status 200, certificate of CN=Pebble Intermediate CA"))
          #expect(!outcome.standardError.contains("does not trust"))
          // It is so at once, and nothing has to be waited for again.
          let client = gateway.client("--https-address", trust: .authority(file: pebble.root))
          #expect(try await client.fetch("https://app.example.org/").status == 200)

          // Everything but the backend is there; as JSON.
          let down = try await wait(
            gateway, ["set-fqdn", "down", "down.example.org", "--backend", "http://127.0.0.1:9", "--json"],
            untilItHangsAt: "backend")
          let result = try JSON(parsing: down.standardOutput)["Steps"].array ?? []
          #expect(result.map { $0["Step"].string } == ["file", "traefik", "certificate", "backend"])
          #expect(result.map { $0["Outcome"].string } == ["done", "done", "done", "hangs"])
          #expect(result.last?["Finding"].string == "Traefik answers 502: the backends do not")
          #expect(
            down.standardError.split(separator: "\n").last?.wholeMatch(
              of: /gatewayctl: down\.example\.org is not served after [0-9.]+ s: it is stuck at the step 'backend': .*/)
              != nil,
            "\(down.standardError)")
        }
      }
    }
  }

  @Test func saysThatTraefikDoesNotListen() async throws {
    try await GatewayProcess.withGateway { gateway in
      let outcome = try await wait(gateway, ["set-name", "w", "shop", "--backend", "http://127.0.0.1:9"], limit: 1)
      #expect(outcome.status == .code(75))
      #expect(outcome.standardOutput == "shop.\(zone)\n")
      #expect(steps(outcome) == ["file"])
      #expect(
        outcome.standardError.contains(
          "is stuck at the step 'traefik': Traefik does not listen: connect to \(gateway.address("--https-address")): "
            + "Connection refused"), "\(outcome.standardError)")
    }
  }

  @Test("Without an authority no certificate is waited for, and a dead backend is told")
  func withoutCertificates() async throws {
    try await HTTPBackend.withServer("app") { app in
      try await GatewayProcess.withGateway { gateway in
        try await gateway.withTraefikAsInstalled { _ in
          let outcome = try await wait(gateway, ["set-name", "w", "shop", "--backend", app.url, "--json"])
          #expect(outcome.status == .code(0), "\(outcome.standardError)")
          let result = try JSON(parsing: outcome.standardOutput)["Steps"].array ?? []
          #expect(result.map { $0["Outcome"].string } == ["done", "done", "skipped", "done"])
          #expect(result[2]["Finding"] == "none is asked for: the gateway has no --acme-email")
          #expect(
            result[3]["Finding"].string == "status 200, with 'CN=TRAEFIK DEFAULT CERT', which is not for shop.\(zone)")

          let down = try await wait(
            gateway, ["set-name", "v", "down", "--backend", "http://127.0.0.1:9"], untilItHangsAt: "backend")
          #expect(steps(down) == ["file", "traefik"])
          #expect(
            down.standardError.contains("is stuck at the step 'backend': Traefik answers 502: the backends do not"),
            "\(down.standardError)")
        }
      }
    }
  }

  @Test("A backend is asked once, when all else is there, and no byte of that is counted")
  func backendIsSpared() async throws {
    try await HTTPBackend.withServer("app") { app in
      // There is an authority, which never answers: the certificate is waited for to the end.
      let flags = GatewayProcess.permissive + ["--acme-email", "o@example.org", "--acme-ca", "https://127.0.0.1:9/d"]
      try await GatewayProcess.withGateway(flags) { gateway in
        try await gateway.withTraefikAsInstalled { _ in
          let outcome = try await wait(
            gateway, ["set-fqdn", "w", "w.example.org", "--backend", app.url], untilItHangsAt: "certificate")
          #expect(outcome.standardError.contains("is stuck at the step 'certificate': Traefik shows "))
          #expect(try await requests(gateway, "w") == 0)
        }
      }
      try await GatewayProcess.withGateway { gateway in
        try await gateway.withTraefikAsInstalled { _ in
          #expect(try await wait(gateway, ["set-name", "w", "shop", "--backend", app.url]).status == .code(0))
          #expect(try await requests(gateway, "w") == 1)
          let metrics = try await gateway.call("Metrics").data
          #expect(metrics["Request"]["w"].number ?? 0 == 0 && metrics["Response"]["w"].number ?? 0 == 0, "\(metrics)")
        }
      }
    }
  }

  /// How many requests for a workload Traefik has counted.
  private func requests(_ gateway: GatewayProcess, _ workload: String) async throws -> Double {
    let metrics = try await HTTPClient().fetch("http://\(gateway.address("--traefik-address"))/metrics").body
    return metrics.split(separator: "\n").filter {
      $0.hasPrefix("traefik_service_requests_total{") && $0.contains("service=\"\(workload)@file\"")
    }.reduce(0) { $0 + (Double($1.split(separator: " ").last!) ?? 0) }
  }

  @Test("What a gateway tells goes before a directory that is not its own")
  func wrongRootDoesNoHarm() async throws {
    try await HTTPBackend.withServer("app") { app in
      try await GatewayProcess.withGateway { gateway in
        try await gateway.withTraefikAsInstalled { _ in
          let outcome = try await gateway.gatewayctl(
            "set-name", "w", "shop", "--backend", app.url, "--wait", "--root", "/nowhere")
          #expect(outcome.status == .code(0), "\(outcome.standardError)")
          #expect(
            outcome.standardError.hasPrefix(
              "gatewayctl: the gateway's root is \(gateway.root.path), not /nowhere, which is not used\n"))
          #expect(steps(outcome) == ["file", "traefik", "backend"])
        }
      }
    }
  }

  @Test(
    "It works from another machine, where no file can be seen",
    .enabled(if: geteuid() == 0, "to be another machine takes root"))
  func fromAnotherMachine() async throws {
    try await HTTPBackend.withServer("app") { app in
      let address = LoopbackAddress.next()
      let flags = ["--domain", zone, "--public-ip", address, "--no-domain-check", "--allow-loopback-backends"]
      try await GatewayProcess.withGateway(flags + ["--https-address", ":\(try FreePort.next())"]) { gateway in
        try await gateway.withTraefikAsInstalled { _ in
          let arguments = ["set-name", "w", "shop", "--backend", app.url, "--wait", "120"]
          // Setting it again changes nothing, and nothing is reloaded.
          for _ in 0..<2 {
            let outcome = try await elsewhere(gateway, arguments)
            #expect(outcome.status == .code(0), "\(outcome.standardError)")
            #expect(steps(outcome) == ["file", "traefik", "backend"])
            #expect(outcome.standardError.contains(", on another machine, "), "\(outcome.standardError)")
          }
          let check = try await elsewhere(gateway, ["check", "--resolver", "127.0.0.1:\(try FreePort.next())"])
          let names = check.standardOutput.split(separator: "\n").map {
            $0.dropFirst(9).prefix(9).split(separator: "  ")[0]
          }
          #expect(names == ["broker", "module", "node", "traefik", "transfers", "zone A", "zone *", "zone NS"])
          #expect(
            check.standardOutput.contains("ok       traefik    the gateway sees it at "), "\(check.standardOutput)")
        }
      }
    }
  }

  /// Runs `gatewayctl` where the kernel's boot identifier is another one.
  private func elsewhere(_ gateway: GatewayProcess, _ arguments: [String]) async throws -> Command.Outcome {
    try await TemporaryDirectory.withDirectory { directory in
      try directory.write("00000000-0000-0000-0000-000000000000\n", to: "boot_id")
      let script = #"mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@""#
      return try await Command.run(
        "unshare",
        ["--mount", "sh", "-c", script, directory.file("boot_id"), Repository.product("gatewayctl")] + arguments,
        environment: ["GATEWAY_BROKER": gateway.redis.unixURL], within: .patience * 3)
    }
  }

  @Test func saysThatTraefikDoesNotTakeRoutesIn() async throws {
    try await GatewayProcess.withGateway { gateway in
      // It watches another directory than the one that routes are put in.
      let text = try String(contentsOfFile: gateway.root.file("traefik.yaml"), encoding: .utf8)
      try FileManager.default.createDirectory(atPath: gateway.root.file("elsewhere"), withIntermediateDirectories: true)
      // Not in place of the gateway's own, which it would put back.
      try gateway.root.write(text.replacing("/proxy", with: "/elsewhere"), to: "other.yaml")
      try await Traefik.withServer(configuration: gateway.root.file("other.yaml")) { _ in
        let outcome = try await wait(
          gateway, ["set-name", "w", "shop", "--backend", "127.0.0.1:9", "--tls-passthrough"], limit: 3)
        #expect(outcome.status == .code(75))
        #expect(steps(outcome) == ["file"])
        #expect(outcome.standardError.contains("is stuck at the step 'traefik': "), "\(outcome.standardError)")
      }
    }
  }

  @Test func backendHasToMakeTheHandshakeThatIsPassedThrough() async throws {
    try await HTTPBackend.withServer("bank.\(zone)", tls: true) { bank in
      try await GatewayProcess.withGateway { gateway in
        try await gateway.withTraefikAsInstalled { _ in
          let outcome = try await wait(
            gateway, ["set-name", "w", "bank", "--backend", bank.endpoint, "--tls-passthrough"])
          #expect(outcome.status == .code(0), "\(outcome.standardError)")
          #expect(steps(outcome) == ["file", "traefik", "backend"])
          #expect(outcome.standardError.contains("certificate 'CN=bank.\(zone)' of the backend"))

          // A route that is replaced is not taken for the one that it was.
          try await HTTPBackend.withServer("vault.\(zone)", tls: true) { vault in
            let other = try await wait(
              gateway, ["set-name", "w", "bank", "--backend", vault.endpoint, "--tls-passthrough"])
            #expect(other.status == .code(0), "\(other.standardError)")
            #expect(other.standardError.contains("certificate 'CN=vault.\(zone)' of the backend"))
          }

          let down = try await wait(
            gateway, ["set-name", "v", "down", "--backend", "127.0.0.1:9", "--tls-passthrough"],
            untilItHangsAt: "backend")
          #expect(steps(down) == ["file", "traefik"])
          #expect(
            down.standardError.contains("is stuck at the step 'backend': no TLS from a backend: TLS handshake: "),
            "\(down.standardError)")
        }
      }
    }
  }

  @Test func limitThatIsNoTimeIsAnError() async throws {
    try await GatewayProcess.withGateway { gateway in
      for value in ["0", "soon", "nan"] {
        let bad = try await gateway.gatewayctl(
          "set-name", "w", "shop", "--backend", "http://127.0.0.1:9", "--wait", value)
        #expect(bad.status == .code(64))
        #expect(
          bad.standardError
            == "gatewayctl: --wait must be a number of seconds from 0.1 to 86400, not '\(value)'\n")
      }
    }
  }
}
