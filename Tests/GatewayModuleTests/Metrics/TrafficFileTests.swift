import Foundation
import Records
import System
import TestSupport
import Testing

@testable import GatewayModule

/// What becomes of the totals on disk.
@Suite(.timeLimit(.minutes(5)))
struct TrafficFileTests {
  private static let ledger = {
    var ledger = TrafficLedger()
    ledger.take(Traffic(request: ["w": 10], response: ["w": 100]), start: 100)
    return ledger
  }()

  private func withRoot(_ body: (GatewayRoot, TrafficFile) throws -> Void) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let root = GatewayRoot(directory.path)
      try root.prepare()
      try body(root, TrafficFile(root))
    }
  }

  @Test func whatWasStoredIsLoaded() async throws {
    try await withRoot { root, file in
      #expect(try file.load() == TrafficLedger())
      try file.store(TrafficLedger())
      try file.store(Self.ledger)
      #expect(try file.load() == Self.ledger)
      #expect(try FileManager.default.contentsOfDirectory(atPath: root.staging) == [])
    }
  }

  /// A node with as many workloads as it can hold.
  @Test func tenThousandWorkloadsTakeTwoMegabytesAtMost() async throws {
    try await withRoot { root, file in
      let names = (0..<10_000).map { "\($0)-1976-workload-name" }
      var ledger = TrafficLedger()
      ledger.take(
        Traffic(
          request: Dictionary(uniqueKeysWithValues: names.map { ($0, .random(in: 0..<1e12)) }),
          response: Dictionary(uniqueKeysWithValues: names.map { ($0, .random(in: 0..<1e12)) })), start: 100)
      try file.store(ledger)
      #expect(try FileSystem.status(root.traffic).stamp.size < 2_000_000)
      #expect(try file.load() == ledger)
    }
  }

  @Test("A damaged file is kept aside", arguments: ["", "rubbish", "half", "flipped", "version"])
  func damage(_ kind: String) async throws {
    try await withRoot { root, file in
      try file.store(Self.ledger)
      var bytes = try FileSystem.read(root.traffic, limit: 10_000).bytes
      switch kind {
      case "half": bytes.removeLast(bytes.count / 2)
      case "flipped": bytes[bytes.count - 30] ^= 1
      case "version":
        let field = try #require(bytes.firstRange(of: [0xa7] + Array("version".utf8)))
        bytes[field.upperBound] = 2
      default: bytes = Array(kind.utf8)
      }
      try FileSystem.write(bytes, to: root.traffic, mode: 0o644)

      let damage = try #require(throws: DamagedFile.self) { try file.load() }
      #expect(try damage.outcome.get() == "\(root.traffic).damaged")
      #expect(try FileSystem.read("\(root.traffic).damaged", limit: 10_000).bytes == bytes)
      if kind == "version" { #expect(damage.reason == "it is of version 2 and not 1") }
      #expect(try file.load() == TrafficLedger())
      try file.store(Self.ledger)
      #expect(try file.load() == Self.ledger)
    }
  }
}
