extension Route {
  /// The route that a file's root mapping describes.
  init(_ root: YAMLNode, workload: WorkloadID) throws(RouteFile.Mismatch) {
    let sections = try root.fields(["http", "tcp"])
    switch (sections[0], sections[1]) {
    case (let http?, nil): try self.init(http: http, workload)
    case (nil, let tcp?): try self.init(tcp: tcp, workload)
    default: throw root.mismatch("a route has either http or tcp")
    }
  }

  private init(http: YAMLNode, _ workload: WorkloadID) throws(RouteFile.Mismatch) {
    let fields = try http.fields(["routers", "services", "serverstransports"])
    let router = try Router(http.required(fields[0], "routers"), "Host", workload)

    let tls = try router.tls.fields(["certresolver", "domains"])
    let resolver = try router.tls.required(tls[0], "certResolver")
    let certificateDomain = try router.tls.required(tls[1], "domains").onlyElement
    let names = try certificateDomain.fields(["main", "sans"])
    let certificate: Certificate
    switch (try resolver.string, names[0], names[1]) {
    case (Resolver.wildcard, nil, let sans?):
      let name = try sans.onlyElement
      let text = try name.string
      guard text.hasPrefix("*.") else { throw name.mismatch("a wildcard is needed, not \(quoted(text))") }
      certificate = .wildcard(of: try name.reading { () throws(InvalidValue) in try Domain(text.dropFirst(2)) })
    case (Resolver.own, let main?, nil):
      let text = try main.string
      guard try main.reading({ () throws(InvalidValue) in try Domain(text) }) == router.domain else {
        throw main.mismatch("a certificate for another domain")
      }
      certificate = .own
    default:
      throw resolver.mismatch("not a certificate that a route asks for")
    }

    let service = try Service(http.required(fields[1], "services"), serverKey: "url", workload)
    if let transport = service.transport {
      guard try transport.isString(workload.rawValue) else { throw transport.mismatch("another route's transport") }
    }
    if let transports = fields[2] {
      let transport = try transports.only(workload.rawValue)
      let insecure = try transport.fields(["insecureskipverify"])[0]
      guard let insecure, insecure.isTrue else { throw transport.mismatch("not the transport of a route") }
    }
    self = try http.reading { () throws(InvalidValue) in
      try Route(
        workload: workload, domain: router.domain, tls: .terminated(certificate), backends: service.backends,
        under: .alreadyAccepted)
    }
  }

  private init(tcp: YAMLNode, _ workload: WorkloadID) throws(RouteFile.Mismatch) {
    let fields = try tcp.fields(["routers", "services"])
    let router = try Router(tcp.required(fields[0], "routers"), "HostSNI", workload)
    let passthrough = try router.tls.fields(["passthrough"])[0]
    guard let passthrough, passthrough.isTrue else { throw router.tls.mismatch("TLS that is not passed through") }
    let service = try Service(tcp.required(fields[1], "services"), serverKey: "address", workload)
    if let transport = service.transport { throw transport.mismatch("a transport where TLS is passed through") }
    self = try tcp.reading { () throws(InvalidValue) in
      try Route(
        workload: workload, domain: router.domain, tls: .passthrough, backends: service.backends,
        under: .alreadyAccepted)
    }
  }

  /// The one router of a route file.
  private struct Router {
    let domain: Domain
    let tls: YAMLNode

    init(_ routers: YAMLNode, _ matcher: String, _ workload: WorkloadID) throws(RouteFile.Mismatch) {
      let router = try routers.only("\(workload)-route")
      let fields = try router.fields(["rule", "service", "tls"])
      let rule = try router.required(fields[0], "rule")
      let text = try rule.string.utf8[...]
      guard text.starts(with: "\(matcher)(".utf8), text.last == UInt8(ascii: ")"),
        case let argument = text.dropFirst(matcher.utf8.count + 1).dropLast(), argument.count >= 2,
        let quote = argument.first, quote == UInt8(ascii: "`") || quote == UInt8(ascii: "\""), argument.last == quote
      else { throw rule.mismatch("the rule is not \(matcher)(`domain`)") }
      domain = try rule.reading { () throws(InvalidValue) in
        try Domain(Substring(argument.dropFirst().dropLast()))
      }
      let service = try router.required(fields[1], "service")
      guard try service.isString(workload.rawValue) else { throw service.mismatch("another route's service") }
      tls = try router.required(fields[2], "tls")
    }
  }

  /// The one service of a route file.
  private struct Service {
    let backends: [String]
    let transport: YAMLNode?

    init(_ services: YAMLNode, serverKey: StaticString, _ workload: WorkloadID) throws(RouteFile.Mismatch) {
      let service = try services.only(workload.rawValue)
      let balancer = try service.required(service.fields(["loadbalancer"])[0], "loadBalancer")
      let fields = try balancer.fields(["servers", "serverstransport"])
      var backends: [String] = []
      for server in try balancer.required(fields[0], "servers").elements {
        backends.append(try server.required(server.fields([serverKey])[0], "\(serverKey)").string)
      }
      self.backends = backends
      transport = fields[1]
    }
  }
}

extension YAMLNode {
  fileprivate func required(_ value: YAMLNode?, _ name: String) throws(RouteFile.Mismatch) -> YAMLNode {
    guard let value else { throw mismatch("\(name) is missing") }
    return value
  }

  /// What `body` makes of this node's text.
  fileprivate func reading<Value>(_ body: () throws(InvalidValue) -> Value) throws(RouteFile.Mismatch) -> Value {
    do throws(InvalidValue) { return try body() } catch { throw mismatch(error.description) }
  }
}
