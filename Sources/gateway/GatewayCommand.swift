import ACMEHook
import ArgumentParser
import Arguments
import DNSZones
import GatewayClient
import GatewayModule
import Logging
import ProxyConfig
import RPC
import Records
import ServiceLifecycle
import System

/// The daemon.
struct GatewayCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gateway",
    abstract: "Publishes workloads of this node through Traefik, as other modules ask for it on the bus.",
    discussion: """
      Every flag may be given by an environment variable instead: --broker by GATEWAY_BROKER, --public-ip by \
      GATEWAY_PUBLIC_IP, and so on. Without --domain and --public-ip the gateway asks the module 'network' on the bus for \
      both; with one of them only, half of the routes are refused: names without --domain, FQDNs without --public-ip. The \
      broker is also looked up in /etc/default/gateway. The process ends with status 64 for a bad flag, and 1 when it \
      cannot start.
      """,
    version: "gateway \(ProgramVersion.text)")

  static let environment: [EnvironmentArguments.Flag] = [
    .option("broker"), .option("root"), .option("workers"), .option("domain"), .list("public-ip"),
    .option("resolver"), .toggle("no-domain-check"), .option("http-address"), .option("https-address"),
    .option("traefik-address"), .option("netns"), .option("header-timeout"), .option("idle-timeout"),
    .list("trusted-proxy"), .list("proxy-protocol-from"), .toggle("keep-urls"), .option("alias-headers"),
    .option("acme-certificate-hours"), .option("acme-patience"), .option("acme-email"), .option("acme-ca"),
    .list("acme-resolver"), .list("dns-address"), .list("dns-nameserver"), .list("dns-domain"),
    .list("dns-secondary"), .option("dns-transfer-key"), .option("dns-redis"), .option("dns-redis-prefix"),
    .option("dns-redis-suffix"), .toggle("no-dnssec"), .option("acme-propagation"), .option("traefik-restart"),
    .option("relay-address"), .list("tunnel-address"), .toggle("no-tunnel-address"), .option("tunnel-port"),
    .option("pipe-ports"),
    .option("tcprouter-redis"),
    .toggle("allow-loopback-backends"), .option("log-level"),
    .option("log-format"),
  ]

  // A string, because the parser's own complaint about a value would show its password.
  @Option(
    help: .init(
      "The Redis server: unix:///PATH, tcp://[PASSWORD@]HOST[:PORT] or redis://[[USER:]PASSWORD@]HOST[:PORT][/DATABASE].",
      valueName: "url"))
  var broker = "unix:///var/run/redis.sock"

  @Option(help: .init("Where route files and Traefik's configuration are kept.", valueName: "dir"))
  var root = GatewayRoot.standardPath

  @Option(help: .init("How many calls are served at the same time, from 1 to 1024.", valueName: "n"))
  var workers = 16

  @Option(
    help: .init("The node's domain, inside which named proxies get their names.", valueName: "name"),
    transform: Domain.init)
  var domain: Domain?

  @Option(
    name: .customLong("public-ip"), parsing: .upToNextOption,
    help: .init("The node's public addresses, to which an FQDN proxy's domain must point.", valueName: "ip"),
    transform: IPAddress.init)
  var publicIPs: [IPAddress] = []

  @Option(
    help: .init("Where an FQDN's records are looked up. (default: 8.8.8.8:53)", valueName: "ip[:port]"),
    transform: { try Endpoint($0, defaultPort: 53) })
  var resolver = try! Endpoint("8.8.8.8:53")

  @Flag(name: .customLong("no-domain-check"), help: "Accept every FQDN, wherever it points.")
  var skipsDomainCheck = false

  @Option(
    help: .init("Where Traefik listens for plain HTTP, which it redirects. (default: :80)", valueName: "[ip]:port"),
    transform: ListenAddress.init)
  var httpAddress = try! ListenAddress(":80")

  @Option(
    help: .init("Where Traefik listens for HTTPS and other TLS. (default: :443)", valueName: "[ip]:port"),
    transform: ListenAddress.init)
  var httpsAddress = try! ListenAddress(":443")

  @Option(
    help: .init("Where Traefik serves its metrics. (default: 127.0.0.1:8082)", valueName: "ip:port"),
    transform: { try Endpoint($0) })
  var traefikAddress = try! Endpoint("127.0.0.1:8082")

  @Option(
    name: .customLong("netns"),
    help: .init("The network namespace Traefik runs in, as 'ip netns' names it.", valueName: "name"),
    transform: NetworkNamespace.init)
  var namespace: NetworkNamespace?

  @OptionGroup(title: "Clients") var clients: ClientOptions

  @OptionGroup(title: "Certificates") var acme: ACMEOptions

  @OptionGroup(title: "DNS") var dns: DNSOptions

  @OptionGroup(title: "Tunnels and pipes") var tunnelling: TunnelOptions

  @Option(
    help: .init(
      "The command that restarts Traefik, for example 'zinit restart traefik'. /bin/sh runs it when Traefik's static configuration changed.",
      valueName: "command"))
  var traefikRestart: String?

  @Flag(help: "Accept backends on the loopback, for trials on one machine.")
  var allowLoopbackBackends = false

  @OptionGroup(title: "Log") var log: LogOptions

  var brokerURL: BrokerURL {
    get throws {
      do { return try BrokerURL(broker) } catch { throw ValidationError("--broker: \(error)") }
    }
  }

  func validate() throws {
    _ = try brokerURL
    try checkRange(workers, 1...1024, of: "--workers")
    guard root.hasPrefix("/") else { throw ValidationError("--root must be an absolute path, not '\(root)'") }
  }

  func run() async throws {
    let logger = log.logger("gateway")
    let broker = try brokerURL
    let root = GatewayRoot(root)
    // Before anything is written.
    let lock = try RootLock(root, broker: "\(broker)")
    let events = RouteEvents(logger: logger)
    let store = try await RouteStore.open(
      root, trusting: clients.trustedProxies, logger: logger, onEvent: events.tell)

    var services: [any Service] = []
    // Of the node's `network` module.
    let client = RPCClient(broker: broker, logger: logger)
    let network: PublicNetworkSource
    if domain != nil || !publicIPs.isEmpty {
      if domain == nil { logger.warning("names will be refused: --public-ip is given without --domain") }
      if publicIPs.isEmpty { logger.warning("FQDNs will be refused: --domain is given without --public-ip") }
      network = .fixed(PublicNetwork(domain: domain, addresses: publicIPs))
    } else {
      network = .bus(NetworkModule(client: client, logger: logger))
    }
    let asksOnBus = if case .bus = network { true } else { tunnelling.relay != nil }
    if asksOnBus { services.append(client) }
    let certificates = acme.certificates == nil ? nil : CertificateStorage(root, logger: logger)
    let zones = try await serveDNS(root, store, logger)
    services += try traefikServices(for: network, root, lock, certificates, zones, logger)
    let scrape = TraefikScrape(address: traefikAddress, namespace: namespace)
    let renewal = RouteRenewal(store, traefik: scrape, logger: logger)
    // The restart is a service's, which does not run yet.
    if traefikRestart != nil, try FileSystem.find(root.restartDue) != nil { await renewal.renewAtOnce() }
    try ServiceManager.tellReady()
    services.append(RouteWatch(store, root: root, logger: logger))

    services.append(renewal)
    let certificateWatch = certificates.map {
      CertificateWatch(
        store, storage: $0, traefik: scrape, patience: .seconds(acme.acmePatience), logger: logger)
    }
    if let certificateWatch { services.append(certificateWatch) }
    let meter = TrafficMeter(
      scrape, namespace: namespace, routes: store, relay: tunnelling.relay, root: root, logger: logger)
    services.append(meter)

    let (tunnels, pipes): (Tunnels?, Pipes?) =
      try tunnelling.configuration(https: httpsAddress).map { configuration in
        let tunnels = try Tunnels(configuration, root: root, routes: store, network: network, logger: logger)
        let pipes = try Pipes(
          tunnelling.pipes(
            with: configuration, allowsLoopback: allowLoopbackBackends,
            traefik: [httpAddress, httpsAddress, ListenAddress("\(traefikAddress)")]),
          root: root, tunnels: tunnels, network: network, privateNetworks: PrivateNetworks(client: client),
          logger: logger)
        return (tunnels, pipes)
      } ?? (nil, nil)
    let tcprouter = try tunnelling.tcprouterURL.map { server in
      TCPRouter(
        TCPRouter.Configuration(
          server: server, listeners: [httpAddress, httpsAddress], allowsLoopbackBackends: allowLoopbackBackends),
        store: store, events: events, network: network, meter: meter, tunnels: tunnels, logger: logger)
    }
    if let tcprouter { services.append(tcprouter) }
    let gateway = Gateway(
      store: store, events: events, network: network,
      domainCheck: skipsDomainCheck ? nil : DomainCheck(at: try Resolver(at: resolver)),
      meter: meter,
      description: NodeDescription(
        root: root, http: httpAddress, https: httpsAddress, metrics: traefikAddress, namespace: namespace,
        authority: acme.certificates?.authority, certificates: certificateWatch),
      dns: zones, tunnels: tunnels, tcprouter: tcprouter, allowsLoopbackBackends: allowLoopbackBackends)
    var server = RPCServer(module: GatewayObject.module, broker: broker, workers: workers, logger: logger)
    server.register(gateway)
    if let zones {
      server.register(zones)
      services.append(DNSService(zones))
    }
    if let tunnels {
      server.register(tunnels)
      services.append(RecordService { await tunnels.followFiles() })
    }
    if let pipes {
      server.register(pipes)
      services.append(RecordService { await pipes.followFiles() })
    }
    services.append(server)
    services.append(
      Watchdog(logger: logger) { [server] in
        await server.takesTurn()
        await store.takesTurn()
        await zones?.takesTurn()
        await tunnels?.takesTurn()
        await pipes?.takesTurn()
      })

    // At the debug level it prints whole services, for thousands of bytes.
    var lifecycleLogger = logger
    lifecycleLogger.logLevel = max(logger.logLevel, .info)
    var configuration = ServiceGroupConfiguration(
      services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: lifecycleLogger)
    configuration.maximumGracefulShutdownDuration = .seconds(9)
    logger.info("serving", metadata: ["broker": "\(broker)", "root": "\(root.path)", "workers": "\(workers)"])
    try await ServiceGroup(configuration: configuration).run()
    logger.info("stopped")
  }

  /// Takes over zones and records, and makes what knotd needs at its start; nil where DNS is off.
  private func serveDNS(_ root: GatewayRoot, _ routes: RouteStore, _ logger: Logger) async throws -> DNS? {
    guard let configuration = try dns.configuration(in: root) else { return nil }
    let setup = KnotSetup(configuration, logger: logger)
    try await setup.apply()
    let zones = try DNS(
      dns.node(issuer: acme.certificates?.authority.issuer), root: root,
      server: KnotServer(configuration, serials: root.serials, logger: logger, prepare: setup.makeDirectories),
      delegations: skipsDomainCheck ? nil : DelegationCheck(at: resolver), hashes: dns.hashes, routes: routes,
      logger: logger)
    zones.follow(challenges: try Responder.pending(in: root))
    // Until it is known, the public network is what it was.
    if let last = try? ChallengeZone.read(from: root) {
      zones.follow(PublicNetwork(domain: last.domain, addresses: last.addresses))
    }
    return zones
  }

  /// Writes what Traefik needs at its start, and what keeps that in step with the public network.
  private func traefikServices(
    for network: PublicNetworkSource, _ root: GatewayRoot, _ lock: RootLock, _ storage: CertificateStorage?,
    _ zones: DNS?, _ logger: Logger
  ) throws -> [any Service] {
    let certificates = acme.certificates
    // Before Traefik starts.
    do throws(FileError) {
      try storage?.repair()
    } catch {
      logger.error("Traefik's certificate storage cannot be looked after", metadata: ["reason": "\(error)"])
    }
    if certificates == nil { logger.warning("no certificates will be asked for: --acme-email is not given") }
    var configuration = StaticConfiguration(
      root: root.path, http: httpAddress, https: httpsAddress, metrics: try ListenAddress("\(traefikAddress)"),
      certificates: certificates)
    configuration.clients = clients.clients
    configuration.tunnelDoor = tunnelling.door
    if configuration.longTransfers == nil {
      logger.warning("no limit on the time for a request's header", metadata: ["root": "\(root.path)"])
    }
    let setup = TraefikSetup(
      root: root, configuration: configuration, restartCommand: traefikRestart, logger: logger)
    let zone = ChallengeZone.Installed(in: root)
    let tidying = Housekeeping("tidying up after DNS-01 challenges", every: .seconds(3600), logger: logger) {
      try Responder.recover(in: root, now: Int(Timestamp.now.seconds), isCancelled: $0) { logger.notice("\($0)") }
    }
    let watch = RootWatch(root, lock: lock, logger: logger) {
      // Whenever something happens in the hook's directory; first of all, for whatever is wrong with the rest.
      if let zones { zones.follow(challenges: try Responder.pending(in: root)) }
      if try zone.repair() {
        logger.notice("the hook's zone was changed by somebody else: written again", metadata: ["root": "\(root.path)"])
      }
      try storage?.repair()
      try setup.repair()
    }
    let knot = dns.addresses
    @Sendable func follow(_ network: PublicNetwork) throws {
      // In this order: Traefik, once it is restarted, may run the hook at once.
      try zone.install(ChallengeZone(domain: network.domain, addresses: network.addresses, knot: knot))
      zones?.follow(network)
      try setup.apply(network)
    }
    let services: [any Service] = [tidying, setup, watch]
    switch network {
    case .fixed(let network):
      try follow(network)
      return services
    case .bus:
      try setup.apply(nil)
      return services + [PublicNetworkFollower(network, logger: logger, onChange: follow)]
    }
  }
}
