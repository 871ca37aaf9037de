import ProxyConfig
import System
import Testing

@testable import GatewayModule

/// What of the kernel's counts is added to Traefik's.
@Suite(.timeLimit(.minutes(3)))
struct BackendTrafficTests {
  private var ledger = TrafficLedger()
  private var backends = BackendTraffic()
  private var told: [String: (bytes: Double, requests: Double)] = [:]
  private static let backend = try! Endpoint("10.1.2.3:80")

  init() {
    backends.traefikIsNotRunning()
    look()
  }

  private mutating func look(_ sockets: TCPSocket...) {
    backends.beginLook()
    backends.endLook(sockets) { _ in true }
  }

  private func socket(_ cookie: UInt64, _ received: Double, unread: Double = 0) -> TCPSocket {
    TCPSocket(
      cookie: cookie, remote: Self.backend, bytes: ByteCount(request: 0, response: received), unread: unread)
  }

  /// Traefik tells of so many bytes and so many requests more.
  private mutating func tell(
    _ bytes: Double = 0, requests: Double = 0, of workload: String = "w", owners: [String] = ["w"],
    start: Double = 100, isSecure: Bool = false
  ) {
    let earlier = told[workload] ?? (0, 0)
    told[workload] = (earlier.bytes + bytes, earlier.requests + requests)
    ledger.take(
      Traffic(response: told.mapValues(\.bytes), requests: told.mapValues(\.requests)), start: start, &backends
    ) { _ in BackendTraffic.Owners(workloads: owners, isSecure: isSecure) }
  }

  private func total(_ workload: String = "w") -> Double { ledger.totals[workload]?.response ?? 0 }

  /// The total is `bytes`, less what is taken for headers and framing.
  private func expect(
    _ bytes: Double, of workload: String = "w", requests: Double, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(total(workload) <= bytes, sourceLocation: sourceLocation)
    #expect(total(workload) >= bytes * (1 - 1 / 256) - requests * 1024, sourceLocation: sourceLocation)
  }

  @Test mutating func wholeTransfersAreExactWhateverTheWireHad() {
    for step in 1...1000 {
      look(socket(1, Double(step) * 10_700))
      tell(10_000, requests: 1)
      #expect(total() == Double(step) * 10_000)
    }
  }

  @Test mutating func whatWasBrokenOffCountsOnce() {
    backends.close(socket(1, 4_000_000)) { _ in true }
    tell(requests: 1)
    expect(4_000_000, requests: 1)
    let before = total()
    for _ in 0..<10 { tell() }
    look(socket(2, 50_300))
    tell(50_000, requests: 1)
    #expect(total() == before + 50_000)
  }

  @Test mutating func whatTraefikTellsOfAtTheEndWasCountedAlready() {
    for step in 1...100 {
      look(socket(1, Double(step) * 1_000_000))
      tell(requests: step == 1 ? 1 : 0)
      expect(Double(step) * 1_000_000, requests: 1)
    }
    backends.close(socket(1, 100_000_300)) { _ in true }
    tell(100_000_000)
    #expect(total() == 100_000_000)
  }

  @Test mutating func whatTraefikToldFirstIsNotCountedAgain() {
    // The connection was closed, and the message of it comes late.
    tell(1_000_000, requests: 1)
    backends.close(socket(1, 1_000_300)) { _ in true }
    tell()
    #expect(total() == 1_000_000)
  }

  @Test mutating func whatTraefikDidNotReadDoesNotCount() {
    backends.close(socket(1, 10_000_000, unread: 6_000_000)) { _ in true }
    tell(requests: 1)
    expect(4_000_000, requests: 1)
  }

  @Test mutating func handshakesAreNoTraffic() {
    for step in 1...20 {
      backends.close(socket(UInt64(step), 10_000 + 5000)) { _ in true }
      tell(10_000, requests: 1, isSecure: true)
    }
    #expect(total() == 200_000)
  }

  @Test mutating func connectionsFromBeforeTheFirstLookBeginAtZero() {
    backends = BackendTraffic()
    look(socket(1, 5_000_000))
    tell(requests: 1)
    #expect(total() == 0)
    look(socket(1, 9_000_000))
    tell(requests: 1)
    expect(4_000_000, requests: 1)
  }

  @Test mutating func aClosingThatIsToldOfLateIsNotCountedAnew() {
    look(socket(1, 4_000_000))
    tell(requests: 1)
    let before = total()
    for _ in 0..<3 { look() }
    backends.close(socket(1, 4_000_000)) { _ in true }
    tell()
    #expect(before > 0 && total() == before)
  }

  /// An earlier life of the gateway counted half of a download, which ends while nobody looks.
  @Test mutating func whatAnEarlierLifeCountedIsNotCountedAgain() {
    look(socket(1, 5_000_000))
    tell(requests: 1)
    backends = BackendTraffic()
    look()
    tell(8_000_000)
    #expect(total() == 8_000_000)
  }

  @Test mutating func anotherTraefikTellsOfNothingThatWasCounted() {
    backends.close(socket(1, 4_000_000)) { _ in true }
    tell(requests: 1)
    let before = total()
    told = [:]
    tell(3_000_000, requests: 1, start: 200)
    #expect(total() == before + 3_000_000)
  }

  @Test mutating func ofASharedBackendEachGetsWhatTraefikToldAndTheRestIsSplit() {
    told["other"] = (0, 0)
    tell()
    look(socket(1, 1_000_300), socket(2, 2_000_000))
    tell(1_000_000, requests: 1, of: "other", owners: ["w", "other", "third"])
    #expect(total("other") >= 1_000_000)
    // Only it had requests.
    expect(3_000_000, of: "other", requests: 1)
    #expect(total() == 0)
  }

  @Test mutating func nothingIsCountedTwiceAndNothingGoesBack() {
    var random = SystemRandomNumberGenerator()
    var wire = 0.0
    var previous = 0.0
    var running: [UInt64: Double] = [:]
    for step in 0..<5000 {
      var bytes = 0.0
      var begun = 0.0
      if Bool.random(using: &random) {
        running[UInt64(step)] = 0
        begun = 1
      }
      for (cookie, carried) in running {
        let more = Double.random(in: 0..<1_000_000, using: &random)
        wire += more
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
          // It is whole, but for the headers.
          bytes += max(0, carried + more - 300)
          running[cookie] = nil
          backends.close(socket(cookie, carried + more)) { _ in true }
        case 1:
          running[cookie] = nil
          backends.close(socket(cookie, carried + more)) { _ in true }
        default: running[cookie] = carried + more
        }
      }
      backends.beginLook()
      backends.endLook(running.map { socket($0, $1) }) { _ in true }
      tell(bytes, requests: begun)
      #expect(total() >= previous && total() <= wire + 1, "step \(step)")
      previous = total()
    }
    #expect(total() > 0.95 * wire)
  }
}
