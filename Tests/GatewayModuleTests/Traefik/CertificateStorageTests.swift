import Foundation
import Records
import System
import TestSupport
import Testing

@testable import GatewayModule

/// What becomes of the files in which Traefik keeps certificates.
@Suite(.timeLimit(.minutes(3)))
struct CertificateStorageTests {
  private static let content = """
    {
      "resolver": {
        "Account": {"Email": "a@example.org", "PrivateKey": "bWFpbg=="},
        "Certificates": [
          {"domain": {"main": "app.example.org"}, "certificate": "e30=", "key": "In0=", "Store": "default"},
          {"domain": {"main": "*.example.test", "sans": ["a.example.test", "b.example.test"]}, "certificate": "eA=="}
        ]
      }
    }
    """

  private func withStorage(
    _ body: (_ storage: CertificateStorage, _ directory: TemporaryDirectory) throws -> Void
  ) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let root = GatewayRoot(directory.path)
      try root.prepare()
      try body(CertificateStorage(root, logger: .silent), directory)
    }
  }

  private func write(_ text: String, _ directory: TemporaryDirectory) throws {
    try directory.write(text, to: "traefik/acme.json")
    chmod(directory.file("traefik/acme.json"), 0o600)
  }

  private func read(_ name: String, _ directory: TemporaryDirectory) -> String? {
    try? String(contentsOfFile: directory.file("traefik/\(name)"), encoding: .utf8)
  }

  @Test func wholeOneIsCopiedAndToldOf() async throws {
    try await withStorage { storage, directory in
      try write(Self.content, directory)
      try storage.repair()
      #expect(storage.names == ["app.example.org", "*.example.test", "a.example.test", "b.example.test"])
      #expect(read("acme.json.kept", directory) == Self.content)
      var status = stat()
      #expect(stat(directory.file("traefik/acme.json.kept"), &status) == 0 && status.st_mode & 0o777 == 0o600)
    }
  }

  /// How it is damaged, by what is left of it.
  static let damages: [(name: String, content: String?)] = [
    ("cut", String(content.prefix(200))), ("cut by a byte", String(content.dropLast(1))), ("empty", ""),
    ("zeros", String(repeating: "\0", count: 300)), ("gone", nil), ("rubbish behind it", content + "}"),
    ("no object", "[]"),
  ]

  @Test("One that is damaged is what it was before", arguments: damages.indices)
  func damaged(_ index: Int) async throws {
    try await withStorage { storage, directory in
      try write(Self.content, directory)
      try storage.repair()
      let damage = Self.damages[index].content
      if let damage {
        try write(damage, directory)
      } else {
        try FileManager.default.removeItem(atPath: directory.file("traefik/acme.json"))
      }
      // By the next life of the gateway as well.
      for storage in [storage, CertificateStorage(GatewayRoot(directory.path), logger: .silent)] {
        try storage.repair()
        #expect(read("acme.json", directory) == Self.content)
        #expect(read("acme.json.kept", directory) == Self.content)
        #expect(storage.names.contains("app.example.org"))
      }
      #expect(read("acme.json.damaged", directory) == (damage == "" ? nil : damage))
    }
  }

  @Test func damagedOneWithoutACopyIsEmptyThen() async throws {
    try await withStorage { storage, directory in
      try write("{", directory)
      try storage.repair()
      #expect(read("acme.json", directory) == "" && read("acme.json.damaged", directory) == "{")
      #expect(storage.names.isEmpty)
    }
  }

  @Test func emptyOneThatNeverHadAnythingStaysEmpty() async throws {
    try await withStorage { storage, directory in
      try write("", directory)
      try storage.repair()
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.file("traefik")) == ["acme.json"])
    }
  }

  @Test func oneThatOthersMayReadIsMadePrivate() async throws {
    try await withStorage { storage, directory in
      try write(Self.content, directory)
      chmod(directory.file("traefik/acme.json"), 0o644)
      try storage.repair()
      var status = stat()
      #expect(stat(directory.file("traefik/acme.json"), &status) == 0 && status.st_mode & 0o777 == 0o600)
    }
  }
}
