import Files
import ProxyConfig

/// What stands under a name in Traefik's directory.
enum Sighting: Equatable {
  case nothing
  /// The file that was there when the route was written or read.
  case unchanged
  case route(Route, FileStamp)
  /// What Traefik takes, or does not look at.
  case foreign(String)
  /// What keeps Traefik from reading any file.
  case broken(String)
}

/// What to do about a file that somebody put into Traefik's directory, changed or took away.
enum Reconciliation: Equatable {
  case leave
  /// The file's route is the workload's route from now on.
  case adopt(Route, FileStamp)
  /// The workload has no route any more.
  case forget(WorkloadID)
  /// The file is moved out of Traefik's sight.
  case quarantine(reason: String)
  /// The same, and the workload's route is written again.
  case restore(Route, reason: String)

  /// - Parameters:
  ///   - sighting: what is on disk under the name.
  ///   - route: the one that is known to be there; nil for none.
  ///   - owner: who has the domain of the route that is on disk, also by a claim.
  init(_ sighting: Sighting, known route: Route?, owner: WorkloadID?) {
    switch (sighting, route) {
    case (.unchanged, _), (.nothing, nil), (.foreign, nil):
      self = .leave
    case (.nothing, let route?):
      self = .forget(route.workload)
    case (.route(let found, let stamp), let route):
      if let owner, owner != found.workload {
        let reason = "domain already registered: \(found.domain), by the older \(owner)"
        self = route.map { .restore($0, reason: reason) } ?? .quarantine(reason: reason)
      } else {
        self = .adopt(found, stamp)
      }
    case (.broken(let reason), nil):
      self = .quarantine(reason: reason)
    case (.broken(let reason), let route?):
      self = .restore(route, reason: reason)
    case (.foreign(let reason), let route?):
      self = .restore(route, reason: "no route any more: \(reason)")
    }
  }
}
