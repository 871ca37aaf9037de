import Foundation
import TestSupport
import Testing

/// That Traefik comes back with the certificates it had, whatever happened to its storage.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct CertificateFaultTests {
  /// What happens to the storage, as a shell command in its directory.
  static let faults = [
    "truncate --size 2000 acme.json", "truncate --size 0 acme.json", "rm acme.json", "chmod 644 acme.json",
  ]

  @Test("Traefik starts with its certificates after", arguments: faults)
  func storage(_ fault: String) async throws {
    try await HTTPBackend.withServer("app") { app in
      try await CertificateNode.withNode(domains: ["app.example.org"]) { node in
        let environment = node.pebble.environment
        let storage = node.gateway.root.file("traefik/acme.json")
        try await node.gateway.withTraefikAsInstalled(environment: environment) { _ in
          try await node.gateway.setFQDN("app", "app.example.org", app.url)
          #expect(try await node.fetch("https://app.example.org/").certificateNames == ["app.example.org"])
        }
        let whole = try String(contentsOfFile: storage, encoding: .utf8)
        try await eventually {
          try String(contentsOfFile: storage + ".kept", encoding: .utf8) == whole
        }

        try await Command.succeed("sh", ["-ec", "cd $0; \(fault)", node.gateway.root.file("traefik")])
        try await eventually {
          let mode = try FileManager.default.attributesOfItem(atPath: storage)[.posixPermissions] as? Int
          return try String(contentsOfFile: storage, encoding: .utf8) == whole && mode == 0o600
        }
        try await node.gateway.withTraefikAsInstalled(environment: environment) { _ in
          let response = try await node.fetch("https://app.example.org/")
          #expect(response.certificateNames == ["app.example.org"])
        }
        #expect(node.pebble.orders == 1)
      }
    }
  }

  /// What Traefik does when there is no room for the second certificate.
  @Test(.enabled(if: geteuid() == 0, "mounting a small disk takes root"))
  func fullDiskLosesNothingThatWasThere() async throws {
    let domains = ["app.example.org", "blog.example.org", "shop.example.org"]
    try await HTTPBackend.withServer("app") { app in
      try await CertificateNode.withNode(domains: domains) { node in
        let environment = node.pebble.environment
        let directory = node.gateway.root.file("traefik")
        // There is room for one certificate and its copy, and not for two.
        try await Command.succeed("mount", ["-t", "tmpfs", "-o", "size=28k,mode=700", "tmpfs", directory])
        do {
          try await node.gateway.restart()
          try await node.gateway.withTraefikAsInstalled(environment: environment) { traefik in
            try await node.gateway.setFQDN("app", domains[0], app.url)
            #expect(try await node.fetch("https://\(domains[0])/").certificateNames == [domains[0]])
            try await eventually {
              FileManager.default.fileExists(atPath: directory + "/acme.json.kept")
            }
            for name in domains.dropFirst() { try await node.gateway.setFQDN(name, name, app.url) }
            _ = try await traefik.line { $0.contains("no space left on device") }
          }
          try await eventually {
            try !node.gateway.logged("Traefik's certificate storage was damaged").isEmpty
          }
          try await Command.succeed("mount", ["-o", "remount,size=1m", directory])
          try await node.gateway.withTraefikAsInstalled(environment: environment) { _ in
            for name in domains {
              let response = try await node.fetch("https://\(name)/")
              #expect(response.certificateNames == [name])
            }
          }
          #expect(node.pebble.certificates <= 5)
        } catch {
          try await Command.succeed("umount", ["--lazy", directory])
          throw error
        }
        try await Command.succeed("umount", ["--lazy", directory])
      }
    }
  }
}
