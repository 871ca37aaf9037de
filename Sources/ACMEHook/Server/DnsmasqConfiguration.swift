import Records
import System

/// What dnsmasq is told: to answer for the pending challenges and refuse all else.
///
/// Not with dnsmasq's `auth-zone`: that answers for a name and all below it, so the name server's own address would bring
/// the rest of the node's domain with it, it only has authority at addresses that an interface is configured with, and has one
/// name server's name for all zones. The price is empty answers without authority: docs/certificates.md.
/// Records of its own dnsmasq serves with authority and as they are; with no server to pass questions on to, it refuses
/// (RCODE 5) what it has no record for.
struct DnsmasqConfiguration: Hashable, Sendable {
  /// Where it listens, over UDP and TCP, and nowhere else.
  var addresses: [IPAddress]
  var port: UInt16
  /// As whom it runs once the port is bound; `nil` when it is not started by root.
  var user: UnprivilegedUser?
  var zone: ChallengeZone
  var records: ChallengeRecords

  /// The file's bytes. Each value in it is of a type that has no character with a meaning to dnsmasq.
  func encoded() -> [UInt8] {
    var lines = [
      "# Written by acme-hook for each set of challenges.",
      "keep-in-foreground",
      "log-facility=-",
      "no-resolv",
      "no-hosts",
      "no-poll",
      "cache-size=0",
      // Of every record below, in seconds. A resolver must not keep one challenge's values while the next is presented.
      "local-ttl=0",
      "port=\(port)",
      "bind-interfaces",
    ]
    lines += addresses.map { "listen-address=\($0)" }
    if let user { lines += ["user=\(user.name)", "group=\(user.group)"] }
    for name in records.names {
      let server = zone.nameServer(of: name)
      // What the name has no record for does not exist, rather than being refused: some resolvers give a server that
      // refuses up.
      lines.append("local=/\(name)/")
      lines += records.values(of: name).map { "txt-record=\(name),\($0)" }
      lines.append(record(name.name, .ns, ResourceData(server)))
      lines.append(record(name.name, .soa, startOfAuthority(server)))
    }
    for server in Set(records.names.map(zone.nameServer)).sorted() {
      for address in zone.addresses {
        lines.append(record(server, address.isIPv4 ? .a : .aaaa, ResourceData(address)))
      }
    }
    return Array(lines.map { "\($0)\n" }.joined().utf8)
  }

  /// The numbers of RFC 1035 3.2.2 and RFC 3596 2.1.
  private enum RecordKind: Int {
    case a = 1
    case ns = 2
    case soa = 6
    case aaaa = 28
  }

  private func record(_ name: Domain, _ kind: RecordKind, _ data: ResourceData) -> String {
    "dns-rr=\(name),\(kind.rawValue),\(data.hexadecimal)"
  }

  /// RFC 1035 3.3.13. Nobody copies the zone, and nobody may remember that something was not there.
  private func startOfAuthority(_ server: Domain) -> ResourceData {
    var data = ResourceData(server)
    // No mailbox: dnsmasq reads lines of up to 1024 bytes, and with another long name this one could have more.
    data.appendRoot()
    let serial: UInt32 = 1
    let refresh: UInt32 = 1200
    let retry: UInt32 = 180
    let expire: UInt32 = 1_209_600
    let minimum: UInt32 = 0
    for number in [serial, refresh, retry, expire, minimum] { data.append(number) }
    return data
  }
}
