import ArgumentParser
import Files
import GatewayControl
import GatewayModule
import Glibc
import ProxyConfig
import RPC

/// The backends of a route to be set.
struct BackendOptions: ParsableArguments {
  @Option(
    name: .customLong("backend"), parsing: .upToNextOption,
    help: .init(
      "Where the workload listens: http://IP[:PORT] or https://IP[:PORT]; IP:PORT with --tls-passthrough. May be repeated.",
      valueName: "url"))
  var backends: [String]

  @Flag(help: "Pass TLS through to the backends, which have the certificate.")
  var tlsPassthrough = false
}

/// Waiting for a route that was set.
struct WaitOptions: ParsableArguments {
  @Option(
    defaultAsFlag: Seconds(60), parsing: .next,
    help: .init(
      "Wait until Traefik serves the route with the right certificate and a backend answers, for 60 seconds or as many as are given; say what it waits for, and end with status 75 when that does not come.",
      valueName: "seconds"))
  var wait: Seconds?

  @OptionGroup var node: NodeOptions

  /// nil when nobody waits.
  var limit: Duration? {
    get throws { try wait?.duration("--wait", least: 0.1) }
  }

  func validate() throws {
    _ = try limit
  }
}

struct SetName: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    commandName: "set-name", abstract: "Publishes a name inside the node's domain, and prints the whole name.")

  @Argument(help: "The workload's identifier.") var workload: String
  @Argument(help: "The name: one DNS label.") var name: String
  @OptionGroup var route: BackendOptions
  @OptionGroup var waiting: WaitOptions
  @OptionGroup var bus: BusOptions

  func run() async throws {
    let proxy = NamedProxy(name: name, passesTLSThrough: route.tlsPassthrough, backends: route.backends)
    let start = try await waiting.start()
    try await bus.withGateway { gateway in
      let fqdn: String = try await gateway.call("SetNamedProxy", workload, proxy)
      if !bus.json { try StandardOutput.print(fqdn) }
      try await waiting.finish(
        workload, fqdn, route, since: start, result: SetResult(fqdn: fqdn), gateway, json: bus.json)
    }
  }
}

struct SetFQDN: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    commandName: "set-fqdn", abstract: "Publishes a domain that points to this node.")

  @Argument(help: "The workload's identifier.") var workload: String
  @Argument(help: "The domain.") var fqdn: String
  @OptionGroup var route: BackendOptions
  @OptionGroup var waiting: WaitOptions
  @OptionGroup var bus: BusOptions

  func run() async throws {
    let proxy = FQDNProxy(fqdn: fqdn, passesTLSThrough: route.tlsPassthrough, backends: route.backends)
    let start = try await waiting.start()
    try await bus.withGateway { gateway in
      try await gateway.call("SetFQDNProxy", workload, proxy)
      try await waiting.finish(
        workload, fqdn, route, since: start, result: SetResult(), gateway, json: bus.json)
    }
  }
}

/// What `set-name` and `set-fqdn` print as JSON.
private struct SetResult: Encodable {
  /// Of a name that was published.
  var fqdn: String?
  /// With `--wait`.
  var steps: [ServingWait.Progress]?

  enum CodingKeys: String, CodingKey {
    case fqdn = "FQDN"
    case steps = "Steps"
  }

  var json: String {
    get throws { fqdn == nil && steps == nil ? "{}" : try JSONText.pretty(self) }
  }
}

/// The time limit of `--wait` was over.
struct NotServing: Error, CustomStringConvertible {
  let domain: String
  let progress: ServingWait.Progress

  var description: String {
    "\(domain) is not served after \(progress.seconds) s: it hangs at the step '\(progress.step.rawValue)': \(progress.finding)"
  }
}

extension WaitOptions {
  /// What is to be known before the route is set; nil when nobody waits.
  fileprivate func start() async throws -> ServingWait.Start? {
    if wait == nil { nil } else { try await ServingWait.Start(node.settings) }
  }

  /// Waits if that was asked for, and prints the result as JSON if that was.
  fileprivate func finish(
    _ workload: String, _ fqdn: String, _ route: BackendOptions, since start: ServingWait.Start?, result: SetResult,
    _ gateway: Client.RemoteObject, json: Bool
  ) async throws {
    var result = result
    if let limit = try limit, let start {
      let serving = ServingWait(
        workload: workload, domain: try Domain(fqdn), passesTLSThrough: route.tlsPassthrough,
        settings: try node.settings, start: start, metrics: { try await gateway.call("Metrics") })
      let line = ProgressLine()
      defer { line.clear() }
      result.steps = try await serving.run(within: limit) { line.show($0) }
    }
    if json { try StandardOutput.print(result.json) }
    if let last = result.steps?.last, last.outcome == .hangs { throw NotServing(domain: fqdn, progress: last) }
  }
}

/// What `--wait` says on standard error: each step when it is over, and on a terminal what it waits for.
private struct ProgressLine {
  private let terminal = Terminal.standardError

  func show(_ progress: ServingWait.Progress) {
    let step = progress.step.rawValue.padded(to: 11)
    let finding = progress.finding.isEmpty ? "" : "  \(progress.finding)"
    switch progress.outcome {
    case .done:
      clear()
      StandardError.print("\(terminal.coloured("done", .green))     \(step)  \(progress.seconds) s\(finding)")
    case .hangs:
      guard terminal.isInteractive else { return }
      write(terminal.cut("waiting  \(step)  \(progress.seconds) s\(finding)", to: terminal.width - 1))
    }
  }

  /// Takes the line away that is not over.
  func clear() {
    if terminal.isInteractive { write("") }
  }

  private func write(_ line: String) {
    let bytes = Array("\r\u{1b}[K\(line)".utf8)
    _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
  }
}

struct Delete: GatewayCtlCommand {
  static let configuration = CommandConfiguration(abstract: "Withdraws what a workload published.")

  @Argument(help: "The workload's identifier; one that has no route is no error.") var workload: String
  @OptionGroup var bus: BusOptions

  func run() async throws {
    try await bus.withGateway { try await $0.call("DeleteNamedProxy", workload) }
    if bus.json { try StandardOutput.print("{}") }
  }
}

struct List: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists all routes, by workload.",
    discussion: """
      In a pattern * stands for any text, ? for one character and […] for one of several; it has to match the whole name. \
      On a terminal that is too narrow for all backends of a route the first ones are shown.
      """)

  @Option(help: .init("Only the routes of workloads that match.", valueName: "pattern")) var workload: String?
  @Option(help: .init("Only the routes of domains that match.", valueName: "pattern")) var domain: String?
  @OptionGroup var bus: BusOptions

  func run() async throws {
    let all: [RouteInfo] = try await bus.withGateway { try await $0.call("Routes") }
    let filter = RouteFilter(workload: workload, domain: domain)
    let routes = all.filter(filter.matches)
    try StandardOutput.print(
      bus.json ? try JSONText.pretty(routes) : RouteTable(routes).text(for: .standardOutput))
  }
}

struct Watch: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints what becomes of routes, a line each, until it is interrupted.",
    discussion: """
      A line has the time in UTC, what was done (set, replaced, deleted, quarantined), the workload and the domain; of a \
      file in quarantine also its name and why it is there. When the broker goes away and comes back, standard error says \
      so; what was done meanwhile is not told. --timeout does not apply.
      """)

  @OptionGroup var bus: BusOptions

  func run() async throws {
    let changes: EventStream<RouteChange> = Client(broker: try bus.brokerURL, logger: .standardError).events(
      Gateway.changesStream, of: Gateway.object, module: Gateway.module)
    try await untilInterrupted {
      for try await change in changes {
        let line = ChangeLine(change)
        try StandardOutput.print(bus.json ? try JSONText.line(line) : line.description)
      }
    }
  }
}
