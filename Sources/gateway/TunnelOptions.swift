import ArgumentParser
import GatewayModule
import RPC
import Records
import System

/// Tunnels and pipes, which gateway-relay carries.
struct TunnelOptions: ParsableArguments {
  @Option(
    name: .customLong("relay-address"),
    help: .init(
      "Where gateway-relay tells of itself, its --metrics-address. Without it there are no tunnels and pipes, and no relay is needed.",
      valueName: "ip:port"),
    transform: { try Endpoint($0) })
  var relay: Endpoint?

  @Option(
    name: .customLong("tunnel-address"), parsing: .upToNextOption,
    help: .init(
      "Where gateway-relay takes clients in clear, its own flag of that name. (default: :18000)", valueName: "[ip]:port"
    ),
    transform: ListenAddress.init)
  var clients: [ListenAddress] = []

  @Flag(
    name: .customLong("no-tunnel-address"),
    help: "It takes none in clear: they come by TLS, under the name tunnel.DOMAIN.")
  var isClosed = false

  @Option(
    help: .init(
      "The port on the loopback addresses behind which tunnels are, from 127.64.0.1 on.", valueName: "port"))
  var tunnelPort: UInt16 = 18001

  @Option(
    help: .init(
      "The ports of the node itself at which pipes may listen, from 1 to 65535. (default: 10000-19999)",
      valueName: "low-high"),
    transform: PortRange.init)
  var pipePorts = PortRange.standard

  // A string, because the parser's own complaint about a value would show its password.
  @Option(
    name: .customLong("tcprouter-redis"),
    help: .init(
      "A Redis server, in the form of --broker, whose services of tcprouter are served too: as routes, and with --relay-address as tunnels.",
      valueName: "url"))
  var tcprouter: String?

  /// nil where no services of tcprouter are served.
  var tcprouterURL: BrokerURL? {
    get throws {
      do {
        return try tcprouter.map { try BrokerURL($0) }
      } catch {
        throw ValidationError("--tcprouter-redis: \(error)")
      }
    }
  }

  /// nil where tunnels are off.
  func configuration(https: ListenAddress) throws -> Tunnels.Configuration? {
    try relay.map { relay in
      Tunnels.Configuration(
        relay: relay, port: tunnelPort,
        clients: isClosed ? [] : clients.isEmpty ? [try ListenAddress(":18000")] : clients,
        https: https)
    }
  }

  func pipes(
    with tunnels: Tunnels.Configuration, allowsLoopback: Bool, traefik: [ListenAddress]
  ) -> Pipes.Configuration {
    Pipes.Configuration(
      relay: tunnels.relay, ports: pipePorts.range, reserved: Set(tunnels.clients.map(\.port) + [tunnels.port]),
      allowsLoopback: allowsLoopback, traefik: traefik)
  }

  /// Where Traefik hands clients over; nil where tunnels are off.
  var door: Endpoint? { relay.map { _ in Tunnels.door(at: tunnelPort) } }

  func validate() throws {
    guard clients.isEmpty || !isClosed else {
      throw ValidationError("--tunnel-address and --no-tunnel-address exclude each other")
    }
    _ = try tcprouterURL
    guard tunnelPort > 0 else { throw ValidationError("--tunnel-port must be from 1 to 65535, not 0") }
  }
}

/// Ports, written `LOW-HIGH`.
struct PortRange {
  let range: ClosedRange<UInt16>

  static let standard = PortRange(range: 10000...19999)

  private init(range: ClosedRange<UInt16>) { self.range = range }

  /// - Throws: `InvalidValue` for what is no two ports, the lower one first.
  init(_ text: String) throws(InvalidValue) {
    let ports = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) ?? 0 }
    guard ports.count == 2, ports[0] > 0, ports[0] <= ports[1] else {
      throw InvalidValue("ports", text, "it must be LOW-HIGH, from 1 to 65535")
    }
    range = ports[0]...ports[1]
  }
}
