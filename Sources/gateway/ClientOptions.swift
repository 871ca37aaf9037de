public import ArgumentParser
public import ProxyConfig
import System

/// What Traefik takes from clients, and how.
struct ClientOptions: ParsableArguments {
  @Option(
    help: .init(
      "How long a client may take for a request's header or the TLS handshake, in seconds, from 1 to 3600. A body may take any time.",
      valueName: "seconds"))
  var headerTimeout = StaticConfiguration.Clients().headerTimeout

  @Option(
    help: .init(
      "How long a connection without a request is kept, in seconds, from 1 to 86400.", valueName: "seconds"))
  var idleTimeout = StaticConfiguration.Clients().idleTimeout

  @Option(
    name: .customLong("trusted-proxy"), parsing: .upToNextOption,
    help: .init(
      "Load balancers in front of this node, whose X-Forwarded and Forwarded headers are trusted.",
      valueName: "ip[/bits]"),
    transform: IPNetwork.init)
  var trustedProxies: [IPNetwork] = []

  @Option(
    name: .customLong("proxy-protocol-from"), parsing: .upToNextOption,
    help: .init(
      "Load balancers in front of this node that pass on the client's address by PROXY protocol.",
      valueName: "ip[/bits]"),
    transform: IPNetwork.init)
  var proxyProtocolSenders: [IPNetwork] = []

  @Flag(
    name: .customLong("keep-urls"),
    help: "Pass on URLs with the dots, double slashes and semicolons they came with, as signed URLs need.")
  var keepsURLs = false

  @Option(
    help: .init(
      "What to do with request headers such as X.Forwarded.For, which some backends take for X-Forwarded-For: keep, delete or reject; the last two need Traefik 3.7.12.",
      valueName: "what"))
  var aliasHeaders = StaticConfiguration.Clients.AliasHeaders.keep

  var clients: StaticConfiguration.Clients {
    var clients = StaticConfiguration.Clients()
    clients.headerTimeout = headerTimeout
    clients.idleTimeout = idleTimeout
    clients.trustedProxies = trustedProxies
    clients.proxyProtocolSenders = proxyProtocolSenders
    clients.keepsURLs = keepsURLs
    clients.aliasHeaders = aliasHeaders
    return clients
  }

  func validate() throws {
    try checkRange(headerTimeout, 1...3600, of: "--header-timeout")
    try checkRange(idleTimeout, 1...86400, of: "--idle-timeout")
  }
}

extension StaticConfiguration.Clients.AliasHeaders: ExpressibleByArgument {}

func checkRange(_ value: Int, _ range: ClosedRange<Int>, of flag: String) throws {
  guard range.contains(value) else {
    throw ValidationError("\(flag) must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
  }
}
