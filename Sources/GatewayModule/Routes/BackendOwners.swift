import ProxyConfig
import System

/// Whose traffic a connection from Traefik to a backend is: a view of the routes, for who counts it.
struct BackendOwners: Equatable {
  /// Who passes TLS through to which backend.
  private(set) var passthrough: [Endpoint: [WorkloadID]] = [:]
  /// Who has which backend for requests whose TLS ends at Traefik.
  private var terminated: [Endpoint: [Terminated]] = [:]

  private struct Terminated: Equatable {
    let workload: WorkloadID
    /// Whether Traefik speaks TLS with the backend.
    let isSecure: Bool
  }

  /// Whether any connection from Traefik to a backend is somebody's whose TLS ends at Traefik.
  var hasTerminated: Bool { !terminated.isEmpty }

  /// Who gets the requests that Traefik sends to a backend once it ended their TLS, in any order, and whether it speaks TLS
  /// with the backend. Returns nil when nobody does, and for a backend that somebody passes TLS through to.
  func terminated(at backend: Endpoint) -> (workloads: [WorkloadID], isSecure: Bool)? {
    guard let owners = terminated[backend], passthrough[backend] == nil else { return nil }
    return (owners.map(\.workload), owners.contains(where: \.isSecure))
  }

  mutating func insert(_ route: Route) {
    switch route.tls.mode {
    case .passthrough:
      for endpoint in Set(route.backends.map(\.endpoint)) {
        passthrough[endpoint, default: []].append(route.workload)
      }
    case .terminated:
      for (endpoint, backends) in Dictionary(grouping: route.backends, by: \.endpoint) {
        let isSecure = backends.contains { $0.scheme == .https }
        terminated[endpoint, default: []].append(Terminated(workload: route.workload, isSecure: isSecure))
      }
    }
  }

  mutating func remove(_ route: Route) {
    for endpoint in Set(route.backends.map(\.endpoint)) {
      switch route.tls.mode {
      case .passthrough:
        passthrough[endpoint]?.removeAll { $0 == route.workload }
        if passthrough[endpoint]?.isEmpty == true { passthrough[endpoint] = nil }
      case .terminated:
        terminated[endpoint]?.removeAll { $0.workload == route.workload }
        if terminated[endpoint]?.isEmpty == true { terminated[endpoint] = nil }
      }
    }
  }
}
