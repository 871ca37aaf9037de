import Foundation
import Logging
import ProxyConfig
import RPC
import Records
import System
import TestSupport
import Testing

@testable import GatewayModule

/// How the files of names on hold are written.
@Suite(.timeLimit(.minutes(5)))
struct RouteHoldTests {
  private func withStore(_ body: (_ store: RouteStore, _ root: TemporaryDirectory) async throws -> Void) async throws {
    try await TemporaryDirectory.withDirectory { root in
      try await body(RouteStore.open(GatewayRoot(root.path), logger: .silent), root)
    }
  }

  private func named(_ workload: String, _ backends: String...) throws -> Route {
    let zone = try Domain("zone.test")
    return try Route(
      workload: WorkloadID(workload), domain: Domain("\(workload).zone.test"), tls: .terminated(.wildcard(of: zone)),
      backends: backends.isEmpty ? ["http://10.1.2.3"] : backends, under: .alreadyAccepted)
  }

  private func own(_ workload: String) throws -> Route {
    try Route(
      workload: WorkloadID(workload), domain: Domain("\(workload).test"), tls: .terminated(.own),
      backends: ["http://10.1.2.3"], under: .alreadyAccepted)
  }

  private func content(_ name: String, _ root: TemporaryDirectory) throws -> String {
    try String(contentsOfFile: root.file("proxy/\(name)"), encoding: .utf8)
  }

  /// The workloads whose files ask for a certificate.
  private func asking(_ root: TemporaryDirectory) throws -> Set<String> {
    let names = try FileManager.default.contentsOfDirectory(atPath: root.file("proxy"))
    return Set(
      try names.filter { try content("\($0)", root).contains("certResolver: ") }.map {
        String($0.dropLast(5))
      })
  }

  @Test("A name on hold is so on disk: its file says the same route, since when, and so does the next gateway")
  func holdsOnDisk() async throws {
    try await withStore { store, root in
      let routes = try [own("a"), own("b")]
      for route in routes { _ = try await store.set(route) }
      let path = root.file("proxy/a.yaml")
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: 1_700_000_000)], ofItemAtPath: path)
      await store.reconcile(.everything)
      #expect(await store.rewrite(.hold(["a.test", "nobody.test"])).written == 1)
      #expect(try asking(root) == ["b"])
      #expect(try content("a.yaml", root) == String(decoding: routes[0].encoded(onHold: true), as: UTF8.self))
      let waiting = store.waiting(for: ["b.test"])
      #expect(waiting.keys.sorted() == ["a.test"])
      #expect(waiting["a.test"]?.since == 1_700_000_000_000_000_000)
      #expect(waiting["a.test"]?.asking == nil && waiting["a.test"]?.onHold == routes[0].workload)
      #expect(store.routes == routes)
      #expect(await store.rewrite(.hold(["a.test"])).written == 0)

      // What its owner sets stays on hold, and is remembered.
      #expect(store.takeWanted() == [])
      let inode = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
      #expect(try await store.set(routes[0]) == .unchanged)
      #expect(try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int == inode)
      _ = try await store.set(routes[1])
      #expect(store.takeWanted() == ["a.test"])
      #expect(store.takeWanted() == [])
      // Nobody else's wish counts.
      await #expect(throws: DomainTaken.self) { try await store.set(route("c", "a.test")) }
      #expect(store.takeWanted() == [])

      let next = try await RouteStore.open(GatewayRoot(root.path), logger: .silent)
      #expect(next.routes == routes && next.held == ["a.test"] && next.outdated == [])
      #expect(try #require(next.changed(routes[0].workload)) > 1_700_000_000_000_000_000)
    }
  }

  @Test("The wildcard on hold is so for all its routes, new ones too; one of them tries it, and then all are as before")
  func wildcard() async throws {
    try await withStore { store, root in
      let routes = try ["a", "b", "c"].map { try named($0) }
      for route in routes { _ = try await store.set(route) }
      _ = try await store.set(own("other"))
      #expect(await store.rewrite(.hold(["*.zone.test"])).written == 3)
      #expect(try asking(root) == ["other"])
      _ = try await store.set(named("new"))
      _ = try await store.set(named("b", "http://10.9.9.9"))
      #expect(try asking(root) == ["other"])

      #expect(await store.rewrite(.retry(["*.zone.test"])).written == 1)
      let tried = try #require(try asking(root).subtracting(["other"]).first)
      #expect(try asking(root).count == 2)
      #expect(await store.rewrite(.retry(["*.zone.test"])).written == 0)
      // It goes on trying when its owner sets another route, and nobody else begins.
      _ = try await store.set(named(tried, "http://10.8.8.8"))
      _ = try await store.set(named("later"))
      #expect(try asking(root) == ["other", tried])
      // So it does in the next gateway.
      let next = try await RouteStore.open(GatewayRoot(root.path), logger: .silent)
      #expect(next.held == ["*.zone.test"])

      #expect(store.released(atMost: 10) == [])
      store.release(["*.zone.test"])
      #expect(store.released(atMost: 2).count == 2)
      let released = store.released(atMost: 10)
      #expect(released.count == 4)
      #expect(await store.rewrite(.renew(released)).written == 4)
      #expect(try asking(root) == ["a", "b", "c", "new", "later", "other"])
      #expect(store.released(atMost: 10) == [] && store.held == [])
    }
  }

  @Test("A file on hold that somebody broke, or that went with its directory, is on hold again")
  func restoredOnHold() async throws {
    try await withStore { store, root in
      _ = try await store.set(own("a"))
      _ = await store.rewrite(.hold(["a.test"]))
      let before = try content("a.yaml", root)
      try root.write("http: [", to: "proxy/a.yaml")
      await store.reconcile(.files(["a.yaml"]))
      #expect(try content("a.yaml", root) == before)
      try FileManager.default.removeItem(atPath: root.file("proxy"))
      await store.reconcile(.loss)
      #expect(try content("a.yaml", root) == before)
      // Whoever puts another file there by hand is taken at their word.
      try root.write(String(decoding: own("a").encoded(), as: UTF8.self), to: "proxy/a.yaml")
      await store.reconcile(.files(["a.yaml"]))
      #expect(store.waiting(for: [])["a.test"]?.asking != nil)
    }
  }

  @Test("A file on hold that somebody puts there is released like others, and keeps its time")
  func adoptedOnHold() async throws {
    try await withStore { store, root in
      let route = try own("a")
      try root.write(String(decoding: route.encoded(onHold: true), as: UTF8.self), to: "proxy/a.yaml")
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: 1_700_000_000)], ofItemAtPath: root.file("proxy/a.yaml"))
      await store.reconcile(.files(["a.yaml"]))
      #expect(store.held == ["a.test"])
      store.release(["a.test"])
      #expect(await store.rewrite(.renew(store.released(atMost: 10))).written == 1)
      #expect(try asking(root) == ["a"])
      #expect(store.waiting(for: [])["a.test"]?.since == 1_700_000_000_000_000_000)
    }
  }

  @Test func manyFilesAreWrittenInSteps() async throws {
    try await withStore { store, root in
      for number in 0..<200 { _ = try await store.set(named("w\(number)")) }
      #expect(await store.rewrite(.hold(["*.zone.test"])).written == RouteStore.rewriteBatch)
      #expect(await store.rewrite(.hold(["*.zone.test"])).written == 200 - RouteStore.rewriteBatch)
      #expect(try asking(root) == [])
    }
  }

  /// Sets so many routes and puts them on hold; then they get certificates.
  private func hold(_ count: Int, _ store: RouteStore, _ directory: TemporaryDirectory) async throws
    -> CertificateStorage
  {
    for number in 0..<count { _ = try await store.set(own("w\(number)")) }
    #expect(await store.rewrite(.hold(Set((0..<count).map { "w\($0).test" }))).written == count)
    let certificates = (0..<count).map {
      #"{"domain": {"main": "w\#($0).test"}, "certificate": "e30=", "key": "In0=", "Store": "default"}"#
    }
    try directory.write(
      #"{"resolver": {"Certificates": [\#(certificates.joined(separator: ","))]}}"#, to: "traefik/acme.json")
    let storage = CertificateStorage(GatewayRoot(directory.path), logger: .silent)
    try storage.repair()
    return storage
  }

  @Test func tenReleasedFilesAreWrittenAtOnceWhileTraefikRunsAndTheNextAfterTheirPauses() async throws {
    try await withStore { store, root in
      let storage = try await hold(12, store, root)
      try await Traefik.withServer(routes: root.file("proxy")) { traefik in
        let address = try await #require(traefik.entryPoints()["metrics"])
        let watch = CertificateWatch(
          store, storage: storage, traefik: TraefikScrape(address: try Endpoint(address), namespace: nil),
          patience: .seconds(1), logger: .silent)
        try await withThrowingTaskGroup { group in
          group.addTask { await watch.run() }
          try await eventually(within: .seconds(120)) { try asking(root).count == 12 }
          group.cancelAll()
        }
      }
      let times = try store.routes.map { try #require(store.changed($0.workload)) }.sorted()
      let pause = RouteRenewal.pause(routes: 12) * 10
      #expect(.nanoseconds(times[10] - times[9]) > pause - .seconds(1))
    }
  }

  @Test func timeOfTheNextTryIsAWholeSecondThatIsNotOver() {
    let now = ContinuousClock.now
    for (part, milliseconds, next) in [(0, 0, 100), (0, 1, 101), (900, 50, 101), (900, 200, 102)] {
      let time = Timestamp(seconds: 100, nanoseconds: UInt32(part * 1_000_000))
      let told = CertificateWatch.time(now + .milliseconds(milliseconds), (now, time))
      #expect(told == Timestamp(seconds: Int64(next)))
    }
  }

  @Test func whatTheDiskDoesNotTakeIsLoggedOnce() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let (root, log) = (GatewayRoot(directory.path), LogRecorder())
      let store = try await RouteStore.open(root, logger: log.logger)
      let storage = try await hold(10, store, directory)
      // The disk is full.
      try await Command.succeed("rmdir", [directory.file("staging")])

      let traefik = TraefikScrape(address: try Endpoint("127.0.0.1:\(FreePort.next())"), namespace: nil)
      let watch = CertificateWatch(
        store, storage: storage, traefik: traefik, patience: .seconds(1), logger: log.logger)
      try await withThrowingTaskGroup { group in
        group.addTask { await watch.run() }
        try await eventually { log.messages.contains { $0.hasPrefix("warning: ") } }
        group.cancelAll()
      }
      #expect(log.messages.count { $0.hasSuffix("its name is no longer on hold") } == 10)
      #expect(log.messages.filter { $0.hasPrefix("warning: ") } == ["warning: route files on hold cannot be written"])
    }
  }

  @Test func whatTheDiskDoesNotTakeIsTold() async throws {
    try await withStore { store, root in
      _ = try await store.set(own("a"))
      try await Command.succeed("rmdir", [root.file("staging")])
      let result = await store.rewrite(.hold(["a.test"]))
      #expect(result.written == 0)
      #expect(
        result.fault?.description == "open \(root.file("staging/a.yaml")): No such file or directory")
      #expect(try asking(root) == ["a"])
    }
  }
}
