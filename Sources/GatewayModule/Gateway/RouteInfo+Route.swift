import GatewayClient
import ProxyConfig

extension RouteInfo {
  init(_ route: Route, zone: Domain?) {
    let kind: Kind =
      switch route.tls {
      case .terminated(.wildcard): .named
      case .terminated(.own): .fqdn
      case .passthrough: zone.map(route.domain.isInside) == true ? .named : .fqdn
      }
    self.init(
      workload: route.workload.rawValue, kind: kind, fqdn: route.domain.rawValue,
      passesTLSThrough: route.tls == .passthrough, backends: route.backends.map(\.description),
      httpBackends: route.httpBackends?.map(\.endpoint.description) ?? [])
  }
}
