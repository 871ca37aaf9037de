import ProxyConfig
import System
import TestSupport
import Testing

@testable import GatewayModule

/// What is done about each thing that may be found on disk, for each thing that may be known of it.
@Suite(.timeLimit(.minutes(5)))
struct ReconciliationTests {
  private static func route(_ workload: String, _ domain: String) throws -> Route {
    try Route(
      workload: WorkloadID(workload), domain: Domain(domain), tls: .terminated(.own), backends: ["http://10.1.2.3"],
      under: .alreadyAccepted)
  }

  private let known: Route
  private let edited: Route
  private let own: WorkloadID
  private let other: WorkloadID
  private let stamp: FileStamp

  init() async throws {
    known = try Self.route("w", "a.test")
    edited = try Self.route("w", "b.test")
    own = known.workload
    other = try WorkloadID("other")
    stamp = try await TemporaryDirectory.withDirectory { try FileSystem.write([1], to: $0.file("x"), mode: 0o600) }
  }

  @Test func routeWhoseFileIsGoneIsForgotten() {
    #expect(Reconciliation(.nothing, known: known, owner: nil) == .forget(own))
    #expect(Reconciliation(.nothing, known: nil, owner: nil) == .leave)
  }

  @Test func goodRouteIsTakenOver() {
    #expect(Reconciliation(.route(known, stamp), known: nil, owner: nil) == .adopt(known, stamp))
    // As it was, in a file of another stamp.
    #expect(Reconciliation(.route(known, stamp), known: known, owner: own) == .adopt(known, stamp))
    #expect(Reconciliation(.route(edited, stamp), known: known, owner: nil) == .adopt(edited, stamp))
    // The workload is about to publish this very domain.
    #expect(Reconciliation(.route(edited, stamp), known: known, owner: own) == .adopt(edited, stamp))
  }

  @Test func routeForADomainThatAnotherHasIsNotTakenOver() {
    let reason = "domain already registered: b.test, by the older other"
    #expect(Reconciliation(.route(edited, stamp), known: nil, owner: other) == .quarantine(reason: reason))
    #expect(Reconciliation(.route(edited, stamp), known: known, owner: other) == .restore(known, reason: reason))
  }

  @Test func brokenFileIsMovedAway() {
    #expect(Reconciliation(.broken("bad"), known: nil, owner: nil) == .quarantine(reason: "bad"))
    #expect(Reconciliation(.broken("bad"), known: known, owner: nil) == .restore(known, reason: "bad"))
  }

  @Test func routeThatCouldNotBeWrittenIsOwedAndNotForgotten() {
    #expect(Reconciliation(.nothing, known: known, expecting: .fileLater, owner: nil) == .rewrite(known))
    #expect(
      Reconciliation(.route(edited, stamp), known: known, expecting: .fileLater, owner: nil) == .adopt(edited, stamp))
  }

  @Test func routeThatWasWithdrawnIsNeitherForgottenTwiceNorPutBack() {
    #expect(Reconciliation(.nothing, known: known, expecting: .nothing, owner: nil) == .leave)
    #expect(Reconciliation(.broken("bad"), known: known, expecting: .nothing, owner: nil) == .quarantine(reason: "bad"))
    #expect(Reconciliation(.foreign("other"), known: known, expecting: .nothing, owner: nil) == .leave)
    #expect(Reconciliation(.route(known, stamp), known: known, expecting: .nothing, owner: own) == .adopt(known, stamp))
    let reason = "domain already registered: b.test, by the older other"
    #expect(
      Reconciliation(.route(edited, stamp), known: known, expecting: .nothing, owner: other)
        == .quarantine(reason: reason))
  }

  @Test func foreignFileIsLeftUnlessARouteWasThere() {
    #expect(Reconciliation(.foreign("other"), known: nil, owner: nil) == .leave)
    #expect(
      Reconciliation(.foreign("other"), known: known, owner: nil)
        == .restore(known, reason: "no route any more: other"))
  }
}
