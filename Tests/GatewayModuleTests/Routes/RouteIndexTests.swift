import ProxyConfig
import System
import Testing

@testable import GatewayModule

/// Which workload owns which domain, at every step of a change.
@Suite(.timeLimit(.minutes(5)))
struct RouteIndexTests {
  private var index = RouteIndex()

  private func expectTaken(
    _ domain: String, for workload: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let route = try route(workload, domain)
    #expect(throws: DomainTaken(domain: route.domain), sourceLocation: sourceLocation) {
      try index.checkOwner(of: route)
    }
  }

  @Test mutating func claimedDomainIsTakenBeforeItsFileIsThere() throws {
    let first = try route("first", "a.test")
    #expect(try index.claim(first) == .write(replacing: nil))
    #expect(index.routes.isEmpty && index.owner(of: first.domain) == first.workload)
    try expectTaken("a.test", for: "second")

    index.confirm(first, isDurable: true)
    #expect(index.routes == [first])
    #expect(index.isDurable(first))
    try expectTaken("a.test", for: "second")
  }

  /// Of a workload that passes TLS through.
  private func passing(_ workload: String, _ backends: String...) throws -> Route {
    try Route(
      workload: WorkloadID(workload), domain: Domain("\(workload).test"), tls: .passthrough, backends: backends,
      under: .alreadyAccepted)
  }

  @Test mutating func backendsAreKnownByWhoPassesTLSThroughToThem() throws {
    let (one, two) = try (Endpoint("10.1.2.3:443"), Endpoint("10.1.2.4:443"))
    let (a, b) = try (WorkloadID("a"), WorkloadID("b"))
    index.confirm(try passing("a", "10.1.2.3:443", "[::ffff:10.1.2.3]:443", "10.1.2.4:443"), isDurable: true)
    index.confirm(try passing("b", "10.1.2.4:443"), isDurable: true)
    index.confirm(try route("c", "c.test", "https://10.1.2.3:443"), isDurable: true)
    #expect(index.backendOwners.passthrough == [one: [a], two: [a, b]])

    index.confirm(try passing("a", "10.1.2.3:443"), isDurable: true)
    #expect(index.backendOwners.passthrough == [one: [a], two: [b]])
    index.confirm(try route("a", "a.test"), isDurable: true)
    index.remove(b)
    #expect(index.backendOwners.passthrough.isEmpty)
  }

  @Test mutating func kindThatAFileDoesNotSayIsLearntAndWrittenForNoOtherReason() throws {
    func route(_ kind: Route.Kind?) throws -> Route {
      try Route(
        workload: WorkloadID("w"), domain: Domain("w.test"), tls: .passthrough, kind: kind, backends: ["10.1.2.3:443"],
        under: .alreadyAccepted)
    }
    index.confirm(try route(nil), isDurable: true)
    #expect(try index.claim(route(.named)) == .unchanged)
    #expect(index[try WorkloadID("w")]?.kind == .named)
    // Known, it is what was asked for.
    #expect(try index.claim(route(.fqdn)) == .write(replacing: route(.named)))
  }

  @Test mutating func abandonedClaimLeavesEverythingAsItWas() throws {
    let old = try route("w", "old.test")
    index.confirm(old, isDurable: true)
    let new = try route("w", "new.test")
    #expect(try index.claim(new) == .write(replacing: old))
    index.abandon(new)
    #expect(index.routes == [old])
    #expect(index.owner(of: new.domain) == nil)
    #expect(index.owner(of: old.domain) == old.workload)

    // Other backends for the same domain: that stays owned.
    let other = try route("w", "old.test", "http://10.1.2.4")
    #expect(try index.claim(other) == .write(replacing: old))
    index.abandon(other)
    #expect(index.owner(of: old.domain) == old.workload)
  }

  @Test mutating func oldDomainIsFreeOnceTheNewOneIsConfirmed() throws {
    let old = try route("w", "old.test")
    let new = try route("w", "new.test")
    index.confirm(old, isDurable: true)
    _ = try index.claim(new)
    try expectTaken("old.test", for: "v")
    index.confirm(new, isDurable: true)
    let next = try route("v", "old.test")
    #expect(try index.claim(next) == .write(replacing: nil))
  }

  @Test mutating func whatIsNotKnownToBeOnDiskIsWrittenAgain() throws {
    let route = try route("w", "a.test")
    index.confirm(route, isDurable: false)
    #expect(try index.claim(route) == .write(replacing: route))
    index.confirm(route, isDurable: true)
    #expect(try index.claim(route) == .unchanged)
    index.doubt(route.workload)
    #expect(try index.claim(route) == .write(replacing: route))
    #expect(index.owner(of: route.domain) == route.workload)
  }

  @Test mutating func removedWorkloadFreesItsDomain() throws {
    let gone = try route("w", "a.test")
    index.confirm(gone, isDurable: true)
    index.remove(gone.workload)
    index.remove(gone.workload)
    #expect(index.routes.isEmpty && index[gone.workload] == nil)
    let next = try route("v", "a.test")
    #expect(try index.claim(next) == .write(replacing: nil))
  }

  @Test func takenDomainIsNamed() throws {
    #expect("\(DomainTaken(domain: try Domain("A.test")))" == "domain already registered: a.test")
  }
}
