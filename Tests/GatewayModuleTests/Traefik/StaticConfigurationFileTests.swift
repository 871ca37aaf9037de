import Foundation
import ProxyConfig
import Records
import System
import TestSupport
import Testing

@testable import GatewayModule

/// Traefik's static configuration on disk.
@Suite(.timeLimit(.minutes(5)))
struct StaticConfigurationFileTests {
  private func withRoot(_ body: (GatewayRoot) async throws -> Void) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let root = GatewayRoot(directory.file("root"))
      try root.prepare()
      try await body(root)
    }
  }

  private func configuration(_ root: GatewayRoot, email: String? = "operator@example.org") throws
    -> StaticConfiguration
  {
    try StaticConfiguration(
      root: root.path, http: ListenAddress(":80"), https: ListenAddress(":443"),
      metrics: ListenAddress("127.0.0.1:8082"),
      certificates: email.map { CertificateResolvers(email: try EmailAddress($0), hasDomain: true) })
  }

  /// `drwx------`, as a number.
  private func mode(_ path: String) -> mode_t {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
  }

  private func inode(_ path: String) -> ino_t {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_ino : 0
  }

  @Test func fileChangesOnlyWhenItsContentDoes() async throws {
    try await withRoot { root in
      let file = root.traefikConfiguration
      let created = try configuration(root).install(in: root)
      #expect(created == .created)
      #expect(try [UInt8](Data(contentsOf: URL(filePath: file))) == configuration(root).encoded())
      let first = inode(file)
      #expect(try configuration(root).install(in: root) == .unchanged)
      #expect(inode(file) == first)
      #expect(try configuration(root, email: "other@example.org").install(in: root) == .replaced)
      #expect(inode(file) != first)
      #expect(
        try [UInt8](Data(contentsOf: URL(filePath: file))) == configuration(root, email: "other@example.org").encoded())
      #expect(try FileManager.default.contentsOfDirectory(atPath: root.staging).isEmpty)
    }
  }

  @Test func storageIsForItsOwnerAloneAndKeepsWhatItHas() async throws {
    try await withRoot { root in
      let storage = ["acme.json", "acme2.json"].map { "\(root.traefik)/\($0)" }
      // As somebody left them who was not careful.
      chmod(root.traefik, 0o755)
      try Data("{}".utf8).write(to: URL(filePath: storage[0]))
      chmod(storage[0], 0o644)
      _ = try configuration(root).install(in: root)
      #expect(mode(root.traefik) == 0o700)
      #expect(storage.map(mode) == [0o600, 0o600])
      #expect(try String(contentsOfFile: storage[0], encoding: .utf8) == "{}")
      #expect(try String(contentsOfFile: storage[1], encoding: .utf8) == "")
    }
  }

  @Test func withoutCertificatesThereIsNoStorage() async throws {
    try await withRoot { root in
      _ = try configuration(root, email: nil).install(in: root)
      #expect(try FileManager.default.contentsOfDirectory(atPath: root.traefik).isEmpty)
    }
  }

  @Test func brokenFileIsReplaced() async throws {
    try await withRoot { root in
      try Data("entryPoints: [".utf8).write(to: URL(filePath: root.traefikConfiguration))
      #expect(try configuration(root).install(in: root) == .replaced)
    }
  }
}
