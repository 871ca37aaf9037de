import ArgumentParser
import GatewayClient
import GatewayControl
import Glibc
import ProxyConfig
import RPC
import System

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

  @Option(
    name: .customLong("http-backend"), parsing: .upToNextOption,
    help: .init(
      "With --tls-passthrough, where the domain's plain HTTP goes: IP[:PORT]. Without it, it is redirected to HTTPS. May be repeated.",
      valueName: "ip[:port]"))
  var httpBackends: [String] = []

  /// nil for none: an older gateway then gets no field that it does not know.
  var plainBackends: [String]? { httpBackends.isEmpty ? nil : httpBackends }
}

/// Waiting for a route that was set.
struct WaitOptions: ParsableArguments {
  @Option(
    defaultAsFlag: Seconds(60), parsing: .next,
    help: .init(
      "Wait until Traefik serves the route with the right certificate and a backend answers, for 60 seconds or as many as are given. Each step is printed; the status is 75 when the route is not served in time.",
      valueName: "seconds"))
  var wait: Seconds?

  @OptionGroup var node: NodeOptions

  func validate() throws {
    _ = try wait.waitLimit
  }
}

struct SetName: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    commandName: "set-name", abstract: "Publishes a name inside the node's domain, and prints the whole name.")

  @Argument(help: "The workload's identifier.") var workload: String
  @Argument(help: "The name: one DNS label.") var name: String
  @OptionGroup var route: SetOptions
  var bus: BusOptions { route.bus }

  func run() async throws { try await route.set(.label(name), for: workload) }
}

struct SetFQDN: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    commandName: "set-fqdn", abstract: "Publishes a domain that points to this node.")

  @Argument(help: "The workload's identifier.") var workload: String
  @Argument(help: "The domain.") var fqdn: String
  @OptionGroup var route: SetOptions
  var bus: BusOptions { route.bus }

  func run() async throws { try await route.set(.fqdn(fqdn), for: workload) }
}

/// What `set-name` and `set-fqdn` have in common: all but the name.
struct SetOptions: ParsableArguments {
  @OptionGroup var route: BackendOptions
  @OptionGroup var waiting: WaitOptions
  @OptionGroup var bus: BusOptions

  func set(_ name: RouteRequest.Name, for workload: String) async throws {
    let request = RouteRequest(
      name, backends: route.backends, passesTLSThrough: route.tlsPassthrough, httpBackends: route.plainBackends)
    try await bus.withGateway(waits: waiting.wait != nil) { gateway in
      var setting = try await Setting(workload, passesTLSThrough: route.tlsPassthrough, waiting, gateway)
      let fqdn = try await gateway.publish(request, for: workload)
      if case .label = name {
        if !bus.json { try StandardOutput.print(fqdn) }
        setting.result.fqdn = fqdn
      }
      try await setting.finish(fqdn, json: bus.json)
    }
  }
}

/// What `set-name` and `set-fqdn` print as JSON.
private struct SetReport: Encodable {
  /// Of a name that was published.
  var fqdn: String?
  /// The domain that the workload had before and gave up.
  var gaveUp: String?
  /// With `--wait`.
  var steps: [ServingWait.Progress]?

  enum CodingKeys: String, CodingKey {
    case fqdn = "FQDN"
    case gaveUp = "GaveUp"
    case steps = "Steps"
  }

  var json: String {
    get throws { fqdn == nil && gaveUp == nil && steps == nil ? "{}" : try JSONText.pretty(self) }
  }
}

/// The time limit of `--wait` was over.
struct NotServing: Error, CustomStringConvertible {
  let domain: String
  let progress: ServingWait.Progress

  var description: String {
    "\(domain) is not served after \(progress.seconds) s: it is stuck at the step '\(progress.step.rawValue)': \(progress.finding)"
  }
}

/// A route that is being set: what was there before, and what is waited for after it.
private struct Setting {
  private let workload: String
  private let passesTLSThrough: Bool
  private let waiting: WaitOptions
  private let gateway: GatewayClient
  /// What the workload had before; nil when an older gateway does not tell.
  private let before: [RouteInfo]?
  /// Only when somebody waits.
  private var wait: (node: NodeView, start: ServingWait.Start)?
  var result = SetReport()

  /// To be made before the route is set.
  init(
    _ workload: String, passesTLSThrough: Bool, _ waiting: WaitOptions, _ gateway: GatewayClient
  ) async throws {
    self.workload = workload
    self.passesTLSThrough = passesTLSThrough
    self.waiting = waiting
    self.gateway = gateway
    before = try await gateway.routes(of: workload)
    guard waiting.wait != nil else { return }
    let node = try await waiting.node.view(asking: gateway)
    if let complaint = node.complaint { StandardError.print("gatewayctl: \(complaint.escaped)") }
    if case .gateway(_, true) = node.source {} else { StandardError.print("gatewayctl: \(node.origin)") }
    wait = (node, try await ServingWait.Start(node))
  }

  /// Says which domain was given up, waits if that was asked for, and prints the result as JSON if that was.
  ///
  /// - Parameter fqdn: the domain that was set.
  mutating func finish(_ fqdn: String, json: Bool) async throws {
    let domain = try Domain(fqdn)
    if let old = before?.first?.fqdn, old != domain.rawValue {
      result.gaveUp = old
      StandardError.print("gatewayctl: \(workload) gave up \(old)")
    }
    if let limit = try waiting.wait.waitLimit, let wait {
      var start = wait.start
      if let before, !before.isEmpty { start.isKnown = try await gateway.routes(of: workload) == before }
      let serving = ServingWait(
        workload: workload, domain: domain, passesTLSThrough: passesTLSThrough, node: wait.node, start: start)
      let line = ProgressLine()
      defer { line.clear() }
      result.steps = try await serving.run(within: limit) { line.show($0) }
    }
    if json { try StandardOutput.print(result.json) }
    if let last = result.steps?.last, last.outcome == .hangs { throw NotServing(domain: fqdn, progress: last) }
  }
}

extension GatewayClient {
  /// The route of a workload, if it has one; nil when the gateway is one that does not tell of a single workload.
  fileprivate func routes(of workload: String) async throws -> [RouteInfo]? {
    do {
      return try await route(of: workload).map { [$0] } ?? []
    } catch let failure as CallFailure where failure.code == .protocolError {
      return nil
    }
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
    case .skipped:
      clear()
      StandardError.print("\(terminal.coloured("skipped", .yellow))  \(step)  \(progress.seconds) s\(finding)")
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
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Withdraws what a workload published.")

  @Argument(help: "The workload's identifier; one that has no route is no error.") var workload: String
  @OptionGroup var bus: BusOptions

  func run() async throws {
    let before = try await bus.withGateway { gateway in
      let before = try await gateway.routes(of: workload)
      try await gateway.withdraw(workload)
      return before
    }
    if before?.isEmpty == true { StandardError.print("gatewayctl: \(workload.escaped) had no route") }
    if bus.json { try StandardOutput.print(before?.first.map { try JSONText.pretty(["FQDN": $0.fqdn]) } ?? "{}") }
  }
}

struct List: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Lists all routes, by workload.",
    discussion: """
      A pattern has to match the whole name: * stands for any text, ? for one character, and […] for one of several. On a \
      terminal that is too narrow for all backends of a route, the first ones are shown.
      """)

  @Option(help: .init("Only the routes of workloads that match.", valueName: "pattern")) var workload: String?
  @Option(help: .init("Only the routes of domains that match.", valueName: "pattern")) var domain: String?
  @OptionGroup var bus: BusOptions

  func run() async throws {
    let all = try await bus.withGateway { try await $0.routes() }
    let filter = RouteFilter(workload: workload, domain: domain)
    let routes = all.filter(filter.matches)
    try StandardOutput.print(
      bus.json ? try JSONText.pretty(routes) : RouteTable(routes).text(for: .standardOutput))
  }
}

struct Watch: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Prints route changes, a line each, until it is interrupted.",
    discussion: """
      A line has the time in UTC, what was done (set, replaced, deleted, quarantined), the workload and the domain; for a \
      file in quarantine also its name and the reason. When the broker goes away and comes back, standard error says so; \
      changes made meanwhile are not shown. --timeout does not apply.
      """)

  @OptionGroup var bus: BusOptions

  func run() async throws {
    let changes = GatewayClient(try bus.listener).events
    try await untilInterrupted {
      // As wide as the longest workload so far.
      var width = 0
      for try await change in changes {
        let line = ChangeLine(change)
        width = max(width, line.workloadWidth)
        try StandardOutput.print(bus.json ? try JSONText.line(line) : line.line(workloadWidth: width))
      }
    }
  }
}
