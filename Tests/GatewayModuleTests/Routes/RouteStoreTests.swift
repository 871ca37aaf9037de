import Foundation
import Logging
import ProxyConfig
import Records
import System
import TestSupport
import Testing

@testable import GatewayModule

/// What becomes of routes when the disk does not do what it should.
@Suite(.timeLimit(.minutes(5)))
struct RouteStoreTests {
  /// Runs `body` with a store on a directory of its own, in which there is one route.
  private func withStore(
    _ body: (_ store: RouteStore, _ root: TemporaryDirectory, _ kept: Route) async throws -> Void
  ) async throws {
    try await TemporaryDirectory.withDirectory { root in
      let store = try await RouteStore.open(GatewayRoot(root.path), logger: .silent)
      let kept = try route("kept", "kept.test")
      #expect(try await store.set(kept) == .created)
      try await body(store, root, kept)
    }
  }

  /// Shell commands that break a root, and how storing a route then fails.
  static let faults: [(breaking: String, repair: String, cause: String)] = [
    ("rmdir staging", "mkdir staging", "open $0/staging/w.yaml: No such file or directory"),
    ("rmdir staging; echo > staging", "rm staging; mkdir staging", "open $0/staging/w.yaml: Not a directory"),
    ("mkdir staging/w.yaml", "rmdir staging/w.yaml", "open $0/staging/w.yaml: Is a directory"),
    ("mv proxy away", "mv away proxy", "rename $0/proxy/w.yaml: No such file or directory"),
    ("mv proxy away; echo > proxy", "rm proxy; mv away proxy", "rename $0/proxy/w.yaml: Not a directory"),
    ("echo a: b > proxy/w.yaml", "rm proxy/w.yaml", "$0/proxy/w.yaml exists and is not this module's"),
    ("mkdir proxy/w.yaml", "rmdir proxy/w.yaml", "$0/proxy/w.yaml exists and is not this module's"),
  ]

  @Test("A new route that cannot be stored is an error and leaves everything as it was", arguments: faults)
  func newRoute(breaking: String, repair: String, cause: String) async throws {
    try await withStore { store, root, kept in
      let route = try route("w", "w.test")
      try await Command.succeed("sh", ["-ec", "cd $0; \(breaking)", root.path])
      let error = try await #require(throws: RouteStoreError.self) { try await store.set(route) }
      #expect(error.description == "cannot store the route of w: \(cause.replacing("$0", with: root.path))")
      #expect(store.routes == [kept])
      #expect(!store.contains(route))

      try await Command.succeed("sh", ["-ec", "cd $0; \(repair)", root.path])
      #expect(try FileManager.default.contentsOfDirectory(atPath: root.file("staging")) == [])
      // Its domain is free for others, and for itself.
      #expect(try await store.set(GatewayModuleTests.route("v", "w.test")) == .created)
      #expect(try await store.delete(WorkloadID("v")) != nil)
      #expect(try await store.set(route) == .created)
    }
  }

  @Test func filesOfAnEarlierVersionThatCannotBeWrittenAreLoggedOnce() async throws {
    try await withStore { store, root, _ in
      for number in 0..<RouteStore.rewriteBatch { _ = try await store.set(route("w\(number)", "w\(number).test")) }
      let log = LogRecorder()
      let next = try await RouteStore.open(
        GatewayRoot(root.path), trusting: [IPNetwork("10.0.0.0/8")], logger: log.logger)
      #expect(next.outdated.count == RouteStore.rewriteBatch + 1)
      try await Command.succeed("rmdir", [root.file("staging")])
      let traefik = TraefikScrape(address: try Endpoint("127.0.0.1:\(FreePort.next())"), namespace: nil)
      await RouteRenewal(next, traefik: traefik, logger: log.logger).renewAtOnce()
      #expect(log.messages.filter { $0.hasPrefix("warning: ") } == ["warning: route files not brought up to date"])
      #expect(!log.messages.contains("info: route files are up to date"))
    }
  }

  @Test(
    "A change that cannot be stored leaves the route as it was",
    arguments: [
      ("rmdir staging", "mkdir staging", "open $0/staging/kept.yaml: No such file or directory"),
      ("mv proxy away", "mv away proxy", "rename $0/proxy/kept.yaml: No such file or directory"),
      (
        "mv proxy/kept.yaml away; mkdir proxy/kept.yaml", "rmdir proxy/kept.yaml; mv away proxy/kept.yaml",
        "rename $0/proxy/kept.yaml: Is a directory"
      ),
    ])
  func changedRoute(breaking: String, repair: String, cause: String) async throws {
    try await withStore { store, root, kept in
      let before = try String(contentsOfFile: root.file("proxy/kept.yaml"), encoding: .utf8)
      let changed = try route("kept", "new.test")
      try await Command.succeed("sh", ["-ec", "cd $0; \(breaking)", root.path])
      let error = try await #require(throws: RouteStoreError.self) { try await store.set(changed) }
      #expect(error.description == "cannot store the route of kept: \(cause.replacing("$0", with: root.path))")
      #expect(store.routes == [kept])
      #expect(throws: DomainTaken.self) { try store.checkOwner(of: route("other", "kept.test")) }
      #expect(throws: Never.self) { try store.checkOwner(of: route("other", "new.test")) }

      try await Command.succeed("sh", ["-ec", "cd $0; \(repair)", root.path])
      #expect(try String(contentsOfFile: root.file("proxy/kept.yaml"), encoding: .utf8) == before)
      #expect(try await store.set(changed) == .replaced(kept))
    }
  }

  @Test func fileThatCannotBeRemovedKeepsItsRoute() async throws {
    try await withStore { store, root, kept in
      try await Command.succeed("sh", ["-ec", "cd $0/proxy; rm kept.yaml; mkdir kept.yaml", root.path])
      let error = try await #require(throws: RouteStoreError.self) { try await store.delete(kept.workload) }
      #expect(
        error.description == "cannot store the route of kept: unlink \(root.path)/proxy/kept.yaml: Is a directory")
      #expect(store.routes == [kept])
    }
  }

  @Test("A deletion that was not synced is no deletion, until it is repeated")
  func unsyncedDeletion() async throws {
    try await withStore { store, root, kept in
      try await Command.succeed("sh", ["-ec", "cd $0; mv proxy away", root.path])
      let error = try await #require(throws: RouteStoreError.self) { try await store.delete(kept.workload) }
      #expect(error.description == "cannot store the route of kept: open \(root.path)/proxy: No such file or directory")
      #expect(store.routes == [kept] && !store.contains(kept))
      #expect(throws: DomainTaken.self) { try store.checkOwner(of: route("other", "kept.test")) }

      try await Command.succeed("sh", ["-ec", "cd $0; mv away proxy", root.path])
      #expect(try await store.delete(kept.workload) == kept)
      #expect(try FileManager.default.contentsOfDirectory(atPath: root.file("proxy")) == [])
      #expect(try await store.delete(kept.workload) == nil)
    }
  }

  @Test func oneBadChangeDoesNotHurtThoseThatShareItsSync() async throws {
    try await withStore { store, root, kept in
      for number in stride(from: 0, to: 100, by: 10) { try root.write("a: b", to: "proxy/w-\(number).yaml") }
      let failed = try await withThrowingTaskGroup(of: String?.self) { group in
        for number in 0..<100 {
          group.addTask {
            let route = try route("w-\(number)", "w-\(number).test")
            do {
              _ = try await store.set(route)
              return nil
            } catch is RouteStoreError {
              return route.workload.rawValue
            }
          }
        }
        return try await group.reduce(into: Set<String>()) { if let workload = $1 { $0.insert(workload) } }
      }
      #expect(failed == Set(stride(from: 0, to: 100, by: 10).map { "w-\($0)" }))
      #expect(store.routes.count == 91)
      let again = try await RouteStore.open(GatewayRoot(root.path), logger: .silent)
      #expect(again.routes == store.routes && again.contains(kept))
    }
  }

  @Test("A full disk is an error that says so", .enabled(if: geteuid() == 0, "a file system is mounted by root only"))
  func fullDisk() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let root = try directory.directory("small")
      try await Command.succeed("mount", ["-t", "tmpfs", "-o", "size=64k", "gateway-test", root])
      do {
        let store = try await RouteStore.open(GatewayRoot(root), logger: .silent)
        let kept = try route("kept", "kept.test")
        _ = try await store.set(kept)
        _ = try await Command.run("dd", ["if=/dev/zero", "of=\(root)/filler", "bs=4k", "count=100"])

        let route = try route("w", "w.test")
        let error = try await #require(throws: RouteStoreError.self) { try await store.set(route) }
        #expect(
          error.description == "cannot store the route of w: write \(root)/staging/w.yaml: No space left on device")
        #expect(store.routes == [kept])
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(root)/staging") == [])
        // What needs no space still works.
        #expect(try await store.delete(kept.workload) == kept)
        try FileManager.default.removeItem(atPath: "\(root)/filler")
        #expect(try await store.set(route) == .created)
      } catch {
        _ = try? await Command.run("umount", [root])
        throw error
      }
      try await Command.succeed("umount", [root])
    }
  }
}
