import Testing

@testable import RPC

/// Who runs alone after a death, and who is suspected, with no broker and no clock.
@Suite(.timeLimit(.minutes(5)))
struct RecoveryTests {
  @Test func nextBeginsWhenTheOneThatRunsAloneIsOver() {
    let recovery = Suspicion()
    recovery.begins(1, [1])
    #expect(recovery.isOver(1))
    #expect(recovery.takeCleared() == [[1]])
    recovery.begins(2, [2])
    #expect(recovery.isOver(2))
    #expect(recovery.takeCleared() == [[2]])
  }

  @Test func timeOfOneThatIsOverSaysNothingOfTheNext() {
    let recovery = Suspicion()
    recovery.begins(1, [1])
    #expect(recovery.isOver(1))
    recovery.begins(2, [2])
    #expect(!recovery.goesOn(beside: 1))
    #expect(recovery.goesOn(beside: 2))
    #expect(!recovery.goesOn(beside: 2), "once is enough")
  }

  @Test func oneThatHadItsTimeSaysNothingOfTheNextHoweverItGoesOn() {
    let recovery = Suspicion()
    recovery.begins(1, [1])
    #expect(recovery.goesOn(beside: 1))
    recovery.begins(2, [2])
    // It lets go of its worker, and is over, while the second runs alone.
    #expect(!recovery.goesOn(beside: 1))
    #expect(!recovery.isOver(1))
    #expect(recovery.takeCleared() == [[1]], "it is no suspect any more")
    #expect(recovery.isOver(2))
    #expect(recovery.takeCleared() == [[2]])
  }

  @Test func equalRequestsAreToldApart() {
    let recovery = Suspicion()
    recovery.begins(1, [7])
    #expect(recovery.goesOn(beside: 1))
    recovery.begins(2, [7])
    #expect(!recovery.isOver(1))
    #expect(recovery.isOver(2))
    #expect(recovery.takeCleared() == [[7], [7]])
  }

  @Test func callsThatAreNoLeftoversConcernNobody() {
    let recovery = Suspicion()
    #expect(!recovery.isOver(9) && !recovery.goesOn(beside: 9))
    recovery.begins(1, [1])
    #expect(!recovery.isOver(9) && !recovery.goesOn(beside: 9))
    #expect(recovery.takeCleared() == [])
    recovery.clear([3])
    #expect(recovery.takeCleared() == [[3]])
  }
}

/// A recovery on which an expectation may call what changes it.
private final class Suspicion {
  private var recovery = Recovery(inFlight: "m.in-flight")

  func begins(_ call: Recovery.CallID, _ payload: [UInt8]) { recovery.begins(call, payload) }
  func goesOn(beside call: Recovery.CallID) -> Bool { recovery.goesOn(beside: call) }
  func isOver(_ call: Recovery.CallID) -> Bool { recovery.isOver(call) }
  func clear(_ payload: [UInt8]) { recovery.clear(payload) }
  func takeCleared() -> [[UInt8]] { recovery.takeCleared() }
}
