import Foundation
import Records
import Testing

@testable import GatewayModule

/// Which services have to be looked at, and what is told of them.
@Suite(.timeLimit(.minutes(5)))
struct TCPRouterTableTests {
  private var table = TCPRouterTable()

  private static func key(_ name: String) -> [UInt8] { Array("/tcprouter/service/\(name)".utf8) }

  private static func value(_ inner: String) -> [UInt8] {
    Array(#"{"Value":"\#(Data(inner.utf8).base64EncodedString())"}"#.utf8)
  }

  private static func client(_ secret: String) throws -> ([UInt8], TCPRouterService.ClientSecret) {
    (value(#"{"clientsecret":"\#(secret)"}"#), try TCPRouterService.ClientSecret(secret))
  }

  private mutating func expectDue(_ names: Set<String>, sourceLocation: SourceLocation = #_sourceLocation) {
    let due = table.takeDue().map { String(decoding: $0.dropFirst("/tcprouter/service/".utf8.count), as: UTF8.self) }
    #expect(Set(due) == names, sourceLocation: sourceLocation)
  }

  @Test mutating func onlyWhatHasChangedIsLookedAt() {
    table.take(Self.value("a"), under: Self.key("a.test"))
    table.take(Self.value("b"), under: Self.key("b.test"))
    expectDue(["a.test", "b.test"])
    expectDue([])
    table.take(Self.value("a"), under: Self.key("a.test"))
    table.take(Self.value("c"), under: Self.key("b.test"))
    expectDue(["b.test"])
    // What is not there may have a route all the same.
    table.take(nil, under: Self.key("a.test"))
    table.take(nil, under: Self.key("old.test"))
    expectDue(["a.test", "old.test"])
    for (names, isThere) in [(["b.test", "a.test"], true), (["a.test"], false)] {
      let isDue = table.look(at: names.map(Self.key))
      #expect(isDue == isThere)
    }
    expectDue(["b.test"])
    table.lookAtAll()
    expectDue(["b.test"])
    table.putBack([Self.key("c.test")])
    expectDue(["c.test"])
  }

  private mutating func expectNews(
    _ reason: String, _ isExpected: Bool, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let isNews = table.isNews(reason, of: Self.key("a.test"))
    #expect(isNews == isExpected, sourceLocation: sourceLocation)
  }

  @Test mutating func reasonIsNewsOnce() {
    let key = Self.key("a.test")
    table.take(Self.value("a"), under: key)
    expectNews("one", true)
    expectNews("one", false)
    expectNews("two", true)
    table.take(Self.value("b"), under: key)
    expectNews("two", false)
    table.isServed(key)
    expectNews("two", true)
    // Of what is gone there is nothing to tell, and after that it is another one.
    table.take(nil, under: key)
    expectNews("two", false)
    table.take(Self.value("b"), under: key)
    expectNews("two", true)
  }

  private mutating func expectUnused(_ isExpected: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    let isUnused = table.takeUnused()
    #expect(isUnused == isExpected, sourceLocation: sourceLocation)
  }

  @Test mutating func secretIsUsedForAsLongAsAnyHasIt() throws {
    let (value, secret) = try Self.client("0123456789abcdef")
    let (other, otherSecret) = try Self.client("fedcba9876543210")
    for name in ["a.test", "b.test"] { table.take(value, under: Self.key(name)) }
    // Such a key is nobody's.
    table.take(value, under: Self.key("Upper.test"))
    #expect(table.keys(sharing: secret.digest) == [Self.key("a.test"), Self.key("b.test")])
    table.take(other, under: Self.key("a.test"))
    #expect(table.isUsed(secret.digest) && table.isUsed(otherSecret.digest))
    expectUnused(false)
    table.take(nil, under: Self.key("b.test"))
    #expect(!table.isUsed(secret.digest))
    expectUnused(true)
    expectUnused(false)
    // Whatever an earlier life has left.
    table.complete()
    expectUnused(true)
    table.complete()
    expectUnused(false)
    table.putBackUnused()
    expectUnused(true)
  }

  @Test mutating func domainIsBeingSetUntilTheLastCallIsOver() throws {
    let domain = try Domain("a.test")
    table.beginSetting(domain)
    table.beginSetting(domain)
    table.endSetting(domain)
    #expect(table.isBeingSet(domain))
    table.endSetting(domain)
    #expect(!table.isBeingSet(domain))
  }
}
