import Testing

@testable import GatewayControl

@Suite(.timeLimit(.minutes(3)))
struct RenewalCheckTests {
  private static let hour = 3600
  private static let day = 86_400

  /// How long a certificate lives and still does, what Traefik is told, in hours, and what is found.
  private static let cases: [(lifetime: Int, remaining: Int, hours: Int, outcome: Check.Verdict, says: String)] = [
    (90 * day - 1, 61 * day, 2160, .ok, "runs out in 61 days"),
    (90 * day - 1, 29 * day, 2160, .ok, "29 days"),
    (90 * day - 1, 20 * day, 2160, .warning, "runs out in 20 days and is not renewed"),
    (90 * day - 1, -3 * hour, 2160, .failure, "ran out 3 h ago"),
    (45 * day, 40 * day, 2160, .ok, "40 days"),
    (160 * hour, 159 * hour, 2160, .warning, "live for 7 days, and Traefik expects 90 days"),
    (160 * hour, 159 * hour, 160, .ok, "7 days"),
    (day - 1, 20 * hour, 2160, .failure, "live for 24 h, and Traefik expects 90 days"),
    (day - 1, -hour, 2160, .failure, "live for 24 h"),
    (day - 1, 20 * hour, 24, .ok, "20 h"),
    (day - 1, 5 * hour, 24, .warning, "runs out in 5 h and is not renewed"),
    (6 * hour, 5 * hour, 24, .warning, "every 10 min"),
    (hour, 50 * 60, 1, .ok, "50 min"),
  ]

  @Test(arguments: cases.indices)
  func tellsWhatIsNotRenewedInTime(index: Int) {
    let entry = Self.cases[index]
    let long = RenewalCheck.Stored(name: "other.example.org", lifetime: 400 * Self.day, remaining: 300 * Self.day)
    let stored = RenewalCheck.Stored(name: "app.example.org", lifetime: entry.lifetime, remaining: entry.remaining)
    let check = RenewalCheck.check([long, stored], toldHours: entry.hours)
    #expect(check.outcome == entry.outcome, "\(check)")
    #expect(check.finding.contains(entry.says), "\(check)")
    #expect(check.remedy.isEmpty == (entry.outcome == .ok))
  }

  @Test func remedyNamesTheFlagWithTheHours() {
    for (lifetime, hours) in [(86_399, 24), (86_400, 24), (576_000, 160), (518_399, 144)] {
      let stored = RenewalCheck.Stored(name: "app.example.org", lifetime: lifetime, remaining: lifetime)
      let check = RenewalCheck.check([stored], toldHours: 2160)
      #expect(check.remedy.contains("--acme-certificate-hours \(hours),"), "\(check)")
      #expect(RenewalCheck.check([stored], toldHours: hours).outcome == .ok)
    }
  }

  @Test func nodeWithoutCertificatesIsFine() {
    #expect(RenewalCheck.check([], toldHours: 2160).outcome == .ok)
  }
}
