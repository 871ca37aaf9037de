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
  func configuration(in root: GatewayRoot) -> KnotConfiguration? {
    addresses.isEmpty
      ? nil
      : KnotConfiguration(addresses: addresses, directory: root.knot, signs: !skipsSigning, user: KnotSetup.user)
  }

  /// - Parameter issuer: the only certificate authority for the node's own domain; nil for any.
  func node(issuer: String?) -> DNSNode { DNSNode(nameservers: nameservers, managed: domains, issuer: issuer) }

  func validate() throws {
    if addresses.isEmpty {
      guard nameservers.isEmpty, domains.isEmpty else {
        throw ValidationError("--dns-nameserver and --dns-domain need --dns-address")
      }
      guard redis == nil else { throw ValidationError("--dns-redis needs --dns-address") }
    } else if nameservers.isEmpty {
      throw ValidationError("--dns-address needs --dns-nameserver: the names by which others know this name server")
    }
    guard redis != nil || redisPrefix == nil && redisSuffix == nil else {
      throw ValidationError("--dns-redis-prefix and --dns-redis-suffix need --dns-redis")
    }
    _ = try hashes
  }
}
