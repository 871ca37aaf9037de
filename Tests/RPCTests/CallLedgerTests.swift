import Testing

@testable import RPC

/// The calls in hand, with no broker and no clock.
@Suite(.timeLimit(.minutes(5)))
struct CallLedgerTests {
  // MARK: Taking

  @Test func wholeWindowIsAskedForAtFirstAndThenInLots() throws {
    let ledger = Ledger(workers: 64, window: 8)
    #expect(ledger.ask(0) == 8)
    #expect(ledger.ask(0) == 0)
    let calls = try (0..<3).map { try ledger.take("call\($0)") }
    #expect(ledger.ask(0) == 0)
    ledger.settle(calls[0])
    #expect(ledger.ask(0) == 0 && !ledger.asksForRequests, "one missing of eight is not worth a command")
    ledger.settle(calls[1])
    #expect(ledger.asksForRequests && ledger.ask(0) == 2)
    ledger.settle(calls[2])
    #expect(ledger.ask(0) == 0)
  }

  @Test func smallWindowIsRefilledAtOnceWhenNothingIsAskedFor() throws {
    let ledger = Ledger(window: 4)
    #expect(ledger.ask(0) == 4)
    for call in ["a", "b", "c", "d"] { try ledger.admit(call) }
    #expect(ledger.ask(0) == 0, "all four are in hand")
    let first = try #require(ledger.start(now: Timestamp(seconds: 1)))
    ledger.settle(first)
    #expect(ledger.ask(0) == 1)
  }

  @Test func eachQueueHasItsOwnWindow() throws {
    let ledger = Ledger(window: 2)
    #expect(ledger.ask(0) == 2)
    try ledger.admit("a")
    try ledger.admit("b")
    #expect(ledger.ask(0) == 0)
    #expect(ledger.ask(1) == 2)
  }

  // MARK: Running

  @Test func callsStartInTheOrderInWhichTheyWereTakenAndOnlyWhenAWorkerIsFree() throws {
    let ledger = Ledger(workers: 2)
    _ = ledger.ask(0)
    for call in ["a", "b", "c", "d"] { try ledger.admit(call) }
    let a = try #require(ledger.start(now: Timestamp(seconds: 1)))
    let b = try #require(ledger.start(now: Timestamp(seconds: 2)))
    #expect([a.call.request.method, b.call.request.method] == ["a", "b"])
    #expect(ledger.start(now: Timestamp(seconds: 3)) == nil)
    ledger.finish(b)
    #expect(ledger.start(now: Timestamp(seconds: 4))?.call.request.method == "c")
    #expect(ledger.start(now: Timestamp(seconds: 5)) == nil)
    ledger.finish(a)
    #expect(ledger.start(now: Timestamp(seconds: 6))?.call.request.method == "d")
    #expect(ledger.start(now: Timestamp(seconds: 7)) == nil)
  }

  @Test func statusTellsWhatEachWorkerDoesAndSinceWhen() throws {
    let ledger = Ledger(workers: 2)
    _ = ledger.ask(0)
    let call = try ledger.take("a", now: Timestamp(seconds: 5))
    #expect(
      ledger.workerStatus == [
        .init(state: .busy, startTime: Timestamp(seconds: 5), action: "[o@1].a()"),
        .init(state: .free, startTime: Timestamp(seconds: 0)),
      ])
    ledger.finish(call, now: Timestamp(seconds: 9))
    #expect(ledger.workerStatus.first == .init(state: .free, startTime: Timestamp(seconds: 9)))
  }

  @Test func releasedCallGivesItsWorkerAndItsPlaceInTheWindowToOthers() throws {
    let ledger = Ledger(workers: 1, window: 1)
    #expect(ledger.ask(0) == 1)
    let slow = try ledger.take("slow")
    #expect(ledger.ask(0) == 0)
    #expect(ledger.release(slow, now: Timestamp(seconds: 3)))
    #expect(ledger.workerStatus == [.init(state: .free, startTime: Timestamp(seconds: 3))])
    #expect(ledger.ask(0) == 1)
    let fast = try ledger.take("fast")
    ledger.finish(fast)
    ledger.finish(slow)
    #expect(ledger.nextBatch()?.settlements.map(\.method) == ["fast", "slow"])
    ledger.confirm(2)
    #expect(ledger.isIdle)
    #expect(ledger.ask(0) == 1, "a released call counts against the window only once")
  }

  @Test func callIsReleasedOnlyOnceAndOnlyWhileItRuns() throws {
    let ledger = Ledger()
    _ = ledger.ask(0)
    let id = try ledger.take("a")
    #expect(ledger.release(id, now: Timestamp(seconds: 1)))
    #expect(!ledger.release(id, now: Timestamp(seconds: 1)))
    ledger.finish(id)
    #expect(!ledger.release(id, now: Timestamp(seconds: 1)))
  }

  @Test func callBeyondTheLimitsKeepsItsWorker() throws {
    let byCount = Ledger(workers: 3, released: 1)
    _ = byCount.ask(0)
    let calls = try (0..<2).map { try byCount.take("call\($0)") }
    #expect(byCount.release(calls[0], now: Timestamp(seconds: 1)))
    #expect(!byCount.release(calls[1], now: Timestamp(seconds: 1)))
    byCount.finish(calls[0])
    #expect(byCount.release(calls[1], now: Timestamp(seconds: 1)))

    let byBytes = Ledger(bytes: Ledger.payload("a").count + 1)
    _ = byBytes.ask(0)
    let (first, second) = (try byBytes.take("a"), try byBytes.take("b"))
    #expect(byBytes.release(first, now: Timestamp(seconds: 1)))
    #expect(!byBytes.release(second, now: Timestamp(seconds: 1)))
  }

  // MARK: Settling

  @Test func settlementsAreSentInBatchesAndConfirmedInTheOrderSent() throws {
    let ledger = Ledger(workers: 200, window: 200)
    _ = ledger.ask(0)
    for index in 0..<150 { ledger.finish(try ledger.take("call\(index)")) }
    let first = try #require(ledger.nextBatch())
    let second = try #require(ledger.nextBatch())
    #expect(ledger.nextBatch() == nil)
    #expect(first.settlements.count == CallLedger.batchLimit && second.settlements.count == 22)
    #expect((first.settlements + second.settlements).map(\.method) == (0..<150).map { "call\($0)" })
    #expect(!first.isRepeated && !second.isRepeated)
    ledger.confirm(128)
    #expect(!ledger.isIdle && ledger.count == 22)
    ledger.confirm(22)
    #expect(ledger.isIdle && ledger.count == 0)
  }

  @Test func settlementCarriesTheReplyAndTheRequest() throws {
    let ledger = Ledger()
    _ = ledger.ask(0)
    let id = try ledger.take("a")
    ledger.finish(id, reply: [1, 2])
    let settlement = try #require(ledger.nextBatch()?.settlements.first)
    #expect(settlement.payload == Ledger.payload("a"))
    #expect(settlement.reply?.bytes == [1, 2])
    #expect(settlement.reply?.address.key.elementsEqual("r".utf8) == true)
  }

  @Test func requestThatNeedsNoWorkerIsSettledAtOnce() {
    let ledger = Ledger(workers: 1, window: 1)
    #expect(ledger.ask(1) == 1)
    ledger.drop([0xc1], from: 1)
    #expect(!ledger.isIdle)
    #expect(ledger.nextBatch()?.settlements.map(\.payload) == [[0xc1]])
    #expect(ledger.ask(1) == 0)
    ledger.confirm(1)
    #expect(ledger.ask(1) == 1 && ledger.isIdle)
  }

  @Test func requestsThatLeaveInTheOrderInWhichTheyCameAreCountedAndOthersNamed() throws {
    let ledger = Ledger(workers: 8)
    _ = ledger.ask(0)
    _ = ledger.ask(1)
    let calls = try ["a", "b", "c", "d", "e"].map { try ledger.take($0) }
    ledger.finish(calls[0])
    ledger.drop([0xc1], from: 1)
    ledger.finish(calls[1])
    #expect(ledger.nextRemovals() == [.init(source: 0, what: .first(2)), .init(source: 1, what: .first(1))])
    // "c" is held up.
    ledger.finish(calls[3])
    #expect(ledger.nextRemovals() == [.init(source: 0, what: .one(Ledger.payload("d")))])
    ledger.finish(calls[4])
    ledger.finish(calls[2])
    #expect(
      ledger.nextRemovals() == [
        .init(source: 0, what: .one(Ledger.payload("e"))), .init(source: 0, what: .first(1)),
      ])
  }

  /// What the ledger believes is on the list is there, in that order, whatever ends when, also among equal requests.
  @Test func removalsLeaveExactlyWhatIsNotAnswered() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let ledger = Ledger(workers: 64)
      _ = ledger.ask(0)
      var list: [[UInt8]] = []
      var running: [CallLedger.Running] = []
      for _ in 0..<60 {
        if Bool.random(using: &random) || running.isEmpty {
          let method = ["a", "b", "c"].randomElement(using: &random)!
          running.append(try ledger.take(method))
          list.append(Ledger.payload(method))
        } else {
          ledger.finish(running.remove(at: running.indices.randomElement(using: &random)!))
        }
        guard Int.random(in: 0..<4, using: &random) == 0 else { continue }
        for removal in ledger.nextRemovals() {
          switch removal.what {
          case .first(let count): list.removeFirst(count)
          case .one(let payload): list.remove(at: try #require(list.firstIndex(of: payload)))
          }
        }
        let left = Dictionary(grouping: list, by: \.self).mapValues(\.count)
        let inHand = Dictionary(grouping: running.map(\.call.payload), by: \.self).mapValues(\.count)
        #expect(inHand.allSatisfy { left[$0.key, default: 0] >= $0.value }, "a request that is not answered is gone")
      }
      for call in running { ledger.finish(call) }
      for removal in ledger.nextRemovals() {
        switch removal.what {
        case .first(let count): list.removeFirst(count)
        case .one(let payload): list.remove(at: try #require(list.firstIndex(of: payload)))
        }
      }
      #expect(list.isEmpty)
    }
  }

  @Test func afterAnOutageWhatIsOnTheListCounts() throws {
    let ledger = Ledger(workers: 8)
    _ = ledger.ask(0)
    let calls = try ["a", "b", "c"].map { try ledger.take($0) }
    ledger.finish(calls[0])
    _ = ledger.nextBatch()
    ledger.disconnected()
    // "a" is carried out, and before "b" stands what an earlier connection took.
    #expect(ledger.found(["lost", "b", "c"].map { Ledger.payload($0) }) == [Ledger.payload("lost")])
    #expect(ledger.nextRemovals() == [])
    ledger.finish(calls[1])
    #expect(ledger.nextRemovals() == [.init(source: 0, what: .one(Ledger.payload("b")))])
  }

  // MARK: Bytes

  @Test func largeRequestsNarrowTheWindowUntilTheyAreSmallAgain() throws {
    let ledger = Ledger(workers: 4, window: 64, queueBytes: 64 << 10)
    #expect(ledger.ask(0) == 64)
    try ledger.admit("large", bytes: 8 << 10)
    for _ in 0..<63 { try ledger.admit("small") }
    // As if all that are asked for were nearly as large.
    while let call = ledger.start(now: Timestamp(seconds: 1)) { ledger.settle(call) }
    let narrow = ledger.ask(0)
    #expect((6...30).contains(narrow), "\(narrow)")
    for _ in 0..<600 {
      _ = ledger.ask(0)
      ledger.settle(try ledger.take("small"))
    }
    // All of the window is asked for, or missing by less than what is worth a command.
    #expect(ledger.ask(0) + ledger.asked(0) > 48)
  }

  @Test func queueIsFullWhenSoManyBytesAreInHandUntilTheyAreConfirmed() throws {
    let ledger = Ledger(workers: 4, window: 64, queueBytes: 10_000)
    _ = ledger.ask(0)
    for _ in 0..<3 { try ledger.admit("large", bytes: 3_000) }
    #expect(!ledger.isFull(0))
    try ledger.admit("large", bytes: 3_000)
    #expect(ledger.isFull(0) && !ledger.isFull(1))
    let call = try #require(ledger.start(now: Timestamp(seconds: 1)))
    // Its reply is in hand, too.
    ledger.finish(call, reply: [UInt8](repeating: 0, count: 2_000))
    #expect(ledger.isFull(0))
    _ = ledger.nextBatch()
    #expect(ledger.isFull(0))
    ledger.confirm(1)
    #expect(!ledger.isFull(0))
    // One that gives its worker back is counted elsewhere.
    try ledger.admit("large", bytes: 3_000)
    #expect(ledger.isFull(0))
    #expect(ledger.release(try #require(ledger.start(now: Timestamp(seconds: 1))), now: Timestamp(seconds: 1)))
    #expect(!ledger.isFull(0))
  }

  @Test func callsDoNotStartWhileTooMuchIsOwed() throws {
    let ledger = Ledger(workers: 4, owedBytes: 10_000)
    _ = ledger.ask(0)
    let (first, second) = (try ledger.take("a"), try ledger.take("b"))
    try ledger.admit("c")
    ledger.finish(first, reply: [UInt8](repeating: 0, count: 9_000))
    #expect(ledger.canStart)
    ledger.finish(second, reply: [UInt8](repeating: 0, count: 9_000))
    #expect(!ledger.canStart && ledger.start(now: Timestamp(seconds: 1)) == nil)
    ledger.disconnected()
    _ = ledger.nextBatch()
    #expect(!ledger.canStart)
    ledger.confirm(2)
    #expect(ledger.canStart)

    ledger.finish(try #require(ledger.start(now: Timestamp(seconds: 1))), reply: [UInt8](repeating: 0, count: 20_000))
    try ledger.admit("d")
    #expect(!ledger.canStart)
    #expect(ledger.expire(before: Ledger.start + .seconds(1)) == 1)
    #expect(ledger.canStart, "what nobody waits for any more takes no room")
  }

  @Test func settlementsAreSentInBatchesOfBoundedSizeAndNotTooManyAtOnce() throws {
    let ledger = Ledger(workers: 64, queueBytes: 64 << 20, owedBytes: 64 << 20)
    _ = ledger.ask(0)
    let sizes = [300_000, 300_000, 300_000, 300_000, 2_000_000, 10, 10] + Array(repeating: 900_000, count: 6)
    for size in sizes {
      ledger.finish(try ledger.take("a"), reply: [UInt8](repeating: 0, count: size))
    }
    var batches: [Int] = []
    while let batch = ledger.nextBatch() { batches.append(batch.settlements.count) }
    // A large one goes alone; beyond 4 MiB they wait.
    #expect(batches == [3, 1, 1, 3, 1] && ledger.isHeldBack)
    ledger.confirm(3)
    #expect(ledger.nextBatch()?.settlements.count == 1)
    ledger.disconnected()
    #expect(!ledger.isHeldBack)
    #expect(ledger.nextBatch()?.isRepeated == true)
  }

  @Test func leftoversKeepTheirPlacesWhileOthersLeave() throws {
    let ledger = Ledger(workers: 8)
    _ = ledger.ask(0)
    let calls = try ["a", "b"].map { try ledger.take($0) }
    ledger.disconnected()
    ledger.lookThrough(["a", "x", "b", "y", "z"].map { Ledger.payload($0) })
    #expect(ledger.unreadLeftovers == 3 && ledger.firstLeftover == 1)
    ledger.finish(calls[0])
    #expect(ledger.nextRemovals() == [.init(source: 0, what: .first(1))])
    #expect(ledger.firstLeftover == 0)
    ledger.finish(calls[1])
    #expect(ledger.nextRemovals() == [.init(source: 0, what: .one(Ledger.payload("b")))])
    ledger.readLeftover(Ledger.payload("x"))
    #expect(ledger.firstLeftover == 1)
    try ledger.admitLeftover("x")
    ledger.finish(try #require(ledger.start(now: Timestamp(seconds: 1))))
    #expect(ledger.nextRemovals() == [.init(source: 0, what: .first(1))])
    // Somebody emptied the list.
    ledger.readLeftover(nil)
    ledger.readLeftover(nil)
    #expect(ledger.firstLeftover == nil && ledger.unreadLeftovers == 0)
  }

  // MARK: Outages

  @Test func whatWasSentAndNotConfirmedIsRepeatedBeforeAnythingElse() throws {
    let ledger = Ledger(workers: 8)
    _ = ledger.ask(0)
    for call in ["a", "b", "c"] { ledger.finish(try ledger.take(call)) }
    _ = ledger.nextBatch()
    ledger.confirm(1)
    ledger.disconnected()
    ledger.finish(try ledger.take("d"))
    let repeated = try #require(ledger.nextBatch())
    #expect(repeated.isRepeated && repeated.settlements.map(\.method) == ["b", "c"])
    let new = try #require(ledger.nextBatch())
    #expect(!new.isRepeated && new.settlements.map(\.method) == ["d"])
    ledger.confirm(3)
    #expect(ledger.isIdle)
  }

  @Test func orderSurvivesSeveralOutages() throws {
    let ledger = Ledger(workers: 200, window: 200)
    _ = ledger.ask(0)
    for index in 0..<140 { ledger.finish(try ledger.take("call\(index)")) }
    while ledger.nextBatch() != nil {}
    ledger.disconnected()
    _ = ledger.nextBatch()
    ledger.disconnected()
    let first = try #require(ledger.nextBatch())
    let second = try #require(ledger.nextBatch())
    #expect(first.isRepeated && second.isRepeated)
    #expect((first.settlements + second.settlements).map(\.method) == (0..<140).map { "call\($0)" })
  }

  @Test func brokerThatLostItsDataIsToldEverythingAsIfForTheFirstTime() throws {
    let ledger = Ledger(workers: 8)
    _ = ledger.ask(0)
    for call in ["a", "b"] { ledger.finish(try ledger.take(call)) }
    _ = ledger.nextBatch()
    ledger.finish(try ledger.take("c"))
    ledger.disconnected()
    ledger.forgetRepeats()
    let batch = try #require(ledger.nextBatch())
    #expect(!batch.isRepeated && batch.settlements.map(\.method) == ["a", "b", "c"])
  }

  @Test func afterAnOutageTheWholeWindowIsAskedForAgainButWhatIsInHand() throws {
    let ledger = Ledger(workers: 8, window: 8)
    #expect(ledger.ask(0) == 8)
    _ = try ledger.take("a")
    ledger.disconnected()
    #expect(ledger.ask(0) == 7)
  }

  @Test func leftoversAreTheRequestsInFlightThatAreNotInHand() throws {
    let ledger = Ledger(workers: 2)
    _ = ledger.ask(0)
    // One of each kind: running, waiting, owed, unconfirmed.
    let unconfirmed = try ledger.take("unconfirmed")
    ledger.finish(unconfirmed)
    _ = ledger.nextBatch()
    ledger.finish(try ledger.take("owed"))
    let released = try ledger.take("released")
    _ = ledger.release(released, now: Timestamp(seconds: 1))
    _ = try ledger.take("running")
    _ = try ledger.take("busy")
    try ledger.admit("waiting")
    let inFlight = ["stray", "unconfirmed", "owed", "released", "running", "busy", "waiting", "other"].map {
      Ledger.payload($0)
    }
    #expect(ledger.found(inFlight) == [Ledger.payload("stray"), Ledger.payload("other")])
    ledger.disconnected()
    #expect(ledger.found(inFlight) == [Ledger.payload("stray"), Ledger.payload("other")])
  }

  @Test func equalRequestsAreCountedNotMerged() throws {
    let ledger = Ledger()
    _ = ledger.ask(0)
    _ = try ledger.take("same")
    try ledger.admit("same")
    #expect(ledger.found(Array(repeating: Ledger.payload("same"), count: 2)) == [])
    #expect(ledger.found(Array(repeating: Ledger.payload("same"), count: 5)).count == 3)
    #expect(ledger.found(Array(repeating: Ledger.payload("same"), count: 5), from: 1).count == 5)
    #expect(ledger.found([]) == [])
  }

  @Test func leftoverCountsAgainstTheWindowThoughItWasNotAskedFor() throws {
    let ledger = Ledger(workers: 8, window: 4)
    for call in ["a", "b", "c"] {
      try ledger.admitLeftover(call)
    }
    #expect(ledger.ask(0) == 1)
    for _ in 0..<3 { ledger.finish(try #require(ledger.start(now: Timestamp(seconds: 1)))) }
    _ = ledger.nextBatch()
    ledger.confirm(3)
    #expect(ledger.ask(0) == 3)
  }

  @Test func replyThatIsTooOldIsDroppedButItsRequestIsStillForgotten() throws {
    let ledger = Ledger(workers: 8)
    _ = ledger.ask(0)
    for (seconds, call) in ["sent", "old", "new"].enumerated() {
      let id = try ledger.take(call)
      ledger.finish(id, reply: [1], at: Ledger.start + .seconds(seconds * 10))
      if call == "sent" { _ = ledger.nextBatch() }
    }
    ledger.disconnected()
    #expect(ledger.expire(before: Ledger.start + .seconds(15)) == 2)
    #expect(ledger.expire(before: Ledger.start + .seconds(15)) == 0)
    let batches = [ledger.nextBatch(), ledger.nextBatch()].compactMap { $0 }
    let settlements = batches.flatMap(\.settlements)
    #expect(settlements.map(\.method) == ["sent", "old", "new"])
    #expect(settlements.map { $0.reply == nil } == [true, true, false])
  }
}

/// A ledger of two queues, on which an expectation may call what changes it.
private final class Ledger {
  static let start = ContinuousClock.now
  private var ledger: CallLedger
  private var askedFor = [0, 0]

  init(
    workers: Int = 2, window: Int = 64, released: Int = 1024, bytes: Int = 1 << 20, queueBytes: Int = 1 << 20,
    owedBytes: Int = 1 << 20
  ) {
    ledger = CallLedger(
      sources: 2,
      limits: .init(
        workers: workers, window: window, bytes: queueBytes, owedBytes: owedBytes, released: released,
        releasedBytes: bytes),
      now: Timestamp(seconds: 0))
  }

  static func payload(_ method: String, bytes: Int = 0) -> [UInt8] {
    let inputs = bytes == 0 ? [] : [[UInt8](repeating: 0, count: bytes)]
    return Request.encode(id: "id", inputs: inputs, object: ObjectID("o", version: "1"), method: method, replyTo: "r")
  }

  var isIdle: Bool { ledger.isIdle }
  var count: Int { ledger.count }
  var asksForRequests: Bool {
    // The other queue asks for its whole window at first.
    _ = ledger.ask(1)
    return ledger.asksForRequests
  }
  var workerStatus: [ModuleStatus.Worker] { ledger.workerStatus }

  /// How many were asked for and have not come.
  func asked(_ source: Int) -> Int { askedFor[source] }
  func ask(_ source: Int) -> Int {
    let count = ledger.ask(source)
    askedFor[source] += count
    return count
  }
  func start(now: Timestamp) -> CallLedger.Running? { ledger.start(now: now) }
  func release(_ call: CallLedger.Running, now: Timestamp) -> Bool { ledger.release(call, now: now) }
  func nextBatch() -> CallLedger.Batch? { ledger.nextBatch() }
  /// How the requests of the next batch leave.
  func nextRemovals() -> [CallLedger.Removal] { ledger.nextBatch()?.removals ?? [] }
  func confirm(_ count: Int) { ledger.confirm(count) }
  func disconnected() { ledger.disconnected() }
  func forgetRepeats() { ledger.forgetRepeats() }
  func expire(before instant: ContinuousClock.Instant) -> Int { ledger.expire(before: instant) }
  var isHeldBack: Bool { ledger.isHeldBack }
  var canStart: Bool { ledger.canStart }
  func isFull(_ source: Int) -> Bool { ledger.isFull(source) }

  /// Looks through the in-flight list of a queue, a few at a time, and returns what was left there.
  func found(_ inFlight: [[UInt8]], from source: Int = 0) -> [[UInt8]] {
    ledger.beginLookingThrough()
    for start in stride(from: 0, to: inFlight.count, by: 3) {
      ledger.found(Array(inFlight[start..<min(start + 3, inFlight.count)]), from: source)
    }
    ledger.endLookingThrough()
    var leftovers: [[UInt8]] = []
    while let place = ledger.firstLeftover(of: source) {
      leftovers.append(inFlight[place])
      ledger.readLeftover(inFlight[place], of: source)
    }
    return leftovers
  }

  /// Looks through the in-flight list of the first queue, and reads nothing that was left there.
  func lookThrough(_ inFlight: [[UInt8]]) {
    ledger.beginLookingThrough()
    ledger.found(inFlight, from: 0)
    ledger.endLookingThrough()
  }

  var unreadLeftovers: Int { ledger.unreadLeftovers }
  var firstLeftover: Int? { ledger.firstLeftover(of: 0) }
  func readLeftover(_ payload: [UInt8]?) { ledger.readLeftover(payload, of: 0) }

  /// A request of about so many bytes arrives.
  func admit(_ method: String, bytes: Int) throws {
    let payload = Self.payload(method, bytes: bytes)
    askedFor[0] -= 1
    ledger.took(payload, from: 0)
    ledger.admit(try Request(payload), payload: payload, source: 0)
  }

  /// A request that was asked for arrives.
  func admit(_ method: String) throws {
    askedFor[0] -= 1
    ledger.took(Self.payload(method), from: 0)
    ledger.admit(try Request(Self.payload(method)), payload: Self.payload(method), source: 0)
  }

  /// A request that an earlier life took is found.
  func admitLeftover(_ method: String) throws {
    ledger.tookLeftover(Self.payload(method), from: 0)
    ledger.admit(try Request(Self.payload(method)), payload: Self.payload(method), source: 0)
  }

  /// A request arrives and starts.
  func take(_ method: String, now: Timestamp = Timestamp(seconds: 1)) throws -> CallLedger.Running {
    try admit(method)
    return try #require(start(now: now))
  }

  /// Something that is no request arrives.
  func drop(_ payload: [UInt8], from source: Int) {
    ledger.took(payload, from: source)
    ledger.settle(payload, reply: nil, source: source, at: Self.start)
  }

  func finish(
    _ call: CallLedger.Running, reply: [UInt8] = [], now: Timestamp = Timestamp(seconds: 2),
    at instant: ContinuousClock.Instant = Ledger.start
  ) {
    ledger.finish(call, reply: reply, now: now, at: instant)
  }

  /// A call ends and the broker confirms its reply.
  func settle(_ call: CallLedger.Running) {
    finish(call)
    confirm(nextBatch()?.settlements.count ?? 0)
  }
}

extension CallLedger.Settlement {
  /// The method of the request.
  fileprivate var method: String? { try? Request(payload).method }
}
