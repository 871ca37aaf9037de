import ProxyConfig
import RPC
import System
import Testing

@testable import GatewayModule

/// How readings of counters that may begin anew become totals that do not.
@Suite(.timeLimit(.minutes(5)))
struct TrafficLedgerTests {
  private var ledger = TrafficLedger()
  private static let backend = try! Endpoint("10.1.2.3:443")

  /// Takes in what a Traefik that started at `start` shows for one workload; nothing of it when both are nil.
  private mutating func take(_ request: Double?, _ response: Double?, start: Double? = 100, of workload: String = "w") {
    ledger.take(
      Traffic(request: request.map { [workload: $0] } ?? [:], response: response.map { [workload: $0] } ?? [:]),
      start: start)
  }

  private func socket(_ cookie: UInt64, _ sent: Double, _ received: Double) -> TCPSocket {
    TCPSocket(cookie: cookie, remote: Self.backend, bytes: ByteCount(request: sent, response: received))
  }

  private mutating func look(_ sockets: TCPSocket..., owners: [String] = ["w"]) {
    ledger.beginLook()
    ledger.endLook(sockets) { _ in owners }
  }

  private func expect(
    _ request: Double, _ response: Double, of workload: String = "w", sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let total = ledger.totals[workload]
    #expect(total == ByteCount(request: request, response: response), sourceLocation: sourceLocation)
  }

  // MARK: TLS terminated by Traefik

  @Test mutating func readingsThatRiseAreTheTotal() {
    take(10, 100)
    take(10, 100)
    take(15, 100)
    take(15, 170)
    expect(15, 170)
  }

  /// A reading, and what it adds to 10 and 100 bytes.
  @Test(
    "A reading that is below the previous one in either direction began anew in both",
    arguments: [(0, 0, 0, 0), (3, 7, 3, 7), (10, 99, 10, 99), (50, 7, 50, 7), (9, 500, 9, 500)]
      as [(
        Double, Double, Double, Double
      )])
  mutating func reset(_ request: Double, _ response: Double, _ addedRequest: Double, _ addedResponse: Double) {
    take(10, 100)
    take(request, response)
    expect(10 + addedRequest, 100 + addedResponse)
    // And goes on from there.
    take(request + 1, response + 2)
    expect(11 + addedRequest, 102 + addedResponse)
  }

  @Test mutating func anotherTraefikBeginsAnewWhateverItShows() {
    take(10, 100, start: 100)
    take(20, 100, start: 250)
    expect(30, 200)
    take(21, 105, start: 250)
    expect(31, 205)
  }

  @Test("The same Traefik is known by its start, give or take a rounding", arguments: [99.99, 100, 100.01])
  mutating func sameStart(_ start: Double) {
    take(10, 100, start: 100)
    take(11, 101, start: start)
    expect(11, 101)
  }

  @Test mutating func aStartThatIsNotToldProvesNothing() {
    take(10, 100, start: nil)
    take(11, 101, start: 100)
    take(12, 102, start: nil)
    take(13, 103, start: 100)
    expect(13, 103)
    take(14, 104, start: 300)
    expect(27, 207)
  }

  @Test mutating func aServiceThatWasMissingBeginsAnew() {
    take(10, 100)
    take(nil, nil)
    expect(10, 100)
    take(12, 130)
    expect(22, 230)
  }

  @Test mutating func oneDirectionAloneIsEnough() {
    take(nil, 5)
    expect(0, 5)
    take(3, nil)
    // Without its responses the service is another one.
    expect(3, 5)
  }

  @Test mutating func sumsStayFinite() {
    for _ in 0..<3 { take(.greatestFiniteMagnitude, .infinity, start: nil) }
    take(1, 1, start: nil)
    expect(.greatestFiniteMagnitude, .greatestFiniteMagnitude)
  }

  @Test mutating func nothingEverGoesBack() {
    var random = SystemRandomNumberGenerator()
    var previous: [String: ByteCount] = [:]
    for step in 0..<5000 {
      let workload = "w\(Int.random(in: 0..<3, using: &random))"
      switch Int.random(in: 0..<4, using: &random) {
      case 0:
        take(.random(in: 0..<50), .random(in: 0..<50), start: [100, 200, nil].randomElement()!, of: workload)
      case 1: look(socket(.random(in: 0..<5), .random(in: 0..<50), .random(in: 0..<50)), owners: [workload])
      case 2:
        ledger.close(socket(.random(in: 0..<5), .random(in: 0..<50), .random(in: 0..<50))) { _ in [workload, "w"] }
      default: ledger.age(by: 10) { _ in true }
      }
      for (workload, total) in previous {
        let now = ledger.totals[workload]
        #expect(now.map { $0.request >= total.request && $0.response >= total.response } == true, "step \(step)")
      }
      previous = ledger.totals
    }
  }

  // MARK: TLS passed through

  @Test mutating func aConnectionCountsWhileItIsOpenAndWhenItIsClosed() {
    look(socket(1, 10, 100))
    look(socket(1, 15, 100))
    ledger.close(socket(1, 16, 120)) { _ in ["w"] }
    expect(16, 120)
    look()
    expect(16, 120)
  }

  @Test mutating func aConnectionThatNoLookSawCountsWhenItIsClosed() {
    for cookie in 1...1000 { ledger.close(socket(UInt64(cookie), 1, 3)) { _ in ["w"] } }
    expect(1000, 3000)
    #expect(!ledger.hasConnections)
  }

  @Test mutating func aConnectionThatIsClosedDuringALookCountsOnce() {
    ledger.beginLook()
    ledger.close(socket(1, 10, 100)) { _ in ["w"] }
    ledger.endLook([socket(1, 9, 90)]) { _ in ["w"] }
    expect(10, 100)
    #expect(!ledger.hasConnections)
  }

  @Test mutating func looksMayOverlap() {
    ledger.beginLook()
    ledger.beginLook()
    ledger.close(socket(1, 10, 100)) { _ in ["w"] }
    ledger.endLook([socket(1, 10, 100), socket(2, 5, 5)]) { _ in ["w"] }
    ledger.endLook([socket(1, 9, 90), socket(2, 4, 4)]) { _ in ["w"] }
    expect(15, 105)
  }

  @Test mutating func aReadingThatComesLateTakesNothingBack() {
    look(socket(1, 10, 100))
    // The byte that the FIN is taken for.
    ledger.close(socket(1, 10, 99)) { _ in ["w"] }
    expect(10, 100)
  }

  @Test mutating func aConnectionStaysWithItsWorkload() {
    look(socket(1, 10, 100), owners: ["w"])
    look(socket(1, 20, 200), owners: ["other"])
    ledger.close(socket(1, 30, 300)) { _ in [] }
    expect(30, 300)
    #expect(ledger.totals.count == 1)
  }

  @Test mutating func bytesOfASharedBackendAreSplit() {
    look(socket(1, 10, 100), owners: ["a", "b"])
    ledger.close(socket(1, 30, 300)) { _ in ["a"] }
    expect(15, 150, of: "a")
    expect(15, 150, of: "b")
  }

  @Test mutating func socketsOfNobodyAreNotKept() {
    look(socket(1, 10, 100), owners: [])
    ledger.close(socket(2, 10, 100)) { _ in [] }
    #expect(ledger == TrafficLedger())
  }

  @Test mutating func aConnectionThatVanishedUnseenIsDropped() {
    look(socket(1, 10, 100))
    look()
    // What was closed meanwhile may be told of a little later, however often somebody looks.
    ledger.age(by: 1000) { _ in true }
    look()
    ledger.age(by: 9) { _ in true }
    #expect(ledger.hasConnections)
    look()
    ledger.age(by: 1) { _ in true }
    #expect(!ledger.hasConnections)
    expect(10, 100)
  }

  @Test mutating func aClosingThatIsToldOfLateCountsAlsoWhenTheRouteIsGone() {
    look(socket(1, 10, 100))
    for _ in 0..<3 { look(owners: []) }
    ledger.close(socket(1, 30, 130)) { _ in [] }
    expect(30, 130)
    #expect(!ledger.hasConnections)
  }

  @Test mutating func aLookThatFailedSaysNothing() {
    look(socket(1, 10, 100))
    for _ in 0..<3 {
      ledger.beginLook()
      ledger.endLook(nil) { _ in ["w"] }
    }
    look(socket(1, 11, 100))
    expect(11, 100)
  }

  // MARK: Life

  @Test mutating func aDeletedWorkloadIsToldForAnHourAndThenForgotten() {
    take(10, 100)
    ledger.age(by: 10) { _ in true }
    // Traefik shows it once more, with its last bytes, and then no longer.
    take(11, 110)
    ledger.age(by: 10_000) { _ in false }
    take(nil, nil)
    ledger.age(by: 3599) { _ in false }
    expect(11, 110)
    ledger.age(by: 1) { _ in false }
    #expect(ledger == TrafficLedger(traefikStart: 100))
  }

  @Test mutating func aWorkloadThatIsSetAgainInTimeGoesOn() {
    take(10, 100)
    take(nil, nil)
    ledger.age(by: 3000) { _ in false }
    ledger.age(by: 3000) { $0 == "w" }
    take(1, 2)
    take(nil, nil)
    ledger.age(by: 3000) { _ in false }
    expect(11, 102)
  }

  @Test mutating func anOpenConnectionKeepsItsWorkload() {
    look(socket(1, 10, 100))
    ledger.age(by: 10_000) { _ in false }
    ledger.close(socket(1, 20, 200)) { _ in [] }
    expect(20, 200)
    ledger.age(by: 3600) { _ in false }
    #expect(ledger == TrafficLedger())
  }

  @Test mutating func countersOfAnEarlierLifeOfTheMachineAreNotGoneOnFrom() {
    take(10, 100)
    look(socket(1, 10, 100))
    ledger.machineRestarted()
    take(20, 200, start: 100)
    look(socket(1, 20, 200))
    expect(60, 600)
  }

  // MARK: On disk

  @Test mutating func whatIsStoredIsWhatWasCounted() throws {
    take(10.5, 2e21)
    look(socket(.max, 1, 2), owners: ["a", "b"])
    ledger.age(by: 60) { _ in false }
    let bytes = try MessagePackEncoder().encode(ledger)
    #expect(try MessagePackDecoder().decode(TrafficLedger.self, from: bytes) == ledger)
  }

  @Test func numbersThatCannotHaveBeenCountedAreRefused() throws {
    for total in [-1, .infinity, .nan] {
      let damaged = try MessagePackEncoder().encode([
        "accounts": ["w": ["total": ["request": total, "response": 0]]]
      ])
      #expect(throws: (any Error).self) { try MessagePackDecoder().decode(TrafficLedger.self, from: damaged) }
    }
  }
}

extension TrafficLedger {
  /// One that knows a Traefik and nothing of it.
  fileprivate init(traefikStart: Double) {
    self.init()
    take(Traffic(), start: traefikStart)
  }
}
