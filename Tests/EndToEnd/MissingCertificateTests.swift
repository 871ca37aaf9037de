import Foundation
import TestSupport
import Testing

/// What is told of sites that get no certificate, and of domains that point elsewhere by now.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct MissingCertificateTests {
  /// When `name`'s route is said to have been written, in seconds from now.
  private func date(_ name: String, _ seconds: Double, _ gateway: GatewayProcess) throws {
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceNow: seconds)], ofItemAtPath: gateway.root.file("proxy/\(name).yaml"))
  }

  /// The line of `gatewayctl check` that begins with an outcome and this name.
  private func line(_ name: String, of outcome: Command.Outcome) -> String? {
    let lines = outcome.standardOutput.split(separator: "\n").map(String.init)
    return lines.first { $0.dropFirst(9).hasPrefix(name.padding(toLength: 11, withPad: " ", startingAt: 0)) }
  }

  @Test("Names that the authority refuses are told, until it issues or their routes are deleted")
  func rateLimit() async throws {
    let domains = ["app.example.org", "gone.example.org", "young.example.org"]
    try await HTTPBackend.withServer("app") { app in
      try await CertificateNode.withNode(domains: domains) { node in
        try await ACMELimit.withServer(before: node.pebble) { authority in
          let gateway = node.gateway
          let resolver = gateway.address("--resolver")
          for (name, age) in [("app", -180.0), ("gone", -240), ("young", 3600)] {
            try await gateway.setFQDN(name, "\(name).example.org", app.url)
            try date(name, age, gateway)
          }
          try await gateway.restart(adding: ["--acme-ca", authority.directoryURL])
          try await gateway.withTraefikAsInstalled(environment: node.pebble.environment) { traefik in
            _ = try await traefik.line {
              $0.contains("Unable to obtain ACME certificate") && $0.contains("429 ::") && $0.contains("rateLimited")
            }
            try await eventually { authority.refusals >= 3 }

            let told = try await gateway.call("Node").data
            #expect(told["Uncertified"] == 2)
            let names = told["WithoutCertificate"].array ?? []
            #expect(names.map { $0["Name"].string } == ["app.example.org", "gone.example.org"])
            let since = names.map { $0["Since"]["$time"][0].number ?? 0 }
            #expect(since.count == 2 && since[1] <= since[0] - 59 && since[0] < Date().timeIntervalSince1970 - 120)

            let status = try await gateway.gatewayctl("status")
            #expect(status.status == .code(0))
            let lines = status.standardOutput.split(separator: "\n")
            let index = try #require(lines.firstIndex { $0.hasPrefix("certs ") }, "\(status)")
            let certificates = lines[index]
            #expect(
              try #/certs    2 names without: app.example.org since \S+Z, gone.example.org since \S+Z/#.wholeMatch(
                in: certificates) != nil, "\(certificates)")
            #expect(lines[index + 1].contains("429 there is the authority's rate limit"))
            let json = try JSON(parsing: try await gateway.gatewayctl("status", "--json").standardOutput)["Node"]
            #expect(json["Uncertified"] == 2 && json["WithoutCertificate"][0]["Name"] == "app.example.org")
            let time = try #require(json["WithoutCertificate"][0]["Since"].string)
            #expect(certificates.contains(" app.example.org since \(time),"))

            let check = try await gateway.gatewayctl("check", "--resolver", resolver)
            let line = try #require(self.line("certs", of: check))
            #expect(line.hasPrefix("warning  certs      2 names without: app.example.org since "), "\(line)")
            #expect(line.contains(" -> Traefik's log says why, "))
            #expect(self.line("domains", of: check) == nil, "they point to the node")

            let refusals = authority.refusals
            try await gateway.delete("gone")
            let rest = try await gateway.call("Node").data
            #expect(rest["Uncertified"] == 1 && rest["WithoutCertificate"].array?.count == 1)

            // Traefik asks again when a route changes, and for nothing that it is asking for.
            try await eventually { authority.refusals >= refusals + 2 }
            authority.issue()
            try await gateway.delete("young")
            #expect(try await node.fetch("https://app.example.org/").certificateNames == ["app.example.org"])
            try await eventually { try await gateway.call("Node").data["Uncertified"] == 0 }
            #expect(try await gateway.call("Node").data["WithoutCertificate"] == [])
            let later = try await gateway.gatewayctl("status")
            #expect(later.standardOutput.contains("\ncerts    no site has waited for more than 2 minutes\n"))
            let good = try await gateway.gatewayctl("check", "--resolver", resolver)
            #expect(
              self.line("certs", of: good) == "ok       certs      no site has waited for more than 2 minutes")
            #expect(
              self.line("storage", of: good)
                == "ok       storage    Traefik's certificates in \(gateway.root.file("traefik")) are whole and private"
            )
          }
        }
      }
    }
  }

  @Test("A domain that pointed to the node when it was set and no longer does is told with both addresses")
  func domainThatLeft() async throws {
    func records(_ address: String) -> [Dnsmasq.Record] {
      [.address("stays.example.org", "203.0.113.7"), .address("leaves.example.org", address)]
    }
    try await Dnsmasq.withServer(records("203.0.113.7")) { resolver in
      try await GatewayProcess.withGateway(GatewayProcess.node + ["--resolver", resolver.address]) { gateway in
        for name in ["stays", "leaves"] { try await gateway.setFQDN(name, "\(name).example.org", "http://10.1.2.3") }
        // Its domain is looked up nowhere: the node's zone is.
        try await gateway.setName("named", "shop", "http://10.1.2.3")
        func domains(_ flags: String...) async throws -> String? {
          let arguments = ["check", "--resolver", resolver.address] + flags
          return line(
            "domains",
            of: try await Command.run(
              Repository.product("gatewayctl"), arguments, environment: ["GATEWAY_BROKER": gateway.redis.unixURL]))
        }
        #expect(try await domains("--domains") == "ok       domains    all 2 FQDNs point to this node")

        try await resolver.know(records("192.0.2.9"))
        #expect(
          try await domains("--domains")
            == "warning  domains    leaves.example.org does not point to this node: it has 192.0.2.9, this node is at "
            + "203.0.113.7, 2001:db8::7 -> such a site gets no certificate, and the one that it has is not renewed: "
            + "correct the records, or delete the route")
        #expect(try await domains() == nil, "without the flag nothing is looked up")

        try await gateway.delete("leaves")
        #expect(try await domains("--domains") == "ok       domains    the one FQDN points to this node")
      }
    }
  }
}
