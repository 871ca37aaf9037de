import Foundation
import Logging
import ProxyConfig
import Records
import System
import TestSupport
import Testing

@testable import GatewayModule

/// How the store and a directory that others write to come together again.
@Suite(.timeLimit(.minutes(5)))
struct RouteReconcilingTests {
  private func withStore(_ body: (_ store: RouteStore, _ root: TemporaryDirectory) async throws -> Void) async throws {
    try await TemporaryDirectory.withDirectory { root in
      try await body(RouteStore.open(GatewayRoot(root.path), logger: .silent), root)
    }
  }

  private func put(_ route: Route, _ root: TemporaryDirectory) throws {
    try root.write(String(decoding: route.encoded(), as: UTF8.self), to: "proxy/\(route.fileName)")
  }

  private func names(_ folder: String, _ root: TemporaryDirectory) throws -> Set<String> {
    Set(try FileManager.default.contentsOfDirectory(atPath: root.file(folder)))
  }

  @Test("A full look finds what came, went and changed") func looksAtEverything() async throws {
    try await withStore { store, root in
      let (kept, gone, edited) = try (route("kept", "k.test"), route("gone", "g.test"), route("edited", "e.test"))
      let damaged = try route("damaged", "d.test")
      for route in [kept, gone, edited, damaged] { _ = try await store.set(route) }
      try FileManager.default.removeItem(atPath: root.file("proxy/gone.yaml"))
      let new = try route("edited", "new.test")
      try put(new, root)
      let dropped = try route("dropped", "g.test")
      try put(dropped, root)
      try root.write("http: {rooters: {}}", to: "proxy/damaged.yaml")
      try root.write("a: b", to: "proxy/others.yaml")
      try root.write("a: [", to: "proxy/broken.toml.yaml")
      try FileManager.default.createDirectory(atPath: root.file("proxy/more"), withIntermediateDirectories: true)
      try root.write("a: [", to: "proxy/more/deep.yml")

      await store.reconcile(.everything)
      #expect(store.routes == [damaged, dropped, new, kept])
      #expect(
        try names("proxy", root) == [
          "kept.yaml", "edited.yaml", "dropped.yaml", "damaged.yaml", "others.yaml", "more",
        ])
      #expect(try names("quarantine", root) == ["damaged.yaml", "broken.toml.yaml", "more_deep.yml"])
      let again = try await RouteStore.open(GatewayRoot(root.path), logger: .silent)
      #expect(again.routes == store.routes)
    }
  }

  @Test("A file that changed unnoticed is seen before it is written over or removed")
  func seesFilesBeforeItChangesThem() async throws {
    try await withStore { store, root in
      let old = try route("w", "old.test")
      _ = try await store.set(old)
      try root.write("somebody: else's", to: "proxy/w.yaml")
      let new = try route("w", "new.test")
      #expect(try await store.set(new) == .replaced(old))
      #expect(store.routes == [new])
      let kept = try String(contentsOfFile: root.file("quarantine/w.yaml"), encoding: .utf8)
      #expect(kept == "somebody: else's")

      try root.write("somebody: else's again", to: "proxy/w.yaml")
      #expect(try await store.delete(new.workload) == new)
      #expect(try names("proxy", root) == [])
      #expect(try names("quarantine", root) == ["w.yaml", "w.yaml.1"])
    }
  }

  @Test("A broken file in a new route's place does not keep it from being stored")
  func replacesABrokenFile() async throws {
    try await withStore { store, root in
      try root.write("a: [", to: "proxy/w.yaml")
      let new = try route("w", "new.test")
      #expect(try await store.set(new) == .created)
      #expect(try names("quarantine", root) == ["w.yaml"])
    }
  }

  @Test("A route that was removed by hand while it was replaced keeps its domain")
  func removedWhileClaimed() throws {
    var index = RouteIndex()
    let (old, new) = try (route("w", "a.test"), route("w", "a.test", "http://10.1.2.4"))
    index.confirm(old, isDurable: true)
    _ = try index.claim(new)
    index.remove(old.workload)
    #expect(index.owner(of: new.domain) == new.workload)
    index.confirm(new, isDurable: true)
    index.remove(new.workload)
    #expect(index.owner(of: new.domain) == nil)
  }

  @Test("A route that is replaced by hand while it is being replaced frees its domain in the end")
  func adoptedWhileClaimed() throws {
    var index = RouteIndex()
    let (old, byHand, new) = try (route("w", "a.test"), route("w", "b.test"), route("w", "c.test"))
    index.confirm(old, isDurable: true)
    _ = try index.claim(new)
    index.adopt(byHand, isDurable: false, stamp: nil)
    #expect(index.owner(of: old.domain) == nil && index.owner(of: new.domain) == new.workload)
    index.confirm(new, isDurable: true)
    #expect(index.owner(of: byHand.domain) == nil && index.routes == [new])
  }

  @Test("What is no file, and what Traefik waits for or fails on, is moved away")
  func movesAwayWhatIsNoFile() async throws {
    try await withStore { store, root in
      try await Command.succeed(
        "sh",
        [
          "-ec", "cd $0/proxy; mkfifo pipe.yaml; ln -s nowhere link.yaml; ln -s . folder.yml; ln -s l.yaml l.yaml",
          root.path,
        ])
      await store.reconcile(.everything)
      #expect(try names("proxy", root) == [])
      #expect(try names("quarantine", root) == ["pipe.yaml", "link.yaml", "folder.yml", "l.yaml"])
    }
  }
}
