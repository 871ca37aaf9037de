import ArgumentParser
import Arguments
import Glibc
import Logging
import Records
import Relay
import ServiceLifecycle
import System

/// The data plane of tunnels and pipes.
struct RelayCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gateway-relay",
    abstract: "Carries what comes to tunnels, to the clients that have dialled in, and to pipes.",
    discussion: """
      It serves the tunnels and pipes whose files the gateway keeps in the root, and goes on when the gateway or the broker does not. \
      Every flag may be given by an environment variable instead, the gateway's: --root by GATEWAY_ROOT, --tunnel-address by \
      GATEWAY_TUNNEL_ADDRESS, and so on. At SIGTERM clients are told that it goes away, and open streams have 30 seconds. The \
      process ends with status 64 for a bad flag, and 1 when it cannot start.
      """,
    version: "gateway-relay \(ProgramVersion.text)")

  static let environment: [EnvironmentArguments.Flag] = [
    .option("root"), .list("tunnel-address"), .toggle("no-tunnel-address"), .option("tunnel-port"),
    .option("metrics-address"),
    .option("netns"), .option("max-connections"), .option("stream-idle-timeout"), .toggle("allow-loopback-backends"),
    .option("log-level"), .option("log-format"),
  ]

  @Option(help: .init("Where the gateway keeps what is asked for.", valueName: "dir"))
  var root = GatewayRoot.standardPath

  @Option(
    name: .customLong("tunnel-address"), parsing: .upToNextOption,
    help: .init("Where clients dial in, in clear. (default: :18000)", valueName: "[ip]:port"),
    transform: ListenAddress.init)
  var clients: [ListenAddress] = []

  @Flag(
    name: .customLong("no-tunnel-address"),
    help: "Let clients in by way of Traefik only, by TLS, under the name tunnel.DOMAIN.")
  var isClosed = false

  @Option(
    help: .init(
      "The port on the loopback at which Traefik finds it, the gateway's flag of that name.", valueName: "port"))
  var tunnelPort: UInt16 = 18001

  @Option(
    help: .init("Where it tells of itself, on the loopback. (default: 127.0.0.1:8083)", valueName: "ip:port"),
    transform: { try Endpoint($0) })
  var metricsAddress = try! Endpoint("127.0.0.1:8083")

  @Option(
    name: .customLong("netns"),
    help: .init(
      "The network namespace Traefik runs in, where clients dial in too, as 'ip netns' names it.", valueName: "name"),
    transform: NetworkNamespace.init)
  var namespace: NetworkNamespace?

  @Option(
    help: .init("How many connections there may be, of clients and of users, from 1 to 1000000.", valueName: "n"))
  var maxConnections = RelayLimits().connections

  @Option(
    help: .init(
      "Seconds after which a connection that carries nothing is closed, from 1 to 31536000. (default: never)",
      valueName: "seconds"))
  var streamIdleTimeout: Int64?

  @Flag(help: "Let pipes lead to this machine itself, for trials on one machine; the gateway's flag too.")
  var allowLoopbackBackends = false

  @OptionGroup(title: "Log") var log: LogOptions

  func validate() throws {
    guard root.hasPrefix("/") else { throw ValidationError("--root must be an absolute path, not '\(root)'") }
    guard clients.isEmpty || !isClosed else {
      throw ValidationError("--tunnel-address and --no-tunnel-address exclude each other")
    }
    guard (1...1_000_000).contains(maxConnections) else {
      throw ValidationError("--max-connections must be from 1 to 1000000, not \(maxConnections)")
    }
    if let streamIdleTimeout, !(1...31_536_000).contains(streamIdleTimeout) {
      throw ValidationError("--stream-idle-timeout must be from 1 to 31536000, not \(streamIdleTimeout)")
    }
    guard tunnelPort > 0 else { throw ValidationError("--tunnel-port must be from 1 to 65535, not 0") }
    guard metricsAddress.address.isLoopback else {
      throw ValidationError("--metrics-address must be on the loopback: whoever asks there is not asked who he is")
    }
  }

  func run() async throws {
    let logger = log.logger("gateway-relay")
    Self.raiseDescriptorLimit()
    var configuration = RelayConfiguration(
      root: GatewayRoot(root), clients: isClosed ? [] : clients.isEmpty ? [try ListenAddress(":18000")] : clients,
      metrics: metricsAddress, namespace: namespace)
    configuration.port = tunnelPort
    configuration.limits.connections = maxConnections
    configuration.limits.idle = streamIdleTimeout.map { .seconds($0) }
    configuration.allowsLoopback = allowLoopbackBackends
    let relay = try Relay(configuration, logger: logger)
    var lifecycleLogger = logger
    lifecycleLogger.logLevel = max(logger.logLevel, .info)
    let group = ServiceGroup(
      configuration: .init(
        services: [relay], gracefulShutdownSignals: [.sigterm, .sigint], logger: lifecycleLogger))
    try await group.run()
    logger.info("stopped")
  }

  /// As many descriptors as the system lets it have: each connection of a pipe takes two.
  private static func raiseDescriptorLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}
