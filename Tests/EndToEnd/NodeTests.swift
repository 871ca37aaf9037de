import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// `Node`: what the running gateway tells of itself, its node and Traefik.
@Suite(.timeLimit(.minutes(3)))
struct NodeTests {
  @Test func tellsWhatItWasStartedWithAndWhatItSees() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("w", "shop", "http://10.1.2.3")
      try gateway.root.write("[", to: "proxy/bad.yaml")
      try await eventually { try gateway.files(in: "quarantine").keys.contains("bad.yaml") }
      let node = try await gateway.call("Node").data
      #expect(node["Version"] == "development build")
      #expect(node["PID"] == .integer(Int64(gateway.pid)))
      #expect(node["Root"] == .string(gateway.root.path))
      #expect(node["Domain"] == .string(zone))
      #expect(node["PublicIPs"] == .array(GatewayProcess.addresses.map(JSON.string)))
      #expect(node["NetworkFault"] == "")
      for (field, flag) in [
        ("HTTPAddress", "--http-address"), ("HTTPSAddress", "--https-address"), ("TraefikAddress", "--traefik-address"),
      ] {
        #expect(node[field] == .string(gateway.address(flag)))
      }
      #expect(node["Netns"] == "" && node["CertificateAuthority"] == "")
      #expect(node["Routes"] == 1 && node["Quarantined"] == 1)
      #expect(node["Quarantine"].array?.count == 1 && node["Quarantine"][0]["Name"] == "bad.yaml")
      #expect(node["Quarantine"][0]["Reason"].string?.hasPrefix("line ") == true)
      #expect(node["Machine"].string?.count == 36 && node["Host"].string?.isEmpty == false)
      let down = node["Traefik"]
      #expect(down["Up"] == false && down["Fault"].string?.hasSuffix(": nothing listens there") == true)

      // What was quarantined in another life is told too, as far as it shows.
      try gateway.root.write("also: [", to: "quarantine/old.yaml.1")
      try await gateway.restart(adding: ["--acme-email", "o@example.org", "--acme-ca", "https://ca.example.org/d"])
      let later = try await gateway.call("Node").data
      #expect(later["CertificateAuthority"] == "https://ca.example.org/d")
      #expect(later["Quarantine"].array?.map { $0["Name"].string } == ["bad.yaml", "old.yaml.1"])
      #expect(later["Quarantine"].array?.allSatisfy { $0["Reason"].string?.hasPrefix("line ") == true } == true)
    }
  }

  @Test func tellsOfTraefik() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.withTraefikAsInstalled { _ in
        let first = try await gateway.call("Node").data["Traefik"]
        #expect(first["Up"] == true && first["Fault"] == "" && first["Outdated"] == false)
        let reloads = try #require(first["Reloads"].number)
        try await gateway.setName("w", "shop", "http://10.1.2.3")
        try await eventually { try await gateway.call("Node").data["Traefik"]["Reloads"].number ?? 0 > reloads }

        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSinceNow: 60)], ofItemAtPath: gateway.root.file("traefik.yaml"))
        #expect(try await gateway.call("Node").data["Traefik"]["Outdated"] == true)
      }
    }
  }

  @Test func saysWhyThePublicNetworkIsNotKnown() async throws {
    try await GatewayProcess.withGateway([]) { gateway in
      let node = try await gateway.call("Node", within: .seconds(20)).data
      #expect(node["NetworkFault"].string?.hasPrefix("the node's public network is not known: ") == true, "\(node)")
      #expect(node["Domain"] == "" && node["PublicIPs"].array?.isEmpty == true)
    }
  }

  @Test func routesOfOneWorkload() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("w", "shop", "http://10.1.2.3")
      try await gateway.setName("v", "bank", "10.1.2.3:443")
      let all = try await gateway.routes()
      #expect(try await gateway.call("Routes", "w").data == .array([all[1]]))
      #expect(try await gateway.call("Routes", "v").data == .array([all[0]]))
      #expect(try await gateway.call("Routes", "u").data == [])
      #expect(try await gateway.call("Routes", "a/b").callError?.hasPrefix("invalid workload") == true)
    }
  }
}
