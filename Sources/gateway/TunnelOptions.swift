import ArgumentParser
import GatewayModule
import Records
import System

/// Tunnels, which gateway-relay carries.
struct TunnelOptions: ParsableArguments {
  @Option(
    name: .customLong("relay-address"),
    help: .init(
      "Where gateway-relay tells of itself, its --metrics-address. Without it there are no tunnels, and no relay is needed.",
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

  /// nil where tunnels are off.
  func configuration(https: ListenAddress) throws -> Tunnels.Configuration? {
    try relay.map { relay in
      Tunnels.Configuration(
        relay: relay, port: tunnelPort,
        clients: isClosed ? [] : clients.isEmpty ? [try ListenAddress(":18000")] : clients,
        https: https)
    }
  }

  /// Where Traefik hands clients over; nil where tunnels are off.
  var door: Endpoint? { relay.map { _ in Tunnels.door(at: tunnelPort) } }

  func validate() throws {
    guard clients.isEmpty || !isClosed else {
      throw ValidationError("--tunnel-address and --no-tunnel-address exclude each other")
    }
    guard tunnelPort > 0 else { throw ValidationError("--tunnel-port must be from 1 to 65535, not 0") }
  }
}
