import Testing

@testable import GatewayModule

/// Which names are put on hold, and when they are tried again, by a clock that the tests set.
@Suite(.timeLimit(.minutes(5)))
struct CertificateHoldsTests {
  /// A node: what its files say follows from what is done about it.
  private struct Node {
    var holds = CertificateHolds(.init(patience: .seconds(300)))
    var now = Duration.zero
    /// Names without a certificate, and what their files say.
    var waiting: [String: CertificateHolds.Sight] = [:]
    var held: Set<String> = []
    var stored: Set<String> = []
    var traefik: CertificateHolds.Traefik? = .init(started: 1000, age: .seconds(3600), reloads: 10)
    /// For how long files have been as they are.
    var age: [String: Duration] = [:]
    /// Whether the disk takes files.
    var isWritable = true

    /// Somebody sets a route for a name.
    mutating func set(_ names: String...) {
      for name in names where waiting[name] == nil {
        waiting[name] = .init(isAsking: !held.contains(name), isOnHold: held.contains(name))
      }
    }

    /// Traefik has a certificate.
    mutating func certify(_ name: String) {
      waiting[name] = nil
      stored.insert(name)
    }

    /// Time passes, then there is a look, and what it asks for is done.
    mutating func look(after seconds: Int = 0, wanted: Set<String> = []) -> CertificateHolds.Actions {
      now += .seconds(seconds)
      let actions = holds.look(
        at: waiting, stored: stored, held: held, wanted: wanted, traefik: traefik, now: now
      ) { age[$0] ?? .zero }
      for name in actions.hold.keys {
        held.insert(name)
        waiting[name] = .init(isAsking: false, isOnHold: true)
      }
      if isWritable {
        for name in actions.retry { waiting[name] = .init(isAsking: true, isOnHold: name.hasPrefix("*")) }
      } else {
        holds.postpone(actions.retry, now: now)
      }
      held.subtract(actions.release)
      return actions
    }

    /// After how many seconds, looked at every 5 s, something is done, and what; nil when nothing is for two days.
    mutating func next() -> (seconds: Int, actions: CertificateHolds.Actions)? {
      for step in 1...34_560 {
        let actions = look(after: 5)
        if actions != CertificateHolds.Actions() { return (step * 5, actions) }
      }
      return nil
    }

    /// The same, which must be something.
    mutating func step() throws -> (seconds: Int, actions: CertificateHolds.Actions) {
      let step = next()
      return try #require(step)
    }

    /// When a name is tried again, in seconds from now.
    func retry(_ name: String) -> Int? { holds.retries[name].map { Int(($0 - now) / .seconds(1)) } }
  }

  @Test func nameThatGetsItsCertificateIsLeftAlone() {
    var node = Node()
    node.set("a.test")
    #expect(node.look() == .init())
    #expect(!node.holds.isIdle)
    #expect(node.look(after: 20) == .init())
    node.certify("a.test")
    #expect(node.next() == nil)
    #expect(node.holds.isIdle && node.holds.retries.isEmpty)
  }

  @Test("A name that gets none is tried again after an hour, two, four and so on up to a day")
  func pausesGrow() throws {
    var node = Node()
    node.set("a.test")
    _ = node.look()
    var pauses: [Int] = []
    for failures in 1...7 {
      let hold = try node.step()
      #expect(hold.actions == .init(hold: ["a.test": failures]))
      // Whether Traefik took anything in: it did not.
      #expect(hold.seconds == 300)
      #expect(node.retry("a.test") == [3600, 7200, 14_400, 28_800, 57_600, 86_400, 86_400][failures - 1])
      let retry = try node.step()
      #expect(retry.actions == .init(retry: ["a.test"]))
      pauses.append(retry.seconds)
    }
    #expect(pauses == [3600, 7200, 14_400, 28_800, 57_600, 86_400, 86_400])
    node.certify("a.test")
    #expect(node.look(after: 5) == .init(release: ["a.test"]))
    #expect(node.holds.isIdle && node.held.isEmpty)
  }

  @Test("The first time it asks for 5 minutes, or until Traefik took five changes in, 30 s at the least")
  func changesEndTheFirstTime() {
    var node = Node()
    node.set("a.test")
    _ = node.look()
    node.traefik?.reloads += 4
    #expect(node.look(after: 100) == .init())
    node.traefik?.reloads += 1
    #expect(node.look(after: 5) == .init(hold: ["a.test": 1]))

    node.set("b.test")
    _ = node.look()
    node.traefik?.reloads += 50
    #expect(node.look(after: 29) == .init())
    #expect(node.look(after: 1) == .init(hold: ["b.test": 1]))
  }

  @Test("Each further time it asks for 30 s, and until Traefik took two changes in")
  func furtherTimesAreShort() {
    var node = Node()
    node.set("a.test")
    _ = node.look()
    _ = node.look(after: 300)
    #expect(node.look(after: 3600) == .init(retry: ["a.test"]))
    node.traefik?.reloads += 1
    #expect(node.look(after: 60) == .init())
    node.traefik?.reloads += 1
    #expect(node.look(after: 1) == .init(hold: ["a.test": 2]))
    #expect(node.look(after: 7200) == .init(retry: ["a.test"]))
    node.traefik?.reloads += 2
    #expect(node.look(after: 29) == .init())
    #expect(node.look(after: 1) == .init(hold: ["a.test": 3]))
    // A certificate that comes later, since Traefik finishes what it has begun, ends it all the same.
    node.certify("a.test")
    #expect(node.look(after: 5) == .init(release: ["a.test"]))
  }

  @Test func withoutTraefikNothingFails() {
    var node = Node()
    node.traefik = nil
    node.set("a.test")
    #expect(node.next() == nil)
    node.traefik = .init(started: 2000, age: .seconds(3), reloads: 1)
    _ = node.look()
    #expect(node.look(after: 200) == .init())
    // What it had begun ended with it.
    node.traefik = nil
    _ = node.look(after: 50)
    node.traefik = .init(started: 2300, age: .seconds(2), reloads: 1)
    #expect(node.next()?.seconds == 305)
    // Nobody is tried while it does not run.
    node.traefik = nil
    #expect(node.next() == nil)
    node.traefik = .init(started: 2600, age: .zero, reloads: 1)
    #expect(node.look() == .init(retry: ["a.test"]))
  }

  @Test("A Traefik that was started anew between two looks begins anew, and tries what is on hold after ten minutes")
  func traefikStartsAnew() {
    var node = Node()
    node.set("a.test", "b.test")
    _ = node.look()
    _ = node.look(after: 300)
    node.set("c.test")
    _ = node.look()
    node.traefik = .init(started: 9000, age: .zero, reloads: 2)
    #expect(node.look(after: 290) == .init())
    #expect(node.retry("a.test") == 310)
    #expect(node.next()?.actions == .init(hold: ["c.test": 1]))
    #expect(node.next()?.actions == .init(retry: ["a.test", "b.test"]))
    // By its own account of the time it was started long ago, or in the future: it does not matter.
    for started in [1e12, -5] {
      node.traefik?.started = started
      node.traefik?.age = .zero
      _ = node.look(after: 5)
    }

    // Nor does it when that is told a little otherwise from time to time.
    var same = Node()
    same.set("a.test")
    _ = same.look()
    for started in [1001.5, 1000, 1002, 1001] {
      same.traefik?.started = started
      #expect(same.look(after: 60) == .init())
    }
    #expect(same.look(after: 60) == .init(hold: ["a.test": 1]))
    same.traefik?.started = 1003
    #expect(same.look(after: 1).hold.isEmpty && same.retry("a.test") == 3599)
    same.traefik?.started = 1005.1
    #expect(same.look(after: 1).hold.isEmpty && same.retry("a.test") == 598)
  }

  @Test("Who sets the route again has it tried at once, when the last time is ten minutes ago; later an hour")
  func wantedNamesAreTriedSooner() {
    var node = Node()
    node.set("a.test")
    _ = node.look()
    _ = node.look(after: 300)
    #expect(node.look(after: 60, wanted: ["a.test"]) == .init())
    #expect(node.retry("a.test") == 540)
    #expect(node.next()?.seconds == 540)
    #expect(node.next()?.actions == .init(hold: ["a.test": 2]))
    #expect(node.retry("a.test") == 7200)
    #expect(node.look(after: 1200, wanted: ["a.test"]) == .init(retry: ["a.test"]))
    // However often it is wanted, no more than once an hour in the end.
    var tries = 0
    for _ in 0..<(2 * 24 * 720) where !node.look(after: 5, wanted: ["a.test"]).retry.isEmpty { tries += 1 }
    #expect((30...48).contains(tries), "\(tries)")
  }

  @Test func whoWantsANameWhileItIsTriedHasItTriedSoonerOnceMore() {
    var node = Node()
    node.set("a.test")
    _ = node.look()
    _ = node.look(after: 300)
    #expect(node.look(after: 3600) == .init(retry: ["a.test"]))
    #expect(node.look(after: 60, wanted: ["a.test"]) == .init())
    #expect(node.look(after: 240) == .init(hold: ["a.test": 2]))
    #expect(node.retry("a.test") == 1200)
    #expect(node.next()?.seconds == 1200)
    #expect(node.next()?.actions == .init(hold: ["a.test": 3]))
    #expect(node.retry("a.test") == 14_400)
  }

  @Test("After a restart a name goes on from what its files say and since when")
  func restart() {
    var node = Node()
    // On hold for 4 minutes; asking for 4 minutes; for a day, and with a Traefik that has run for 270 s.
    node.waiting = [
      "a.test": .init(isAsking: false, isOnHold: true), "b.test": .init(isAsking: true, isOnHold: false),
      "*.c.test": .init(isAsking: true, isOnHold: true),
    ]
    node.held = ["a.test", "*.c.test", "d.test"]
    node.stored = ["d.test"]
    node.age = ["a.test": .seconds(240), "b.test": .seconds(240), "*.c.test": .seconds(86_400)]
    node.traefik?.age = .seconds(270)
    #expect(node.look() == .init(release: ["d.test"]))
    #expect(node.retry("a.test") == 3360)
    #expect(node.next()?.actions == .init(hold: ["*.c.test": 2]))
    #expect(node.now == .seconds(30))
    #expect(node.next()?.actions == .init(hold: ["b.test": 1]))
    #expect(node.now == .seconds(60))
    #expect(node.next()?.actions == .init(retry: ["a.test"]))

    // A clock that was set back changes nothing.
    var other = Node()
    other.waiting = ["a.test": .init(isAsking: false, isOnHold: true)]
    other.held = ["a.test"]
    other.age = ["a.test": .seconds(-86_400)]
    #expect(other.next()?.seconds == 3605)
  }

  @Test("Names on hold are tried sooner when Traefik was restarted while no gateway ran, or with it")
  func traefikStartsWithTheGateway() {
    for isLater in [false, true] {
      var node = Node()
      node.waiting = ["a.test": .init(isAsking: false, isOnHold: true)]
      node.held = ["a.test"]
      node.age = ["a.test": .seconds(300)]
      node.traefik?.age = .seconds(20)
      if isLater {
        let traefik = node.traefik
        node.traefik = nil
        _ = node.look()
        node.traefik = traefik
      }
      _ = node.look()
      #expect(node.retry("a.test") == 300)
    }
  }

  @Test func nameWhoseCertificateIsLostHasItsWholeTime() {
    var node = Node()
    node.age = ["a.test": .seconds(86_400)]
    _ = node.look()
    node.waiting = ["a.test": .init(isAsking: true, isOnHold: false)]
    #expect(node.look(after: 100) == .init())
    #expect(node.next()?.actions == .init(hold: ["a.test": 1]))
    #expect(node.now == .seconds(400))
  }

  @Test(
    "No more than ten are tried at a time, those first that wait the longest; a certificate makes room for the next")
  func fewAtATime() throws {
    var node = Node()
    for number in 10..<45 {
      node.set("n\(number).test")
      _ = node.look(after: 1)
    }
    _ = node.look(after: 300)
    #expect(node.held.count == 35)
    let first = node.look(after: 3600).retry
    #expect(first == Set((10..<20).map { "n\($0).test" }))
    node.traefik?.reloads += 2
    #expect(node.look(after: 30).hold.count == 10)
    // They failed, so that the next ones come when these five minutes are over.
    let second = try node.step()
    #expect(second.actions.retry.count == 10 && second.seconds == 270)
    for name in second.actions.retry { node.certify(name) }
    #expect(node.look(after: 5).retry.count == 10)
  }

  @Test("A name that is deleted and set again is as it was; one that nobody wants is forgotten")
  func unwantedNames() {
    var node = Node()
    node.set("a.test", "b.test")
    _ = node.look()
    _ = node.look(after: 300)
    node.waiting = [:]
    #expect(node.look(after: 3000) == .init())
    node.set("a.test")
    #expect(node.waiting["a.test"] == .init(isAsking: false, isOnHold: true))
    #expect(node.look(after: 5, wanted: ["a.test"]) == .init(retry: ["a.test"]))
    #expect(node.look(after: 595) == .init(hold: ["a.test": 2], release: ["b.test"]))

    // One that asks, and is gone for less than five minutes, or for longer.
    node.set("c.test")
    _ = node.look()
    node.waiting["c.test"] = nil
    _ = node.look(after: 5)
    node.set("c.test")
    #expect(node.look(after: 290) == .init())
    #expect(node.look(after: 5) == .init(hold: ["c.test": 1]))
    node.set("d.test")
    _ = node.look()
    node.waiting["d.test"] = nil
    _ = node.look(after: 300)
    node.set("d.test")
    _ = node.look()
    #expect(node.look(after: 295) == .init())

    // There is an end to what is remembered.
    var many = Node()
    for number in 0..<10_100 { many.set("n\(number).test") }
    _ = many.look()
    _ = many.look(after: 300)
    many.waiting = [:]
    #expect(many.look(after: 5).release.count == 10_100)
  }

  @Test("Who deletes a route and sets it again all the time saves its name neither from the hold nor from the failure")
  func deletedAndSetAgain() {
    var node = Node()
    node.set("a.test")
    _ = node.look()
    for failures in 1...3 {
      var orders = 0
      var actions = CertificateHolds.Actions()
      while actions.hold.isEmpty, orders < 10 {
        node.waiting["a.test"] = nil
        _ = node.look(after: 5)
        node.set("a.test")
        node.traefik?.reloads += 2
        actions = node.look(after: 5)
        orders += 1
      }
      #expect(actions == .init(hold: ["a.test": failures]))
      #expect(orders == 3)
      #expect(node.next()?.actions == .init(retry: ["a.test"]))
    }
  }

  @Test func anotherFileTriesWhenTheOneThatDidIsGone() {
    var node = Node()
    node.set("*.a.test")
    _ = node.look()
    _ = node.look(after: 300)
    #expect(node.next()?.actions == .init(retry: ["*.a.test"]))
    node.waiting["*.a.test"]?.isAsking = false
    #expect(node.look(after: 5) == .init(retry: ["*.a.test"]))
    #expect(node.look(after: 5) == .init())
    #expect(node.next()?.actions == .init(hold: ["*.a.test": 2]))
  }

  @Test("A name whose file cannot be written is due until it can, which is no failure and keeps nobody else waiting")
  func unwritableFile() throws {
    var node = Node()
    node.set("a.test")
    _ = node.look()
    _ = node.look(after: 300)
    node.isWritable = false
    #expect(node.look(after: 3600) == .init(retry: ["a.test"]))
    for _ in 0..<100 { #expect(node.look(after: 5) == .init(retry: ["a.test"])) }
    #expect(try #require(node.retry("a.test")) <= 0)
    node.isWritable = true
    #expect(node.look(after: 5) == .init(retry: ["a.test"]))
    let hold = try node.step()
    #expect(hold.seconds == 300 && hold.actions == .init(hold: ["a.test": 2]))
  }

  @Test func fileOfANameOnHoldThatSomebodyChangedIsPutOnHoldAgain() {
    var node = Node()
    node.set("*.a.test")
    _ = node.look()
    _ = node.look(after: 300)
    node.waiting["*.a.test"]?.isAsking = true
    #expect(node.look(after: 5) == .init(hold: ["*.a.test": 0]))
    #expect(node.retry("*.a.test") == 3595)
  }
}
