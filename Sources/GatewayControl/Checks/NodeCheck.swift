import ACMEHook
import Files
import GatewayModule
import Glibc
import NIOPosix
public import ProxyConfig
public import RPC

/// Whether this node can be a gateway: everything that one needs, looked at, with nothing left changed.
public struct NodeCheck: Sendable {
  private let settings: NodeSettings
  private let client: Client
  private let resolver: Endpoint
  private let timeout: Duration

  /// - Parameters:
  ///   - client: one that runs.
  ///   - resolver: whom to ask what the world sees of the node's zone.
  ///   - timeout: how long the broker and the module may take.
  public init(settings: NodeSettings, client: Client, resolver: Endpoint, timeout: Duration) {
    self.settings = settings
    self.client = client
    self.resolver = resolver
    self.timeout = timeout
  }

  /// Looks at everything at the same time, and tells of it in an order that is always the same, as soon as it is known.
  public func run(report: (Check) throws -> Void) async throws -> [Check] {
    async let bus = checkBus()
    async let metrics = checkMetrics()
    async let machine = onThread { checkTraefik() + checkPorts() }
    async let zone = checkZone()
    async let rest = onThread { [ClockCheck.check(), DiskCheck(root: settings.root).check()] }
    var checks: [Check] = []
    func add(_ more: [Check]) throws {
      for check in more { try report(check) }
      checks += more
    }
    try add(await bus)
    try add(try await machine)
    try add(await metrics)
    try add(try await zone)
    try add(try await rest)
    return checks
  }

  private func onThread(_ body: @Sendable @escaping () -> [Check]) async throws -> [Check] {
    try await NIOThreadPool.singleton.runIfActive(body)
  }

  // MARK: The bus

  private func checkBus() async -> [Check] {
    let broker = "broker"
    let module = "module"
    do {
      let status = try await client.status(of: Gateway.module, timeout: timeout)
      let reached = Check.ok(broker, "\(client.broker) answers")
      let missing = [Gateway.legacyObject, Gateway.object].filter { !status.objects.contains($0) }
      guard missing.isEmpty else {
        let stranger = "another program serves \(Gateway.module), without \(Self.list(missing))"
        return [reached, .failure(module, stranger, "stop it and start the gateway")]
      }
      let busy = status.workers.count { $0.state == .busy }
      let all = "the gateway answers; of \(status.workers.count) workers \(busy) are busy"
      return [reached, busy < status.workers.count ? .ok(module, all) : .warning(module, all, "gatewayctl status")]
    } catch {
      let skipped = Check.failure(module, "not asked, without a broker")
      switch (error as? CallFailure)?.reason {
      case .noAnswer(_, _, let after, _, nil)?:
        return [
          .ok(broker, "\(client.broker) answers"),
          .failure(
            module, "the gateway does not answer within \(after)",
            "\(Unit.gateway.command("start")), and see its log"),
        ]
      case .noAnswer(_, _, _, _, let cause?)?, .notSent(let cause)?:
        return [.failure(broker, "\(cause)", "start Redis, or correct --broker"), skipped]
      case .broker(let error)?:
        return [.failure(broker, "\(error)", "correct the user and password in --broker"), skipped]
      default: return [.failure(broker, "\(error)"), skipped]
      }
    }
  }

  // MARK: Traefik

  private func checkMetrics() async -> [Check] {
    let name = "metrics"
    do {
      let address = try settings.addresses().metrics.local
      let traffic = try await TraefikScrape(address: address, namespace: settings.namespace).read()
      let workloads = Set(traffic.request.keys).union(traffic.response.keys).count
      return [.ok(name, "\(address) counts the traffic of \(workloads) workloads")]
    } catch {
      return [.failure(name, "\(error)", Unit.traefik.command("start"))]
    }
  }

  private func checkTraefik() -> [Check] {
    let name = "traefik"
    let file = settings.root.traefikConfiguration
    do {
      let address = try settings.addresses().https
      guard let owners = try owners(of: address) else {
        return [.failure(name, "nobody listens at \(address)", "\(Unit.traefik.command("start")), and see its log")]
      }
      guard let traefik = owners.first(where: { $0.name.hasPrefix("traefik") }) else {
        return owners.isEmpty
          ? [.warning(name, "who listens at \(address) cannot be seen", "run this as root")]
          : [.failure(name, "not Traefik but \(Self.list(owners)) listens at \(address)", "stop that")]
      }
      let arguments = ProcessTable.arguments(of: traefik.pid)
      guard arguments.contains(where: { $0 == file || $0.hasSuffix("=\(file)") }) else {
        return [.failure(name, "\(traefik) does not run with \(file)", "start it with --configfile \(file)")]
      }
      let written = Double(try FileSystem.status(file).stamp.modified) / 1e9
      // The start is known to the tick, and the boot to the second.
      if let start = ProcessTable.start(of: traefik.pid), start + 2 < written {
        return [.warning(name, "\(traefik) runs with an older \(file)", Unit.traefik.command("restart"))]
      }
      return [.ok(name, "\(traefik) runs with \(file)")]
    } catch {
      return [.failure(name, "\(error)", Unit.gateway.command("start"))]
    }
  }

  // MARK: Ports

  private func checkPorts() -> [Check] {
    var checks: [Check] = []
    if let addresses = try? settings.addresses() {
      for address in [addresses.http, addresses.https] { checks.append(checkTraefiksPort(address)) }
    }
    // Whether this node answers challenges is known from what the gateway wrote for the hook.
    if let zone = try? ChallengeZone.read(from: settings.root), zone.domain != nil {
      checks.append(checkChallengePort(zone))
    }
    return checks
  }

  private func checkTraefiksPort(_ address: ListenAddress) -> Check {
    let name = "port \(address.port)"
    do {
      guard let owners = try owners(of: address) else {
        return .failure(name, "nobody listens at \(address)", Unit.traefik.command("start"))
      }
      if owners.isEmpty {
        return .warning(name, "a process that cannot be seen listens at \(address)", "run this as root")
      }
      let strangers = owners.filter { !$0.name.hasPrefix("traefik") }
      return strangers.isEmpty
        ? .ok(name, "\(Self.list(owners)) listens at \(address)")
        : .failure(name, "\(Self.list(strangers)) listens at \(address)", "stop it; the port is Traefik's")
    } catch {
      return .failure(name, "\(error)")
    }
  }

  private func checkChallengePort(_ zone: ChallengeZone) -> Check {
    let name = "port \(zone.port)"
    do {
      let (local, owners) = try inNamespace {
        let local = zone.addresses.filter(Port.isLocal)
        return (local, local.compactMap { Port(address: $0, number: zone.port).owners })
      }
      guard !local.isEmpty else {
        return .failure(
          name, "none of the node's public addresses is one of this machine's: \(Self.list(zone.addresses))",
          "ip address; challenges cannot be answered here")
      }
      if owners.isEmpty { return .ok(name, "free, for as long as no challenge is pending") }
      let all = Set(owners.joined()).sorted { $0.pid < $1.pid }
      if all.isEmpty { return .warning(name, "a process that cannot be seen listens there", "run this as root") }
      let strangers = all.filter { owner in
        !ProcessTable.arguments(of: owner.pid).contains { $0.contains(settings.root.acme) }
      }
      return strangers.isEmpty
        ? .ok(name, "\(Self.list(all)) answers a challenge")
        : .failure(
          name, "\(Self.list(strangers)) listens there",
          "stop it, or have it listen at other addresses; challenges are answered there")
    } catch {
      return .failure(name, "\(error)")
    }
  }

  private func owners(of address: ListenAddress) throws -> [Port.Owner]? {
    let port = Port(address: try address.address ?? IPAddress("0.0.0.0"), number: address.port)
    return try inNamespace { port.owners }
  }

  private func inNamespace<Result: Sendable>(_ body: @Sendable @escaping () -> Result) throws -> Result {
    try settings.namespace.map { try $0.run { () throws(SystemError) in body() } } ?? body()
  }

  private static func list(_ items: [some CustomStringConvertible]) -> String {
    items.map(\.description).joined(separator: ", ")
  }

  // MARK: The zone

  private func checkZone() async throws -> [Check] {
    let node: ChallengeZone
    do throws(ChallengeZoneError) {
      node = try ChallengeZone.read(from: settings.root)
    } catch {
      return [.failure("zone", "\(error)", Unit.gateway.command("start"))]
    }
    guard let domain = node.domain else { return [.ok("zone", "the node has no domain, and needs no records")] }
    let zone = ZoneCheck(domain: domain, addresses: node.addresses, resolver: resolver)
    async let addresses = onThread { [zone.checkAddresses()] }
    async let wildcard = onThread { [zone.checkWildcard()] }
    async let delegation = onThread { [zone.checkDelegation()] }
    return try await addresses + wildcard + delegation
  }
}
