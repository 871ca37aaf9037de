import ACMEHook
import Foundation
import ProxyConfig
import Records
import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ChallengeZoneTests {
  static func zones() throws -> [ChallengeZone] {
    [
      ChallengeZone(
        domain: try Domain("gent01.dev.grid.tf"), addresses: [try IPAddress("192.0.2.1"), try IPAddress("2001:db8::1")]),
      ChallengeZone(domain: nil, addresses: [try IPAddress("192.0.2.1")], port: 5353),
      ChallengeZone(domain: try Domain("gent01.dev.grid.tf"), addresses: []),
    ]
  }

  @Test(arguments: try zones())
  func hookReadsWhatTheGatewayWrote(zone: ChallengeZone) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let root = GatewayRoot(directory.path)
      try zone.install(in: root)
      #expect(try ChallengeZone.read(from: root) == zone)
    }
  }

  @Test func fileIsWrittenOnlyWhenItChanges() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let root = GatewayRoot(directory.path)
      let zones = try Self.zones()
      #expect(try zones[0].install(in: root))
      #expect(try !zones[0].install(in: root))
      #expect(try zones[1].install(in: root))
      #expect(try ChallengeZone.read(from: root) == zones[1])
    }
  }

  @Test func stateIsPrivateEvenInADirectoryThatWasNot() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let root = GatewayRoot(directory.path)
      try FileManager.default.createDirectory(
        atPath: root.acme, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
      try Self.zones()[0].install(in: root)
      #expect(try mode(root.acme) == 0o700)
      #expect(try mode("\(root.acme)/zone") == 0o600)
    }
  }

  @Test(arguments: [
    ("", "the port is missing"), ("domain example.com\n", "the port is missing"), ("port 0\n", "the port is missing"),
    ("domain example\nport 53\n", "line 1: invalid domain"), ("address x\nport 53\n", "line 1: invalid IP address"),
    ("port 53\nserver 192.0.2.1\n", "line 2 is not expected"), ("port 53 54\n", "line 1 is not expected"),
  ])
  func fileThatIsNoZoneIsRefusedWithItsName(text: String, problem: String) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      _ = try directory.directory("acme")
      let file = try directory.write(text, to: "acme/zone")
      #expect { try ChallengeZone.read(from: GatewayRoot(directory.path)) } throws: {
        "\($0)".hasPrefix(file) && "\($0)".contains(problem)
      }
    }
  }
}

func mode(_ path: String) throws -> Int {
  try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
}
