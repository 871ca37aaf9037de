import ArgumentParser
import GatewayModule

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

struct SetName: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    commandName: "set-name", abstract: "Publishes a name inside the node's domain, and prints the whole name.")

  @Argument(help: "The workload's identifier.") var workload: String
  @Argument(help: "The name: one DNS label.") var name: String
  @OptionGroup var route: BackendOptions
  @OptionGroup var bus: BusOptions

  func run() async throws {
    let proxy = NamedProxy(name: name, passesTLSThrough: route.tlsPassthrough, backends: route.backends)
    let fqdn: String = try await bus.withGateway { try await $0.call("SetNamedProxy", workload, proxy) }
    print(bus.json ? try JSON.text(["FQDN": fqdn]) : fqdn)
  }
}

struct SetFQDN: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    commandName: "set-fqdn", abstract: "Publishes a domain that points to this node.")

  @Argument(help: "The workload's identifier.") var workload: String
  @Argument(help: "The domain.") var fqdn: String
  @OptionGroup var route: BackendOptions
  @OptionGroup var bus: BusOptions

  func run() async throws {
    let proxy = FQDNProxy(fqdn: fqdn, passesTLSThrough: route.tlsPassthrough, backends: route.backends)
    try await bus.withGateway { try await $0.call("SetFQDNProxy", workload, proxy) }
    if bus.json { print("{}") }
  }
}

struct Delete: GatewayCtlCommand {
  static let configuration = CommandConfiguration(abstract: "Withdraws what a workload published.")

  @Argument(help: "The workload's identifier; one that has no route is no error.") var workload: String
  @OptionGroup var bus: BusOptions

  func run() async throws {
    try await bus.withGateway { try await $0.call("DeleteNamedProxy", workload) }
    if bus.json { print("{}") }
  }
}

struct List: GatewayCtlCommand {
  static let configuration = CommandConfiguration(abstract: "Lists all routes.")

  @OptionGroup var bus: BusOptions

  func run() async throws {
    let routes: [RouteInfo] = try await bus.withGateway { try await $0.call("Routes") }
    guard !bus.json else { return print(try JSON.text(routes)) }
    print(
      Table(
        header: ["WORKLOAD", "KIND", "DOMAIN", "TLS", "BACKENDS"],
        rows: routes.map { route in
          [
            route.workload, route.kind.rawValue, route.fqdn, route.passesTLSThrough ? "passthrough" : "terminated",
            route.backends.joined(separator: " "),
          ]
        }))
  }
}
