import ArgumentParser
import DNSZones
import GatewayModule
import RPC
import Records
import System

/// Serving names by Knot DNS.
struct DNSOptions: ParsableArguments {
  @Option(
    name: .customLong("dns-address"), parsing: .upToNextOption,
    help: .init(
      "Where knotd answers, by UDP and TCP. Without it no DNS is served, and nothing of Knot is needed.",
      valueName: "ip[:port]"),
    transform: { try Endpoint($0, defaultPort: 53) })
  var addresses: [Endpoint] = []

  @Option(
    name: .customLong("dns-nameserver"), parsing: .upToNextOption,
    help: .init(
      "The gateway's own name servers, which NS records at a domain's parent are to name; the first is the primary of every zone.",
      valueName: "name"),
    transform: Domain.init)
  var nameservers: [Domain] = []

  @Option(
    name: .customLong("dns-domain"), parsing: .upToNextOption,
    help: .init("Domains in which any workload may take a free name.", valueName: "name"),
    transform: Domain.init)
  var domains: [Domain] = []

  @Option(
    name: .customLong("dns-secondary"), parsing: .upToNextOption,
    help: .init(
      "Name servers that follow this one: they learn of its zones from the catalog zone catalog.NAMESERVER, and copy them.",
      valueName: "ip[:port]"),
    transform: { try Endpoint($0, defaultPort: 53) })
  var secondaries: [Endpoint] = []

  @Option(
    name: .customLong("dns-transfer-key"),
    help: .init(
      "The TSIG key of those name servers, as knotd's configuration has it; made when it is not there. (default: transfer.key in the root)",
      valueName: "file"))
  var transferKey: String?

  @Flag(
    name: .customLong("no-dnssec"), help: "Serve zones without signatures; otherwise they are signed (ECDSA P-256).")
  var skipsSigning = false

  // A string, because the parser's own complaint about a value would show its password.
  @Option(
    name: .customLong("dns-redis"),
    help: .init(
      "A Redis server, in the form of --broker, whose hashes of CoreDNS's plugin redis are served as zones too.",
      valueName: "url"))
  var redis: String?

  @Option(
    name: .customLong("dns-redis-prefix"),
    help: .init("What stands before a zone's name in the keys of those hashes.", valueName: "text"))
  var redisPrefix: String?

  @Option(
    name: .customLong("dns-redis-suffix"), help: .init("What stands behind it.", valueName: "text"))
  var redisSuffix: String?

  /// nil where no hashes are served.
  var hashes: HashSource? {
    get throws {
      do {
        let keys = HashKeys(prefix: redisPrefix ?? "", suffix: redisSuffix ?? "")
        return try redis.map { HashSource(server: try BrokerURL($0), keys: keys) }
      } catch {
        throw ValidationError("--dns-redis: \(error)")
      }
    }
  }

  /// nil where DNS is off.
  func configuration(in root: GatewayRoot) throws -> KnotConfiguration? {
    guard let nameserver = nameservers.first, !addresses.isEmpty else { return nil }
    var configuration = KnotConfiguration(
      addresses: addresses, directory: root.knot, signs: !skipsSigning, user: KnotSetup.user)
    if !secondaries.isEmpty {
      let key = try TransferKey(at: transferKey ?? "\(root.path)/transfer.key")
      configuration.secondaries = try .init(secondaries, key: key, of: nameserver)
    }
    return configuration
  }

  /// - Parameter issuer: the only certificate authority for the node's own domain; nil for any.
  func node(issuer: String?) -> DNSNode {
    DNSNode(
      nameservers: nameservers, managed: domains, issuer: issuer, secondaries: secondaries.map(\.address))
  }

  func validate() throws {
    if addresses.isEmpty {
      guard nameservers.isEmpty, domains.isEmpty, secondaries.isEmpty else {
        throw ValidationError("--dns-nameserver, --dns-domain and --dns-secondary need --dns-address")
      }
      guard redis == nil else { throw ValidationError("--dns-redis needs --dns-address") }
    } else if nameservers.isEmpty {
      throw ValidationError("--dns-address needs --dns-nameserver: the names by which others know this name server")
    }
    guard transferKey == nil || !secondaries.isEmpty else {
      throw ValidationError("--dns-transfer-key needs --dns-secondary")
    }
    guard redis != nil || redisPrefix == nil && redisSuffix == nil else {
      throw ValidationError("--dns-redis-prefix and --dns-redis-suffix need --dns-redis")
    }
    _ = try hashes
  }
}
