import Foundation
import TestSupport
import Testing

/// An authority that refuses is not asked again at each change of any route.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct CertificateHoldTests {
  private static let released = "certificate there: its name is no longer on hold"

  /// The workloads whose files ask for a certificate, of those that begin so.
  private func asking(_ prefix: String, _ gateway: GatewayProcess) throws -> Set<String> {
    let files = try gateway.files(in: "proxy").filter { $0.value.content.contains("certResolver: ") }
    return Set(files.keys.map { String($0.dropLast(5)) }.filter { $0.hasPrefix(prefix) })
  }

  /// Ends a gateway without warning and starts it again, with this patience.
  private func kill(_ gateway: GatewayProcess, patience: Int) async throws {
    try await gateway.kill()
    try await gateway.start(adding: ["--acme-patience", "\(patience)"])
  }

  private func reloads(_ gateway: GatewayProcess) async throws -> Int {
    let scrape = try await gateway.client("--traefik-address").fetch("http://metrics/metrics").body
    let line = scrape.split(separator: "\n").first { $0.hasPrefix("traefik_config_reloads_total ") }
    return line?.split(separator: " ").last.flatMap { Double($0) }.map { Int($0) } ?? 0
  }

  @Test(
    "Ten names that are refused cost no order at any change, over a crash too, and get certificates once there are some"
  )
  func tenNames() async throws {
    let names = (0..<10).map { "dead\($0)" }
    try await HTTPBackend.withServer("app") { app in
      try await CertificateNode.withNode(domains: (names + ["change"]).map { "\($0).example.org" }) { node in
        try await ACMELimit.withServer(before: node.pebble) { authority in
          let gateway = node.gateway
          for name in names { try await gateway.setFQDN(name, "\(name).example.org", app.url) }
          let written = try gateway.routeFile("dead0")
          try await gateway.restart(adding: ["--acme-ca", authority.directoryURL])
          try await gateway.withTraefikAsInstalled(environment: node.pebble.environment) { _ in
            var port = 0
            func change() async throws {
              port += 1
              let before = try await reloads(gateway)
              try await gateway.setFQDN("change", "change.example.org", "10.1.2.3:\(port)")
              try await eventually { try await reloads(gateway) > before }
            }
            try await eventually { authority.refusals >= 10 }
            // Five changes and 2.5 s put them on hold, and 300 s pass until the next time.
            try await kill(gateway, patience: 25)
            try await eventually {
              try await change()
              return try asking("dead", gateway).isEmpty
            }
            #expect(try gateway.logged("no certificate: its name is on hold").count >= 10)
            // Hours pass until the next time from now on.
            try await kill(gateway, patience: 300)
            let held = try #require(try gateway.routeFile("dead0"))
            #expect(held.modified == written?.modified, "how long it has waited is still known")

            // Traefik may have read some of the files before they were put on hold, and goes on with what it began.
            try await eventually {
              let refusals = authority.refusals
              for _ in 1...6 { try await change() }
              return authority.refusals == refusals
            }
            #expect(try asking("dead", gateway).isEmpty)

            let told = try await eventually {
              try await gateway.call("Node").data
            } until: {
              $0["Uncertified"] == 10
            }
            let next = try #require(told["WithoutCertificate"][0]["NextTry"]["$time"][0].number)
            #expect((3000...3700).contains(next - Date().timeIntervalSince1970))
            let status = try await gateway.gatewayctl("status").standardOutput
            #expect(status.contains("certs    10 names without: dead0.example.org since "), "\(status)")
            #expect(try #/ \(on hold until \S+Z\), dead1/#.firstMatch(in: status) != nil, "\(status)")
            let check = try await gateway.gatewayctl("check", "--resolver", gateway.address("--resolver"))
            #expect(check.standardOutput.contains(" (on hold until "), "\(check)")

            // Its owner may set it again: that is remembered, and breaks no limit.
            let wait = try await gateway.gatewayctl(
              "set-fqdn", "dead0", "dead0.example.org", "--backend", app.url, "--wait", "1")
            #expect(wait.status == .code(75))
            #expect(
              wait.standardError.contains("; its name is on hold, and is tried again at "), "\(wait.standardError)")
            #expect(try gateway.routeFile("dead0") == held)

            authority.issue()
            try await kill(gateway, patience: 10)
            // Twenty seconds after they were put on hold owners have them tried, and again when 10 s were too few.
            try await eventually(within: .seconds(180)) {
              for name in names { try await gateway.setFQDN(name, "\(name).example.org", app.url) }
              return try gateway.logged(Self.released).count == 10
            }
            try await eventually { try await gateway.call("Node").data["Uncertified"] == 0 }
            #expect(try await node.fetch("https://dead7.example.org/").certificateNames == ["dead7.example.org"])
            try await eventually { try asking("dead", gateway).count == 10 }
          }
        }
      }
    }
  }

  @Test("The node's wildcard on hold is so for all its names, and one of them tries it", .enabled(if: geteuid() == 0))
  func wildcard() async throws {
    try await HTTPBackend.withServer("app") { app in
      try await CertificateNode.withNode { node in
        try await ACMELimit.withServer(before: node.pebble) { authority in
          let gateway = node.gateway
          for name in ["a", "b", "c"] { try await gateway.setName("n-\(name)", name, app.url) }
          try await gateway.restart(adding: ["--acme-ca", authority.directoryURL, "--acme-patience", "25"])
          try await gateway.withTraefikAsInstalled(environment: node.pebble.environment) { _ in
            // A Traefik that somebody has to restart makes orders all the same.
            try FileManager.default.setAttributes(
              [.modificationDate: Date(timeIntervalSinceNow: 3600)], ofItemAtPath: gateway.root.file("traefik.yaml"))
            var port = 0
            try await eventually {
              port += 1
              try await gateway.setName("n-c", "c", "http://10.1.2.3:\(port)")
              return try asking("n-", gateway).isEmpty
            }
            try await kill(gateway, patience: 300)
            try await gateway.setName("n-new", "new", app.url)
            #expect(try asking("n-", gateway).isEmpty)
            try await eventually {
              let told = try await gateway.call("Node").data
              return told["WithoutCertificate"][0]["Name"].string == "*.\(GatewayProcess.zone)"
            }

            authority.issue()
            try await kill(gateway, patience: 10)
            // Twenty seconds after it was put on hold its owner has it tried, and again when 10 s were too few for Traefik.
            try await eventually(within: .seconds(180)) {
              try await gateway.setName("n-new", "new", app.url)
              return try !gateway.logged(Self.released).isEmpty
            }
            let site = try await node.fetch("https://new.\(GatewayProcess.zone)/")
            #expect(site.certificateNames == ["*.\(GatewayProcess.zone)"])
            try await eventually { try asking("n-", gateway).count == 4 }
            #expect(node.pebble.certificates == 1)
          }
        }
      }
    }
  }
}
