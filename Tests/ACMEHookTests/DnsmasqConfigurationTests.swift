import ProxyConfig
import System
import TestSupport
import Testing

@testable import ACMEHook

@Suite(.timeLimit(.minutes(5)))
struct DnsmasqConfigurationTests {
  @Test func configurationHoldsThePendingChallengesAndNothingElse() throws {
    let zone = ChallengeZone(
      domain: try Domain("gent.example.com"), addresses: [try IPAddress("192.0.2.1"), try IPAddress("2001:db8::1")])
    var records = ChallengeRecords()
    _ = records.present(try Challenge(name: "_acme-challenge.gent.example.com.", value: "one"), at: 0)
    _ = records.present(try Challenge(name: "_acme-challenge.gent.example.com.", value: "-two"), at: 0)
    _ = records.present(try Challenge(name: "_acme-challenge.shop.example.org.", value: "three"), at: 0)
    let configuration = DnsmasqConfiguration(
      addresses: [try IPAddress("192.0.2.1")], port: 53, user: UnprivilegedUser(name: "nobody", group: "nogroup"),
      zone: zone, records: records)
    // The end of the server's name and no mailbox; serial, refresh, retry, expire, minimum.
    let soa = "0000" + "00000001" + "000004b0" + "000000b4" + "00127500" + "00000000"
    #expect(
      String(decoding: configuration.encoded(), as: UTF8.self) == """
        # Written by acme-hook for each set of challenges.
        keep-in-foreground
        log-facility=-
        no-resolv
        no-hosts
        no-poll
        cache-size=0
        local-ttl=0
        port=53
        bind-interfaces
        listen-address=192.0.2.1
        user=nobody
        group=nogroup
        local=/_acme-challenge.gent.example.com/
        txt-record=_acme-challenge.gent.example.com,-two
        txt-record=_acme-challenge.gent.example.com,one
        dns-rr=_acme-challenge.gent.example.com,2,0467656e74076578616d706c6503636f6d00
        dns-rr=_acme-challenge.gent.example.com,6,0467656e74076578616d706c6503636f6d\(soa)
        local=/_acme-challenge.shop.example.org/
        txt-record=_acme-challenge.shop.example.org,three
        dns-rr=_acme-challenge.shop.example.org,2,0473686f70076578616d706c65036f726700
        dns-rr=_acme-challenge.shop.example.org,6,0473686f70076578616d706c65036f7267\(soa)
        dns-rr=gent.example.com,1,c0000201
        dns-rr=gent.example.com,28,20010db8000000000000000000000001
        dns-rr=shop.example.org,1,c0000201
        dns-rr=shop.example.org,28,20010db8000000000000000000000001

        """)
  }

  /// The longest domain that leaves room for `_acme-challenge.` (253 bytes in all), and labels that read like something else.
  @Test(arguments: [
    Array(repeating: String(repeating: "a", count: 58), count: 4).joined(separator: ".") + ".b",
    "xn--0.example", "xn--bcher-kva.example", "_x_.example", "0.1.example", "localhost.localdomain",
  ])
  func dnsmasqTakesWhateverNameIsValid(domain: String) async throws {
    let zone = ChallengeZone(domain: nil, addresses: [try IPAddress("192.0.2.1"), try IPAddress("2001:db8::1")])
    var records = ChallengeRecords()
    let value = String(repeating: "v", count: 255)
    _ = records.present(try Challenge(name: "_acme-challenge.\(domain)", value: value), at: 0)
    let configuration = DnsmasqConfiguration(
      addresses: zone.addresses, port: 53, user: nil, zone: zone, records: records)
    try await TemporaryDirectory.withDirectory { directory in
      let file = try directory.write(String(decoding: configuration.encoded(), as: UTF8.self), to: "dnsmasq.conf")
      try await Command.succeed(Repository.program("dnsmasq"), ["--test", "--conf-file=\(file)"])
    }
  }
}
