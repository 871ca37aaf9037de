import GatewayClient
import GatewayModule
import Glibc
import NIOPosix
public import ProxyConfig
public import RPC
import System

/// Whether this node can be a gateway: everything that one needs, looked at, with nothing left changed.
public struct NodeCheck: Sendable {
  private let client: RPCClient
  private let root: String?
  private let namespace: NetworkNamespace?
  private let resolver: Endpoint
  private let timeout: Duration
  private let checksDomains: Bool

  /// - Parameters:
  ///   - client: one that runs.
  ///   - root: the gateway's directory; nil for the one that the gateway tells of, or else the standard one.
  ///   - namespace: the one that Traefik runs in; nil for the one that the gateway tells of.
  ///   - resolver: whom to ask what the world sees of the node's zone.
  ///   - timeout: how long the broker and the module may take.
  ///   - checksDomains: whether every FQDN is looked up.
  public init(
    client: RPCClient, root: String?, namespace: NetworkNamespace?, resolver: Endpoint, timeout: Duration,
    checksDomains: Bool
  ) {
    self.client = client
    self.root = root
    self.namespace = namespace
    self.resolver = resolver
    self.timeout = timeout
    self.checksDomains = checksDomains
  }

  /// Checks everything at the same time, and reports the results in an order that is always the same, each as soon as possible.
  public func run(report: (Check) throws -> Void) async throws -> [Check] {
    var checks: [Check] = []
    func add(_ more: [Check]) throws {
      for check in more { try report(check) }
      checks += more
    }
    try add(await checkBus())
    let gateway = GatewayClient(client, timeout: max(timeout, NodeView.patience))
    let node: NodeView
    if checks.allSatisfy({ $0.outcome != .failure }) {
      node = await NodeView(asking: gateway, root: root, namespace: namespace)
    } else {
      node = NodeView(.failure(NodeError("it does not answer")), gateway, root: root, namespace: namespace)
    }
    try add(checkNode(node))
    let zones = await zones(of: node)
    let served = (try? zones?.get()) ?? []
    if case .gateway(let info, false) = node.source {
      // What is left when neither files nor processes can be seen.
      async let zone = ZoneCheck.check(node, resolver: resolver, besides: served)
      async let transfers = TransferCheck(node: node).check()
      try add([TraefikCheck.check(info)])
      try add(RelayCheck.check(info.relay))
      try add(await transfers)
      try add(await zone)
      try add(await checkDNS(info.dns, zones))
      try add(await CertificateCheck(node: node, resolver: resolver).checkCertificates(looksUp: !checksDomains))
      if checksDomains { try add(await checkDomains(node, gateway)) }
      return checks
    }
    let traefik = TraefikCheck(node: node)
    let ports = PortCheck(node: node)
    async let metrics = checkMetrics(node)
    async let transfers = TransferCheck(node: node).check()
    async let machine = onThread { [traefik.check()] + ports.checkAll() }
    async let zone = ZoneCheck.check(node, resolver: resolver, besides: served)
    async let certificates = CertificateCheck(node: node, resolver: resolver).checkCertificates(looksUp: !checksDomains)
    async let storage = onThread { checkStorage(node) }
    async let rest = onThread {
      guard let root = node.root else { return [ClockCheck.check()] }
      return RenewalCheck(root: root).check() + [ClockCheck.check(), DiskCheck(root: root).check()]
    }
    try add(try await machine)
    try add([await metrics])
    try add(RelayCheck.check(node.info?.relay))
    try add(await transfers)
    try add(await zone)
    try add(await checkDNS(node.info?.dns, zones))
    try add(await certificates)
    try add(try await storage)
    if checksDomains { try add(await checkDomains(node, gateway)) }
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
      let status = try await client.status(of: GatewayObject.module, timeout: timeout)
      let reached = Check.ok(broker, "\(client.broker) answers")
      let missing = [GatewayObject.legacyID, GatewayObject.id].filter { !status.objects.contains($0) }
      guard missing.isEmpty else {
        let stranger = "another program serves \(GatewayObject.module), without \(Self.list(missing))"
        return [reached, .failure(module, stranger, "stop it and start the gateway")]
      }
      let busy = status.workers.count { $0.state == .busy }
      let all = "the gateway answers; of \(status.workers.count) workers \(busy) are busy"
      return [reached, busy < status.workers.count ? .ok(module, all) : .warning(module, all, "gatewayctl status")]
    } catch {
      let skipped = Check.failure(module, "not asked, without a broker")
      let failure = error as? CallFailure
      switch (failure?.code, failure?.cause) {
      case (.noAnswer?, nil):
        return [
          .ok(broker, "\(client.broker) answers"),
          .failure(
            module, "the gateway does not answer within \(timeout)",
            "\(Unit.gateway.remedy(.start)), and see its log"),
        ]
      case (.noAnswer?, let cause?), (.notSent?, let cause?):
        return [.failure(broker, "\(cause)", "start Redis, or correct --broker"), skipped]
      case (.broker?, let cause?):
        return [.failure(broker, "\(cause)", "correct the user and password in --broker"), skipped]
      default: return [.failure(broker, "\(error)"), skipped]
      }
    }
  }

  // MARK: The node

  /// Where what follows is known from, and what the gateway says of its own directory.
  private func checkNode(_ node: NodeView) -> [Check] {
    let name = "node"
    var checks: [Check] = []
    switch node.source {
    case .files: checks.append(.warning(name, node.origin))
    case .gateway(let info, _):
      if let wrong = node.wrongRoot {
        checks.append(
          .failure(
            name, "the gateway's root is \(info.root), not \(wrong)",
            "leave --root and GATEWAY_ROOT away, or correct them"
          ))
      } else {
        checks.append(.ok(name, node.origin))
      }
    }
    let files: (count: Int, named: [QuarantinedFile])
    if let info = node.info {
      files = (info.quarantined, info.quarantine)
    } else {
      let names = node.root.flatMap { try? FileSystem.names(in: $0.quarantine) } ?? []
      files = (names.count, names.sorted().map { QuarantinedFile(name: $0, reason: "") })
    }
    guard files.count > 0 else { return checks }
    let shown = files.named.prefix(3).map { $0.name.escaped + ($0.reason.isEmpty ? "" : " (\($0.reason.escaped))") }
    let more = files.count > shown.count ? ", and \(files.count - shown.count) more" : ""
    checks.append(
      .warning(
        "files", "in quarantine: \(shown.joined(separator: ", "))\(more)",
        "mend or remove them; they are in \(node.info?.root ?? node.root?.path ?? "")/quarantine"))
    return checks
  }

  private func checkStorage(_ node: NodeView) -> [Check] {
    // What is wrong with Traefik's configuration is told elsewhere.
    guard let root = node.root, (try? node.asksForCertificates()) ?? true else { return [] }
    return StorageCheck(root: root, isServed: node.info != nil).check()
  }

  /// What the gateway serves; nil where it serves no names.
  private func zones(of node: NodeView) async -> Result<[ZoneInfo], any Error>? {
    guard node.info?.dns != nil else { return nil }
    do {
      return .success(try await DNSClient(client, timeout: max(timeout, NodeView.patience)).zones())
    } catch {
      return .failure(error)
    }
  }

  private func checkDNS(_ info: DNSInfo?, _ zones: Result<[ZoneInfo], any Error>?) async -> [Check] {
    guard let info, let zones else { return [] }
    do {
      let check = DNSCheck(info, zones: try zones.get(), resolver: resolver)
      return try await onThread { check.check() }
    } catch {
      return [.warning("dns", "not looked at: \(error)")]
    }
  }

  private func checkDomains(_ node: NodeView, _ gateway: GatewayClient) async -> [Check] {
    do {
      let routes = try await gateway.routes()
      let domains = try routes.filter { $0.kind == .fqdn && $0.fqdn != "*" }.map { try Domain($0.fqdn) }
      return await CertificateCheck(node: node, resolver: resolver).checkDomains(domains)
    } catch {
      return [.warning("domains", "not looked at: \(error)")]
    }
  }

  private func checkMetrics(_ node: NodeView) async -> Check {
    let name = "metrics"
    do {
      let address = try node.addresses().metrics.local
      let traffic = try await TraefikScrape(address: address, namespace: node.namespace).read()
      let workloads = Set(traffic.request.keys).union(traffic.response.keys).count
      return .ok(name, "\(address) counts the traffic of \(workloads) workloads")
    } catch {
      return .failure(name, "\(error)", Unit.traefik.remedy(.start))
    }
  }

  static func list(_ items: [some CustomStringConvertible]) -> String {
    items.map(\.description).joined(separator: ", ")
  }
}

extension NodeView {
  /// Runs `body` where Traefik runs.
  func inNamespace<Result: Sendable>(_ body: @Sendable @escaping () -> Result) throws -> Result {
    try namespace.map { try $0.run { () throws(SystemError) in body() } } ?? body()
  }

  /// Who listens at an address; nil when nobody does.
  func owners(of address: ListenAddress) throws -> [Port.Owner]? {
    let port = Port(address: try address.address ?? IPAddress("0.0.0.0"), number: address.port)
    return try inNamespace { port.owners }
  }
}
