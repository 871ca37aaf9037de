import DNSZones
import Testing

@testable import GatewayControl

@Suite(.timeLimit(.minutes(5)))
struct CheckTests {
  private static let day = 86_400

  /// Days since the epoch, on a machine with a program of the day 100.
  private static let clocks: [(day: Int, isSynchronised: Bool?, outcome: Check.Verdict)] = [
    (100, true, .ok), (100, false, .warning), (100, nil, .warning), (98, true, .failure), (99, true, .ok),
    (8100, true, .failure),
  ]

  @Test(arguments: clocks)
  func clock(day: Int, isSynchronised: Bool?, outcome: Check.Verdict) {
    let check = ClockCheck.check(
      now: day * Self.day, built: 100 * Self.day, isSynchronised: isSynchronised)
    #expect(check.outcome == outcome && (outcome == .ok) == check.remedy.isEmpty)
  }

  @Test func lineHasTheOutcomeTheNameTheFindingAndTheRemedy() {
    let plain = Terminal(isInteractive: false)
    #expect(Check.ok("broker", "answers").line(for: plain) == "ok       broker     answers")
    #expect(
      Check.failure("port 443", "nobody listens", "start it").line(for: plain)
        == "failure  port 443   nobody listens -> start it")
    #expect(
      Check.warning("clock", "x").line(for: Terminal(isInteractive: true, hasColour: true))
        == "\u{1b}[33mwarning\u{1b}[0m  clock      x")
  }

  /// An answer from a name server of `example.test` for the NS records of a name that it delegated (RFC 1035, section 4).
  private static let referral: [UInt8] = [
    0, 1, 0x84, 0, 0, 1, 0, 0, 0, 1, 0, 1,
    // a.test, NS, IN
    1, 0x61, 4, 0x74, 0x65, 0x73, 0x74, 0, 0, 2, 0, 1,
    // The same by a pointer to it, and NS.test with one to what follows its first label.
    0xc0, 12, 0, 2, 0, 1, 0, 0, 1, 44, 0, 5, 2, 0x4e, 0x53, 0xc0, 14,
    // test, A, IN, 192.0.2.1
    0xc0, 14, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1,
  ]

  @Test func recordsOfASection() {
    #expect(DNSRecord.all(in: .answer, of: Self.referral) == [])
    #expect(
      DNSRecord.all(in: .authority, of: Self.referral) == [DNSRecord(owner: "a.test", value: "ns.test", type: .ns)])
  }

  @Test func cutMessagesHaveNoRecords() {
    for length in 0..<Self.referral.count {
      #expect(DNSRecord.all(in: .authority, of: Array(Self.referral.prefix(length))) == [], "\(length) bytes")
    }
  }
}
