import ArgumentParser
import GatewayClient
import Logging
import RPC
import System

/// The operator's command line.
struct GatewayCtl: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gatewayctl",
    abstract: "Asks this node's gateway module, over the bus.",
    discussion: """
      Ends with status 0 on success, 1 when the gateway refuses, 64 for bad arguments, 69 when nothing answers in time, and \
      75 when a route is set but not served in time. The environment variable GATEWAY_BROKER takes the place of --broker. \
      Without either, the broker is the one in the gateway's own settings, /etc/default/gateway, or for users who may not \
      read that, /etc/default/gateway-client.
      """,
    version: "gatewayctl \(ProgramVersion.text)",
    subcommands: [
      SetName.self, SetFQDN.self, Delete.self, List.self, Watch.self, ShowMetrics.self, Status.self, CheckNode.self,
      DNSCommands.self, TunnelCommands.self, PipeCommands.self,
    ])
}

/// A subcommand: one call, and how its result is shown.
protocol GatewayCtlCommand: AsyncParsableCommand {
  var bus: BusOptions { get }
}

/// What every subcommand takes.
struct BusOptions: ParsableArguments {
  // A string, because the parser's own complaint about a value would show its password.
  @Option(
    help: .init(
      "The Redis server: unix:///PATH, tcp://[PASSWORD@]HOST[:PORT] or redis://[[USER:]PASSWORD@]HOST[:PORT][/DATABASE].",
      valueName: "url"))
  var broker = "unix:///var/run/redis.sock"

  @Option(help: .init("How long to wait for the answer, in seconds.", valueName: "seconds"))
  var timeout = 20.0

  @Flag(help: "Print the result as JSON.")
  var json = false

  var brokerURL: BrokerURL {
    get throws {
      do { return try BrokerURL(broker) } catch { throw ValidationError("--broker: \(error)") }
    }
  }

  func validate() throws {
    _ = try brokerURL
    guard timeout > 0, timeout <= 86_400 else { throw ValidationError("--timeout must be above 0 and at most 86400") }
  }

  /// Allows these options in front of the subcommand too: moves those that stand there behind it. Where no subcommand
  /// takes them, they are dropped, so that the parser speaks of what is missing or wrong there.
  static func movedBehindSubcommand(_ arguments: [String]) -> [String] {
    var rest = arguments[...]
    var moved: [String] = []
    while let argument = rest.first {
      if ["--broker", "--timeout"].contains(argument) {
        moved += rest.prefix(2)
        rest = rest.dropFirst(2)
      } else if argument == "--json" || argument.hasPrefix("--broker=") || argument.hasPrefix("--timeout=") {
        moved.append(rest.removeFirst())
      } else {
        break
      }
    }
    // The names of a subcommand, and of one of its own.
    var names = 0
    var commands = GatewayCtl.configuration.subcommands
    while names < rest.count, let command = commands.first(where: { $0._commandName == rest[rest.startIndex + names] })
    {
      names += 1
      commands = command.configuration.subcommands
    }
    // One that has others below does not take them itself.
    return rest.prefix(names) + (names > 0 && commands.isEmpty ? moved : []) + rest.dropFirst(names)
  }

  /// How long somebody who sits in front of the program is left without a word when the broker cannot be reached.
  private static let connectTimeout = Duration.seconds(2)

  /// Runs `body` with a client that is connected meanwhile.
  ///
  /// - Parameter waits: whether to wait for a broker that cannot be reached, and say so, as long as for an answer.
  func withClient<Result: Sendable>(
    waits: Bool = false, _ body: (RPCClient, Duration) async throws -> Result
  ) async throws -> Result {
    // What the library would log, this program says itself, unless it waits.
    let logger = waits ? .standardError : Logger(label: "gatewayctl") { _ in SwiftLogNoOpLogHandler() }
    let client = RPCClient(
      broker: try brokerURL, connectTimeout: waits ? nil : Self.connectTimeout, logger: logger)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await client.run() }
      defer { group.cancelAll() }
      return try await body(client, .seconds(timeout))
    }
  }

  /// Runs `body` with the gateway.
  func withGateway<Result: Sendable>(
    waits: Bool = false, _ body: (GatewayClient) async throws -> Result
  ) async throws -> Result {
    try await withClient(waits: waits) { client, timeout in
      try await body(GatewayClient(client, timeout: timeout))
    }
  }

  /// The same for an object that not every gateway has, and which is otherwise waited for in vain.
  func withObject<Result: Sendable>(
    _ object: ObjectID, else missing: any Error, _ body: (RPCClient, Duration) async throws -> Result
  ) async throws -> Result {
    try await withClient { client, timeout in
      let status = try await client.status(of: GatewayObject.module, timeout: timeout)
      guard status.objects.contains(object) else { throw missing }
      return try await body(client, timeout)
    }
  }

  /// For events.
  var listener: RPCClient {
    get throws { RPCClient(broker: try brokerURL, connectTimeout: Self.connectTimeout, logger: .standardError) }
  }
}
