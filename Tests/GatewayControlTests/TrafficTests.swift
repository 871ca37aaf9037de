import FoundationEssentials
import GatewayClient
import GatewayModule
import Testing

@testable import GatewayControl

@Suite(.timeLimit(.minutes(5)))
struct TrafficTests {
  private func metrics(_ request: [String: Double], _ response: [String: Double] = [:]) throws -> TrafficTotals {
    let json = try JSONEncoder().encode(["Request": request, "Response": response])
    return try JSONDecoder().decode(TrafficTotals.self, from: json)
  }

  private let start = ContinuousClock.now

  private func history(_ readings: [(Double, [String: Double])]) throws -> TrafficHistory {
    var history = TrafficHistory()
    for (seconds, request) in readings { history.add(try metrics(request), at: start + .seconds(seconds)) }
    return history
  }

  @Test func rateIsWhatWasAddedSinceTheReadingBefore() throws {
    let history = try history([(0, ["w": 1000]), (2, ["w": 5000]), (4, ["w": 5000])])
    let workload = try #require(history.workloads.first)
    #expect(workload.request == 5000 && workload.requestRate == 0)
    #expect(workload.rates == [2000, 0])
  }

  @Test("A counter that began again counts from zero, and so does a workload that is new")
  func resets() throws {
    let history = try history([(0, ["w": 1000]), (1, ["w": 300, "new": 50])])
    #expect(history.workloads.map(\.requestRate) == [300, 50])
  }

  @Test func workloadThatIsNoLongerToldOfIsGone() throws {
    #expect(try history([(0, ["w": 1]), (1, [:])]).workloads.isEmpty)
  }

  @Test func busiestComesFirstThenTheLargestThenTheName() throws {
    let history = try history([
      (0, ["b": 10, "a": 10, "large": 900, "busy": 0]), (1, ["b": 10, "a": 10, "large": 900, "busy": 100]),
    ])
    #expect(history.workloads.map(\.workload) == ["busy", "large", "a", "b"])
  }

  @Test func historyIsBounded() throws {
    let history = try history((0..<200).map { (Double($0), ["w": Double($0)]) })
    #expect(history.workloads[0].rates.count == TrafficHistory.length)
  }

  @Test func totalsAreInBinaryUnits() throws {
    let metrics = try metrics(["a": 512, "b": 2048], ["b": 3_000_000])
    #expect(
      TrafficView.totals(metrics) == """
        WORKLOAD  REQUEST  RESPONSE
        a           512 B       0 B
        b         2.0 KiB   2.9 MiB
        TOTAL     2.5 KiB   2.9 MiB
        """)
    #expect(TrafficView.totals(try self.metrics([:])) == "WORKLOAD  REQUEST  RESPONSE")
  }

  @Test func barIsAsHighAsTheHighest() {
    #expect(TrafficView.bar([0, 1, 4, 8], isUTF8: true) == "▁▂▅█")
    #expect(TrafficView.bar([0, 1, 4, 8], isUTF8: false) == "_.=#")
    #expect(TrafficView.bar([0, 0], isUTF8: true) == "▁▁")
    #expect(TrafficView.bar([], isUTF8: true) == "")
  }

  @Test("It fits any terminal", arguments: [(80, 24), (200, 50), (80, 5), (66, 10)])
  func fits(width: Int, height: Int) throws {
    let counts = { (base: Double) in
      Dictionary(
        uniqueKeysWithValues: (0..<100).map { ("\($0)-a-workload-with-a-rather-long-name", base * Double($0 + 1)) })
    }
    let history = try history((0..<70).map { (Double($0), counts(Double($0) * 1e12)) })
    let lines = TrafficView.rates(
      history.workloads, on: Terminal(isInteractive: true, width: width, height: height))
    #expect(lines.count < height && lines.allSatisfy { $0.count <= width }, "\(lines)")
    #expect(lines.last!.hasPrefix("TOTAL of"))
    #expect(lines[1].hasPrefix("99-"))
    // All of them where nobody scrolls.
    #expect(TrafficView.rates(history.workloads, on: Terminal(isInteractive: false)).count == 102)
  }

  @Test func oneLineOfEach() throws {
    let history = try history([(0, ["shop": 0]), (1, ["shop": 1024]), (2, ["shop": 5120])])
    #expect(
      TrafficView.rates(history.workloads, on: Terminal(isInteractive: true)) == [
        "WORKLOAD   REQUEST/s  RESPONSE/s     REQUEST    RESPONSE  RATE",
        "shop       4.0 KiB/s       0 B/s     5.0 KiB         0 B  ▃█",
      ])
  }
}
