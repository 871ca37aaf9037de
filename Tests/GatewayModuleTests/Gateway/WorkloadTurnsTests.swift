import ProxyConfig
import Synchronization
import Testing

@testable import GatewayModule

@Suite(.timeLimit(.minutes(5)))
struct WorkloadTurnsTests {
  private let turns = WorkloadTurns()

  /// Something that one waits for and another one opens.
  private final class Gate: Sendable {
    private let stream = AsyncStream.makeStream(of: Void.self)

    func open() { stream.continuation.finish() }

    func wait() async {
      for await _ in stream.stream {}
    }
  }

  /// Who had its turn, and how many had it at the same time.
  private final class Record: Sendable {
    private let state = Mutex((order: [Int](), running: 0, most: 0))

    var order: [Int] { state.withLock { $0.order } }
    var most: Int { state.withLock { $0.most } }

    func begin(_ number: Int) {
      state.withLock {
        $0.order.append(number)
        $0.running += 1
        $0.most = max($0.most, $0.running)
      }
    }

    func end() {
      state.withLock { $0.running -= 1 }
    }
  }

  @Test func comeInTheOrderInWhichTheyAreAskedForAndNeverOverlap() async throws {
    let workload = try WorkloadID("w")
    let gate = Gate()
    let record = Record()
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<2000 {
        // Immediate, so that each has its place before the next one asks.
        group.addImmediateTask { [turns] in
          await turns.take(for: workload) {
            if number == 0 { await gate.wait() }
            record.begin(number)
            await Task.yield()
            record.end()
          }
        }
      }
      #expect(record.order.isEmpty)
      gate.open()
    }
    #expect(record.order == Array(0..<2000))
    #expect(record.most == 1)
  }

  @Test func otherWorkloadsDoNotWait() async throws {
    let gate = Gate()
    async let held: Void = turns.take(for: try WorkloadID("slow")) { await gate.wait() }
    for number in 0..<100 {
      #expect(await turns.take(for: try WorkloadID("w-\(number)")) { number } == number)
    }
    gate.open()
    try await held
  }

  @Test func failureGivesTheTurnOn() async throws {
    struct Failure: Error {}
    let workload = try WorkloadID("w")
    let gate = Gate()
    try await withThrowingTaskGroup(of: Int.self) { group in
      group.addImmediateTask { [turns] in
        do {
          try await turns.take(for: workload) {
            await gate.wait()
            throw Failure()
          }
        } catch is Failure {}
        return 1
      }
      group.addImmediateTask { [turns] in await turns.take(for: workload) { 2 } }
      gate.open()
      var results: Set<Int> = []
      for try await result in group { results.insert(result) }
      #expect(results == [1, 2])
    }
    #expect(await turns.take(for: workload) { true })
  }
}
