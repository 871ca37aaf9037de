public import GatewayClient
import GatewayModule
import Glibc

/// Which routes are asked for: those whose whole workload and domain match patterns, in which `*` stands for any text, `?`
/// for one character and `[…]` for one of several (glob(7)).
public struct RouteFilter: Hashable, Sendable {
  /// nil for every workload.
  public var workload: String?
  /// nil for every domain. Upper and lower case are the same.
  public var domain: String?

  public init(workload: String? = nil, domain: String? = nil) {
    self.workload = workload
    self.domain = domain
  }

  public func matches(_ route: RouteInfo) -> Bool {
    matches(workload, route.workload) && matches(domain?.lowercased(), route.fqdn)
  }

  private func matches(_ pattern: String?, _ text: String) -> Bool {
    pattern.map { fnmatch($0, text, 0) == 0 } ?? true
  }
}
