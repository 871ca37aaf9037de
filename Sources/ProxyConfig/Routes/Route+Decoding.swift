import Records
import System

extension Route {
  /// A route, whether its file says it as ``Route/encoded(trusting:onHold:)`` does, or as earlier versions did, and whether it is
  /// on hold.
  struct FileReading {
    let route: Route
    let isCurrent: Bool
    let isOnHold: Bool

    /// The route that a file's root mapping describes; current, where the `Forwarded` header of `proxies` reaches the backends.
    init(_ root: YAMLNode, workload: WorkloadID, trusting proxies: [IPNetwork]) throws(FileMismatch) {
      let sections = try root.fields(["http", "tcp", "kind", "tunnels"])
      let tunnels = try TunnelsReading(sections[3])
      switch (sections[0], sections[1]) {
      case (let http?, nil):
        if let kind = sections[2] { throw kind.mismatch("a kind beside the certificate that says it") }
        try self.init(http: http, tunnels, workload, proxies)
      case (let http, let tcp?):
        try self.init(tcp: tcp, http: http, kind: sections[2], tunnels, workload, proxies)
      case (nil, nil): throw root.mismatch("a route has http or tcp")
      }
    }
  }
}

extension Route.FileReading {
  private init(
    http: YAMLNode, _ tunnels: TunnelsReading, _ workload: WorkloadID, _ proxies: [IPNetwork]
  ) throws(FileMismatch) {
    let fields = try http.fields(["routers", "services", "middlewares", "serverstransports"])
    let (all, trusted) = try http.required(fields[0], "routers")
      .only("\(workload)-route", and: Route.trustedRouterName(of: workload))
    let router = try Router(all, "Host", workload)

    let tls = try router.tls.fields(["certresolver", "domains"])
    // Without one Traefik asks for no certificate; the names say which it would be.
    let resolver = try tls[0]?.string
    isOnHold = resolver == nil
    let certificateDomain = try router.tls.required(tls[1], "domains").onlyElement
    let names = try certificateDomain.fields(["main", "sans"])
    let certificate: Route.Certificate
    switch (resolver, names[0], names[1]) {
    case (Route.ResolverName.wildcard?, nil, let sans?), (nil, nil, let sans?):
      let name = try sans.onlyElement
      let text = try name.string
      guard text.hasPrefix("*.") else { throw name.mismatch("a wildcard is needed, not \(quoted(text))") }
      certificate = .wildcard(of: try name.reading { () throws(InvalidValue) in try Domain(text.dropFirst(2)) })
    case (Route.ResolverName.own?, let main?, nil), (nil, let main?, nil):
      let text = try main.string
      guard try main.reading({ () throws(InvalidValue) in try Domain(text) }) == router.domain else {
        throw main.mismatch("a certificate for another domain")
      }
      certificate = .own
    default:
      throw (tls[0] ?? certificateDomain).mismatch("not a certificate that a route asks for")
    }

    let service = try ServiceReading(http.required(fields[1], "services"), "url", workload.rawValue)
    if let check = service.healthCheck { throw check.otherValue }
    route = try http.reading { () throws(InvalidValue) in
      try Route(
        workload: workload, domain: router.domain, tls: .terminated(certificate),
        backends: tunnels.requested(service.backends), under: .alreadyAccepted, tunnels: tunnels.addresses)
    }

    isCurrent = try http.isCurrent(trusting: proxies, by: trusted) { [route] believed in
      [
        (router.middlewares, route.middlewareNames(believed)), (trusted, route.trustedRouter(believed)),
        (service.transport, route.transportName), (fields[2], route.middlewares(believed)),
        (fields[3], route.transports),
      ]
    } orFirst: { () throws(FileMismatch) in
      guard router.middlewares == nil, trusted == nil, fields[2] == nil else { return false }
      if let transport = service.transport, try !transport.isString(workload.rawValue) { return false }
      guard let transport = try fields[3]?.only(workload.rawValue) else { return true }
      return try transport.fields(["insecureskipverify"])[0]?.isTrue == true
    }
  }

  private init(
    tcp: YAMLNode, http: YAMLNode?, kind: YAMLNode?, _ tunnels: TunnelsReading, _ workload: WorkloadID,
    _ proxies: [IPNetwork]
  ) throws(FileMismatch) {
    let fields = try tcp.fields(["routers", "services"])
    let router = try Router(tcp.required(fields[0], "routers").only("\(workload)-route"), "HostSNI", workload)
    let passthrough = try router.tls.fields(["passthrough"])[0]
    guard let passthrough, passthrough.isTrue else { throw router.tls.mismatch("TLS that is not passed through") }
    if let middlewares = router.middlewares { throw middlewares.mismatch("middlewares where TLS is passed through") }
    let service = try ServiceReading(tcp.required(fields[1], "services"), "address", workload.rawValue)
    if let transport = service.transport { throw transport.mismatch("a transport where TLS is passed through") }

    var httpBackends: [String] = []
    var redirected: Set<Domain> = []
    var trusted: YAMLNode?
    if let http {
      let fields = try http.fields(["routers", "services", "middlewares", "serverstransports"])
      if let services = fields[1] {
        httpBackends = try ServiceReading(services, "url", Route.plainServiceName(of: workload)).backends
        trusted = try fields[0]?.field(Route.trustedRouterName(of: workload))
      }
      if router.domain == nil, let redirecting = try fields[0]?.field(Route.redirectingRouterName(of: workload)) {
        redirected = try redirecting.named { (rule) throws(InvalidValue) in try Route.redirected(in: rule) }
      }
    }
    isOnHold = false
    let text = try kind?.string
    let kindOfRoute = text.flatMap(Route.Kind.init)
    if let kind, let text, kindOfRoute == nil { throw kind.mismatch("a kind that no route has: \(quoted(text))") }
    route = try tcp.reading { () throws(InvalidValue) in
      try Route(
        workload: workload, domain: router.domain, redirecting: redirected, tls: .passthrough, kind: kindOfRoute,
        backends: tunnels.requested(service.backends), httpBackends: tunnels.requested(httpBackends),
        under: .alreadyAccepted, tunnels: tunnels.addresses)
    }
    isCurrent = try tcp.isCurrent(trusting: proxies, by: trusted) { [route] believed in
      [
        (http, route.httpBesidePassthrough(believed)), (service.healthCheck, route.healthCheck),
        (router.priority, route.passthroughPriority),
      ]
    } orFirst: {
      http == nil && service.healthCheck == nil
    }
  }

  /// The tunnels that a route file names, by which its backends at their addresses are known.
  private struct TunnelsReading {
    private(set) var addresses: Backend.Tunnels = [:]
    private var names: [Endpoint: WorkloadID] = [:]

    init(_ tunnels: YAMLNode?) throws(FileMismatch) {
      try tunnels?.forEachField { (key, value) throws(FileMismatch) in
        let (name, text) = try (key.string, value.string)
        let workload = try key.reading { () throws(InvalidValue) in try WorkloadID(name) }
        let endpoint = try value.reading { () throws(InvalidValue) in try Endpoint(text) }
        addresses[workload] = endpoint
        names[endpoint] = workload
      }
    }

    /// Backends as they were asked for.
    func requested(_ backends: [String]) -> [String] {
      guard !names.isEmpty else { return backends }
      return backends.map { text in
        let address = text.hasPrefix("http://") ? String(text.dropFirst("http://".count)) : text
        return (try? Endpoint(address)).flatMap { names[$0] }.map { "tunnel:\($0)" } ?? text
      }
    }
  }

  /// The router of a route file for all that its rule says no more of.
  private struct Router {
    /// nil for that of a route without one.
    let domain: Domain?
    let priority: YAMLNode?
    let tls: YAMLNode
    let middlewares: YAMLNode?

    init(_ router: YAMLNode, _ matcher: String, _ workload: WorkloadID) throws(FileMismatch) {
      let fields = try router.fields(["rule", "service", "tls", "middlewares", "priority"])
      let rule = try router.required(fields[0], "rule")
      domain = try Self.domain(rule, matcher)
      let service = try router.required(fields[1], "service")
      guard try service.isString(workload.rawValue) else { throw service.mismatch("another route's service") }
      tls = try router.required(fields[2], "tls")
      middlewares = fields[3]
      priority = fields[4]
      if let priority, domain != nil { throw priority.mismatch("a route has no \"priority\" here") }
    }

    private static func domain(_ rule: YAMLNode, _ matcher: String) throws(FileMismatch) -> Domain? {
      if matcher == "HostSNI", try rule.isString(Route.passthroughRuleWithoutDomain) { return nil }
      let text = try rule.string.utf8[...]
      guard text.starts(with: "\(matcher)(".utf8), text.last == UInt8(ascii: ")"),
        case let argument = text.dropFirst(matcher.utf8.count + 1).dropLast(), argument.count >= 2,
        let quote = argument.first, quote == UInt8(ascii: "`") || quote == UInt8(ascii: "\""), argument.last == quote
      else { throw rule.mismatch("the rule is not \(matcher)(`domain`)") }
      return try rule.reading { () throws(InvalidValue) in try Domain(Substring(argument.dropFirst().dropLast())) }
    }
  }

  /// The one service of a route file.
  private struct ServiceReading {
    let backends: [String]
    let transport: YAMLNode?
    let healthCheck: YAMLNode?

    init(_ services: YAMLNode, _ serverKey: StaticString, _ name: String) throws(FileMismatch) {
      let service = try services.only(name)
      let balancer = try service.required(service.fields(["loadbalancer"])[0], "loadBalancer")
      let fields = try balancer.fields(["servers", "serverstransport", "healthcheck"])
      var backends: [String] = []
      for server in try balancer.required(fields[0], "servers").elements {
        backends.append(try server.required(server.fields([serverKey])[0], "\(serverKey)").string)
      }
      self.backends = backends
      transport = fields[1]
      healthCheck = fields[2]
    }
  }
}

extension YAMLNode {
  fileprivate typealias Parts = [(node: YAMLNode?, wanted: YAMLTree?)]

  /// Whether the parts of a route that this node has are those that it should have. If not, they must be right for other proxies, or
  /// what an earlier version wrote; if they are neither, throws where they differ from what they should be.
  ///
  /// - Parameters:
  ///   - proxies: whose `Forwarded` header is to reach the backends.
  ///   - trusted: the router that lets it.
  ///   - parts: those that a route has, by whose header does.
  ///   - isFirst: whether the first versions wrote them.
  fileprivate func isCurrent(
    trusting proxies: [IPNetwork], by trusted: YAMLNode?, _ parts: (Route.Believed) -> Parts,
    orFirst isFirst: () throws(FileMismatch) -> Bool
  ) throws(FileMismatch) -> Bool {
    if (try? check(parts(.only(proxies)))) != nil { return true }
    do throws(FileMismatch) {
      try check(parts(.only(trusted?.proxies ?? [])))
    } catch {
      // What no version wrote is told by what this one would.
      guard (try? check(parts(.everybody))) != nil || (try? isFirst()) == true else { throw error }
    }
    return false
  }

  private func check(_ parts: Parts) throws(FileMismatch) {
    for part in parts {
      switch part {
      case (nil, nil): continue
      case (let node?, let wanted?): try node.check(wanted)
      case (let node?, nil): throw node.otherValue
      case (nil, _?): throw mismatch("not all that a route has here")
      }
    }
  }

  /// The proxies that a router names in its rule.
  private var proxies: [IPNetwork] {
    get throws(FileMismatch) {
      try named { (rule) throws(InvalidValue) in try Route.proxies(in: rule) }
    }
  }

  /// What a router names in its rule.
  fileprivate func named<Names>(
    _ names: (String) throws(InvalidValue) -> Names
  ) throws(FileMismatch) -> Names {
    let rule = try required(fields(["rule", "entrypoints", "priority", "middlewares", "service", "tls"])[0], "rule")
    let text = try rule.string
    return try rule.reading { () throws(InvalidValue) in try names(text) }
  }

  fileprivate func required(_ value: YAMLNode?, _ name: String) throws(FileMismatch) -> YAMLNode {
    guard let value else { throw mismatch("\(name) is missing") }
    return value
  }

  /// What `body` makes of this node's text.
  fileprivate func reading<Value>(_ body: () throws(InvalidValue) -> Value) throws(FileMismatch) -> Value {
    do throws(InvalidValue) { return try body() } catch { throw mismatch(error.description) }
  }
}
