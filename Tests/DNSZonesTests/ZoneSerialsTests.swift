import Foundation
import Records
import TestSupport
import Testing

@testable import DNSZones

/// Serials never go back.
@Suite(.timeLimit(.minutes(5)))
struct ZoneSerialsTests {
  private let domain = try! Domain("example.test")

  @Test func whatIsOnDiskIsNeverBehind() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let path = directory.file("serials")
      var serials = try ZoneSerials(path: path)
      // The time may be anywhere: the zone is far ahead of it.
      let ahead = UInt32(Date().timeIntervalSince1970) + 1_000_000
      var served = ahead
      try serials.advance([domain: served])
      for _ in 0..<30_000 {
        try serials.advance([domain: served])
        served += 1
      }
      // Whoever starts now knows what may have been served, and that of an older database it has to go on from there.
      let next = try ZoneSerials(path: path)
      #expect(next.first(of: domain) >= served)
      #expect(
        next.correction(of: domain, served: served) == nil || next.correction(of: domain, served: served)! > served)
      let correction = try #require(next.correction(of: domain, served: ahead))
      #expect(correction > served)
    }
  }

  @Test func withoutAFileItIsTheTime() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let path = try directory.write("example.test x\n\u{0}garbage\nother.test 12\n", to: "serials")
      let first = try ZoneSerials(path: path).first(of: domain)
      #expect(abs(Date().timeIntervalSince1970 - Double(first)) < 600)
      #expect(try ZoneSerials(path: path).correction(of: domain, served: 1) == nil)
    }
  }
}
