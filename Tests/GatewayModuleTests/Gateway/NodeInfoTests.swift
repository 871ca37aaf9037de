import GatewayClient
import RPC
import TestSupport
import Testing

@testable import GatewayModule

/// The answer of `Node` on the wire, byte by byte: callers of other versions and languages read it.
@Suite(.timeLimit(.minutes(5)))
struct NodeInfoTests {
  private static let info = {
    var traefik = TraefikInfo()
    traefik.isUp = true
    traefik.started = Timestamp(seconds: 1_700_000_000, nanoseconds: 123_456_789)
    traefik.reloads = 3
    traefik.lastReload = Timestamp(seconds: 1_700_000_000)
    return NodeInfo(
      version: "1.2", pid: 812, started: Timestamp(seconds: 1_700_000_000), machine: "m", host: "h", root: "/r",
      domain: "a.b", publicIPs: ["192.0.2.1", "2001:db8::7"], networkFault: "", httpAddress: ":80",
      httpsAddress: ":443", traefikAddress: "127.0.0.1:8082", netns: "n", certificateAuthority: "u", routes: 2,
      quarantined: 1, quarantine: [QuarantinedFile(name: "x", reason: "y")], traefik: traefik, withoutCertificates: 2,
      withoutCertificate: [
        UncertifiedName(name: "*.a.b", since: Timestamp(seconds: 1_700_000_000)),
        UncertifiedName(
          name: "c.d", since: Timestamp(seconds: 1_700_000_000), nextTry: Timestamp(seconds: 1_700_000_000)),
      ],
      dns: DNSInfo(addresses: ["192.0.2.1:53"], nameservers: ["n.a.b"], secondaries: [], fault: "z"),
      relay: relay)
  }()

  private static let relay: RelayInfo = {
    var relay = RelayInfo(address: "127.0.0.1:8083")
    relay.started = Timestamp(seconds: 1_700_000_000)
    (relay.tunnels, relay.connected, relay.pipes, relay.listening) = (4, 3, 2, 1)
    return relay
  }()

  /// In the notation of docs/calling.md: names and strings as text, and what stands for other values as it does in zbus.tsv.
  private static let time = "d6ff6553f100"
  private static let fields: [(name: String, value: String)] = [
    ("Version", text("1.2")), ("PID", "d3000000000000032c"), ("Started", time), ("Machine", text("m")),
    ("Host", text("h")), ("Root", text("/r")), ("Domain", text("a.b")),
    ("PublicIPs", "92" + text("192.0.2.1") + text("2001:db8::7")), ("NetworkFault", text("")),
    ("HTTPAddress", text(":80")), ("HTTPSAddress", text(":443")), ("TraefikAddress", text("127.0.0.1:8082")),
    ("Netns", text("n")), ("CertificateAuthority", text("u")), ("Routes", "d30000000000000002"),
    ("Quarantined", "d30000000000000001"),
    ("Quarantine", "91" + "82" + text("Name") + text("x") + text("Reason") + text("y")),
    (
      "Traefik",
      "86" + text("Up") + "c3" + text("Fault") + text("") + text("Started") + "d7ff1d6f34546553f100" + text("Reloads")
        + "cb4008000000000000" + text("LastReload") + time + text("Outdated") + "c2"
    ),
    ("Uncertified", "d30000000000000002"),
    (
      "WithoutCertificate",
      "92" + "83" + text("Name") + text("*.a.b") + text("Since") + time + text("NextTry") + "c0"
        + "83" + text("Name") + text("c.d") + text("Since") + time + text("NextTry") + time
    ),
    (
      "DNS",
      "84" + text("Addresses") + "91" + text("192.0.2.1:53") + text("Nameservers") + "91" + text("n.a.b")
        + text("Secondaries") + "90" + text("Fault") + text("z")
    ),
    (
      "Relay",
      "87" + text("Address") + text("127.0.0.1:8083") + text("Fault") + text("") + text("Started") + time
        + text("Tunnels") + "d30000000000000004" + text("Connected") + "d30000000000000003"
        + text("Pipes") + "d30000000000000002" + text("Listening") + "d30000000000000001"
    ),
  ]

  /// A string of less than 32 bytes.
  private static func text(_ string: String) -> String {
    ([UInt8(0xa0 | string.utf8.count)] + Array(string.utf8)).map { hex($0) }.joined()
  }

  private static func hex(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }

  @Test func wireIsAMapOfTheseFields() throws {
    let bytes = try MessagePackEncoder().encode(Self.info)
    let expected = "de0016" + Self.fields.map { Self.text($0.name) + $0.value }.joined()
    #expect(bytes.map(Self.hex).joined() == expected)
    #expect(try MessagePackDecoder().decode(NodeInfo.self, from: bytes) == Self.info)
  }

  @Test func whatIsNotKnownIsNilAndMayBeMissing() throws {
    var info = Self.info
    (info.withoutCertificates, info.withoutCertificate, info.traefik.lastReload) = (nil, nil, nil)
    (info.dns, info.relay) = (nil, nil)
    let bytes = try MessagePackEncoder().encode(info)
    let text = bytes.map(Self.hex).joined()
    let absent = ["Uncertified", "WithoutCertificate", "DNS", "Relay"].map { Self.text($0) + "c0" }.joined()
    #expect(text.contains(Self.text("LastReload") + "c0") && text.hasSuffix(absent))
    #expect(try MessagePackDecoder().decode(NodeInfo.self, from: bytes) == info)
    // As an earlier version tells it, which knows none of them.
    let earlier = [0xde, 0x00, 0x12] + bytes.dropFirst(3).dropLast(absent.count / 2)
    #expect(try MessagePackDecoder().decode(NodeInfo.self, from: earlier) == info)
  }

  @Test func fieldsOfLaterVersionsAreIgnored() throws {
    let bytes = try MessagePackEncoder().encode(Self.info)
    // One entry more: `Later`, a map.
    let later = [0xde, 0x00, 0x17, 0xa5] + Array("Later".utf8) + [0x81, 0xa1, 0x78, 0x01] + bytes.dropFirst(3)
    #expect(try MessagePackDecoder().decode(NodeInfo.self, from: later) == Self.info)
  }

  @Test func theseFieldsAreInTheDocument() throws {
    let document = try String(contentsOfFile: Repository.file("docs/calling.md"), encoding: .utf8)
    let start = try #require(document.firstRange(of: "\ntype Node ")).upperBound
    let end = try #require(document[start...].firstRange(of: "\ntype ")).lowerBound
    for (name, _) in Self.fields {
      #expect(document[start..<end].contains(try Regex("\\b\(name)\\b")), "\(name)")
    }
  }
}
