import ArgumentParser
import GatewayClient
import GatewayControl
import GatewayModule
import Glibc
import ProxyConfig
import RPC
import System

struct ShowMetrics: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    commandName: "metrics",
    abstract: "Shows the bytes that went through Traefik for each workload since it was first set.",
    discussion: """
      With --watch the busiest workloads come first, as many as there is room for, each with a bar of its last rates. Where \
      standard output is no terminal, all of them are printed at every interval; with --json, one line each time.

      When the gateway does not answer, the totals that it last put on disk below --root are shown, and standard error says \
      so. --watch needs the gateway.
      """)

  @Option(
    defaultAsFlag: Seconds(2), parsing: .next,
    help: .init(
      "Show rates too, every 2 seconds or as many as are given, until it is interrupted.", valueName: "seconds"))
  var watch: Seconds?
  @OptionGroup var root: RootOption
  @OptionGroup var bus: BusOptions

  private var interval: Duration? {
    get throws { try watch?.duration("--watch", least: 0.1) }
  }

  func validate() throws {
    _ = try interval
  }

  func run() async throws {
    if let interval = try interval { return try await show(every: interval) }
    let metrics = try await bus.withGateway { gateway in
      do {
        let metrics = try await Self.read(gateway)
        if root.given != nil {
          let node = await NodeView(asking: gateway, root: root.given, namespace: nil)
          if let complaint = node.complaint { StandardError.print("gatewayctl: \(complaint.escaped)") }
        }
        return metrics
      } catch let failure as CallFailure where [.noAnswer, .notSent, .broker].contains(failure.code) {
        return try stored(without: failure)
      }
    }
    try StandardOutput.print(bus.json ? try JSONText.pretty(metrics) : TrafficView.totals(metrics))
  }

  /// What is on disk.
  ///
  /// - Parameter silence: why the gateway was not asked; thrown when nothing is there.
  private func stored(without silence: CallFailure) throws -> TrafficTotals {
    let node = NodeView(root: root.given, silence: silence)
    guard let root = node.root else { throw silence }
    do {
      let metrics = try TrafficTotals.stored(in: root)
      StandardError.print("gatewayctl: \(node.origin.escaped)")
      return metrics
    } catch {
      StandardError.print("gatewayctl: no totals below \(root.path.escaped): \("\(error)".escaped)")
      throw silence
    }
  }

  /// What was counted of each workload, with nothing for those that have a route and no traffic.
  private static func read(_ gateway: GatewayClient) async throws -> TrafficTotals {
    let routes = try await gateway.routes()
    return try await gateway.traffic().including(routes.map(\.workload))
  }

  private func show(every interval: Duration) async throws {
    try await bus.withGateway { gateway in
      try await untilInterrupted {
        var history = TrafficHistory()
        var next = ContinuousClock.now
        while true {
          let metrics = try await Self.read(gateway)
          history.add(metrics)
          try show(history.workloads)
          // A reading that took long does not hurry the next one.
          next = max(next + interval, .now)
          try await Task.sleep(until: next)
        }
      }
    }
  }

  private func show(_ workloads: [TrafficHistory.Workload]) throws {
    if bus.json { return try StandardOutput.print(JSONText.line(["Workloads": workloads])) }
    let terminal = Terminal.standardOutput
    let lines = TrafficView.rates(workloads, on: terminal)
    if terminal.isInteractive {
      // From the first line on, each over the one that was there, and nothing below (ECMA-48: CUP, EL, ED).
      try StandardOutput.write("\u{1b}[H" + lines.map { "\($0)\u{1b}[K\n" }.joined() + "\u{1b}[J")
    } else {
      try StandardOutput.print(lines.joined(separator: "\n") + "\n")
    }
  }
}

struct Status: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Shows the gateway, what it sees of Traefik and certificates, the module's objects and its workers.",
    discussion: """
      What stands above the objects is left out when the gateway does not give it within 2 seconds. Ends with status 0 when \
      the module answers.
      """)

  @OptionGroup var bus: BusOptions

  func run() async throws {
    let report = try await bus.withClient { client, timeout in
      let status = try await client.status(of: GatewayObject.module, timeout: timeout)
      // The module is well when it says so; this is what else there is to know.
      let gateway = GatewayClient(client, timeout: min(timeout, .seconds(2)))
      let node: NodeInfo?
      do {
        node = try await gateway.node()
      } catch {
        StandardError.print("gatewayctl: the gateway does not tell of itself: \("\(error)".escaped)")
        node = nil
      }
      return StatusReport(status, node)
    }
    try StandardOutput.print(bus.json ? JSONText.pretty(report) : report.lines.joined(separator: "\n"))
  }
}

struct CheckNode: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Checks whether this node can be a gateway, and says what to do where it cannot.",
    discussion: """
      A line for each check: ok, warning or failure. Only root can see which process has a port. Ends with status 1 when there \
      is a failure.
      """)

  @Option(
    help: .init(
      "The resolver that is asked what the world sees of the node's domain; also given by GATEWAY_RESOLVER.",
      valueName: "ip[:port]"))
  var resolver = NodeOptions.variable("GATEWAY_RESOLVER") ?? "8.8.8.8"
  @Flag(help: "Look up every FQDN too, and report those that no longer point to this node.")
  var domains = false
  @OptionGroup var node: NodeOptions
  @OptionGroup var bus: BusOptions

  private var resolverEndpoint: Endpoint {
    get throws {
      do { return try Endpoint(resolver, defaultPort: 53) } catch { throw ValidationError("--resolver: \(error)") }
    }
  }

  func validate() throws {
    _ = try resolverEndpoint
  }

  func run() async throws {
    let checks = try await bus.withClient { client, timeout in
      // A broker that does not answer is found out about soon enough.
      let check = NodeCheck(
        client: client, root: node.root.given, namespace: try node.namespace, resolver: try resolverEndpoint,
        timeout: min(timeout, .seconds(5)), checksDomains: domains)
      return try await check.run { check in
        if !bus.json { try StandardOutput.print(check.line(for: .standardOutput)) }
      }
    }
    if bus.json { try StandardOutput.print(JSONText.pretty(checks)) }
    if checks.contains(where: { $0.outcome == .failure }) { throw ExitCode.failure }
  }
}
