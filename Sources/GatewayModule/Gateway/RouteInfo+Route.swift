import GatewayClient
import ProxyConfig

extension RouteInfo {
  /// - Parameter zone: the node's domain; for a route of which its file does not say as what it was asked for.
  init(_ route: Route, zone: Domain?) {
    let kind: Kind =
      switch route.kind {
      case .named: .named
      case .fqdn: .fqdn
      case nil: route.isInside(zone) ? .named : .fqdn
      }
    self.init(
      workload: route.workload.rawValue, kind: kind, fqdn: route.domainName,
      passesTLSThrough: route.tls == .passthrough, backends: route.backends.map(\.requested),
      httpBackends: route.httpBackends?.map { $0.tunnel == nil ? "\($0.endpoint)" : $0.requested } ?? [])
  }
}
