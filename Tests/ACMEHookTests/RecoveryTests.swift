import Foundation
import TestSupport
import Testing

@testable import ACMEHook

/// What the gateway does at its start.
@Suite(.timeLimit(.minutes(5)))
struct RecoveryTests {
  private static func recover(_ node: Node, in seconds: Int = 0) throws {
    try Responder.recover(in: node.root, now: time(nil) + seconds) { _ in }
  }

  @Test func challengeThatIsStillPendingIsLeftAlone() async throws {
    try await Node.with { node in
      try await node.present("one")
      let servers = node.servers
      try Self.recover(node, in: 3500)
      #expect(node.servers == servers)
      #expect(try await node.values() == ["one"])
    }
  }

  @Test func challengeOlderThanAnHourIsForgottenAndTheServerStopped() async throws {
    try await Node.with { node in
      try await node.present("one")
      try Self.recover(node, in: 3700)
      #expect(node.servers.isEmpty)
      #expect(try node.pending().isEmpty)
      #expect(try await node.isSilent())
    }
  }

  @Test func serverThatACrashLeftWithoutAChallengeIsStopped() async throws {
    try await Node.with { node in
      try await node.present("one")
      try FileManager.default.removeItem(atPath: "\(node.root.acme)/challenges")
      try Self.recover(node)
      #expect(node.servers.isEmpty)
      #expect(try await node.isSilent())
    }
  }

  @Test func emptyRootNeedsNoTidying() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      try Responder.recover(in: .init(directory.path), now: time(nil)) { Issue.record("\($0)") }
      #expect(try mode("\(directory.path)/acme") == 0o700)
    }
  }
}
