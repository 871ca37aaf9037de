import Foundation
import GatewayClient
import ProxyConfig
import RPC
import Records
import System
import TestSupport
import Testing

@testable import GatewayModule

/// Which changes are told, when, and to whom.
@Suite(.timeLimit(.minutes(5)))
struct RouteEventsTests {
  /// What was told since, as `action workload domain`, up to a change that this makes for a mark.
  private func told(_ changes: AsyncStream<RouteEvent>, by store: RouteStore) async throws -> [String] {
    _ = try await store.set(route("mark", "mark.test"))
    var told: [String] = []
    for await change in changes {
      if change.workload == "mark" { break }
      told.append("\(change.action) \(change.workload) \(change.domain)")
    }
    _ = try await store.delete(WorkloadID("mark"))
    return told
  }

  private func withStore(_ body: (RouteStore, RouteEvents, TemporaryDirectory) async throws -> Void) async throws {
    try await TemporaryDirectory.withDirectory { root in
      let events = RouteEvents(logger: .silent)
      try await body(RouteStore.open(GatewayRoot(root.path), logger: .silent, onEvent: events.tell), events, root)
    }
  }

  @Test func whatChangesIsToldToEveryListenerInOrder() async throws {
    try await withStore { store, events, _ in
      let listeners = [events.listen(), events.listen()]
      _ = try await store.set(route("w", "a.test"))
      _ = try await store.set(route("w", "a.test"))
      _ = try await store.set(route("w", "b.test"))
      _ = try await store.delete(WorkloadID("w"))
      _ = try await store.delete(WorkloadID("w"))
      _ = try await store.set(route("mark", "mark.test"))
      for listener in listeners {
        var told: [String] = []
        for await change in listener {
          if change.workload == "mark" { break }
          #expect(change.reason.isEmpty && abs(change.time.seconds - Timestamp.now.seconds) < 60)
          told.append("\(change.action) \(change.workload) \(change.domain)")
          #expect(change.previous == (change.action == .replaced ? "a.test" : nil))
        }
        #expect(told == ["set w a.test", "replaced w b.test", "deleted w b.test"])
      }
    }
  }

  /// Who cancels a listener holds a lock that telling it of an event takes, and then waits for one that telling may hold: a gateway
  /// that was told to stop while a file went to quarantine never ended.
  @Test func listenersThatEndWhileEventsAreToldHoldUpNobody() async throws {
    let events = EventBroadcast<Int>(logger: .silent)
    let teller = Task.detached {
      var count = 0
      while !Task.isCancelled {
        events.tell(count)
        count += 1
      }
    }
    for _ in 1...2000 {
      let listener = Task.detached { for await _ in events.listen() {} }
      await Task.yield()
      listener.cancel()
      await listener.value
    }
    teller.cancel()
    await teller.value
  }

  @Test func changeThatFailedIsNotTold() async throws {
    try await withStore { store, events, root in
      _ = try await store.set(route("kept", "kept.test"))
      let changes = events.listen()
      try await Command.succeed("sh", ["-ec", "cd $0; rmdir staging", root.path])
      await #expect(throws: RouteStoreError.self) { try await store.set(route("kept", "new.test")) }
      await #expect(throws: RouteStoreError.self) { try await store.set(route("w", "w.test")) }
      try await Command.succeed("sh", ["-ec", "cd $0; mkdir staging", root.path])
      #expect(try await told(changes, by: store) == [])
    }
  }

  @Test func deletionIsToldOnceItIsOnDisk() async throws {
    try await withStore { store, events, root in
      let kept = try route("kept", "kept.test")
      _ = try await store.set(kept)
      let changes = events.listen()
      try await Command.succeed("sh", ["-ec", "cd $0; mv proxy away", root.path])
      await #expect(throws: RouteStoreError.self) { try await store.delete(kept.workload) }
      try await Command.succeed("sh", ["-ec", "cd $0; mv away proxy", root.path])
      // Repeated, it is only synced, or done if the file had come back.
      _ = try await store.delete(kept.workload)
      #expect(try await told(changes, by: store) == ["deleted kept kept.test"])
    }
  }

  @Test func whatOthersDoIsToldWhenItIsSeen() async throws {
    try await withStore { store, events, root in
      _ = try await store.set(route("w", "a.test"))
      let text = try String(contentsOfFile: root.file("proxy/w.yaml"), encoding: .utf8)
      let changes = events.listen()
      // The same content is no change, whoever wrote it, and no more so when it is asked for.
      try root.write(text, to: "proxy/w.yaml")
      await store.reconcile(.files(["w.yaml"]))
      _ = try await store.set(route("w", "a.test"))
      try root.write(text.replacing("a.test", with: "b.test"), to: "proxy/w.yaml")
      await store.reconcile(.files(["w.yaml"]))
      // A damaged file is put away, and the route stays.
      try root.write("http: [", to: "proxy/w.yaml")
      await store.reconcile(.files(["w.yaml"]))
      try FileManager.default.removeItem(atPath: root.file("proxy/w.yaml"))
      await store.reconcile(.everything)
      // One that claims a domain of another's.
      _ = try await store.set(route("v", "a.test"))
      try root.write(text, to: "proxy/w.yaml")
      await store.reconcile(.everything)
      try root.write("http: [", to: "proxy/no workload.yml")
      await store.reconcile(.everything)
      #expect(
        try await told(changes, by: store) == [
          "replaced w b.test", "quarantined w ", "deleted w b.test", "set v a.test", "quarantined w a.test",
          "quarantined  ",
        ])
    }
  }

  @Test func listenerThatDoesNotKeepUpLosesTheOldest() async throws {
    let changes = RouteEvents(logger: .silent)
    let listener = changes.listen()
    for number in 0..<RouteEvents.capacity + 5 {
      changes.tell(RouteStore.Event(quarantined: try WorkloadID("\(number)"), domain: nil, reason: ""))
    }
    var iterator = listener.makeAsyncIterator()
    #expect(await iterator.next()?.workload == "5")
    for _ in 1..<RouteEvents.capacity { _ = await iterator.next() }
    changes.tell(RouteStore.Event(quarantined: try WorkloadID("next"), domain: nil, reason: ""))
    #expect(await iterator.next()?.workload == "next")
  }

  @Test func wireIsAMapOfFive() throws {
    let change = RouteEvent(
      workload: "w", domain: "", action: .quarantined, reason: "w.yaml: bad", time: Timestamp(seconds: 1))
    let bytes = try MessagePackEncoder().encode(change)
    // fixmap of 5 with `Time` as the extension −1 of four bytes at its end.
    #expect(bytes.first == 0x85)
    let time: [UInt8] = [0xa4, 0x54, 0x69, 0x6d, 0x65, 0xd6, 0xff, 0, 0, 0, 1]
    #expect(bytes.suffix(11) == time[...])
    #expect(try MessagePackDecoder().decode(RouteEvent.self, from: bytes) == change)
  }

  @Test func domainThatWasGivenUpIsASixth() throws {
    let change = RouteEvent(workload: "w", domain: "b.test", action: .replaced, previous: "a.test")
    let bytes = try MessagePackEncoder().encode(change)
    #expect(bytes.first == 0x86 && bytes.suffix(16) == [0xa8] + Array("Previous".utf8) + [0xa6] + Array("a.test".utf8))
    #expect(try MessagePackDecoder().decode(RouteEvent.self, from: bytes) == change)
  }
}
