import ProxyConfig
import System

/// What stands under a name in Traefik's directory.
enum Sighting: Equatable {
  case nothing
  /// Whether the file says it as this version does, and whether it is on hold (``RouteFile``).
  case route(Route, FileStamp, isCurrent: Bool = true, isOnHold: Bool = false)
  /// What Traefik takes, or does not look at.
  case foreign(String)
  /// What keeps Traefik from reading any file.
  case broken(String)
}

/// What is expected to stand where a workload's route is known to be.
enum FileExpectation: Equatable {
  /// Its file.
  case file
  /// Nothing any more: its file was removed, and may be back after a power cut, so that the workload still has its domain.
  case nothing
  /// Nothing yet: its file could not be written again.
  case fileLater
}

/// What to do about a file that somebody put into Traefik's directory, changed or took away.
enum Reconciliation: Equatable {
  case leave
  /// The file's route is the workload's route from now on.
  case adopt(Route, FileStamp, isCurrent: Bool = true, isOnHold: Bool = false)
  /// The workload has no route any more.
  case forget(WorkloadID)
  /// The file is moved out of Traefik's sight.
  case quarantine(reason: String)
  /// The same, and the workload's route is written again.
  case restore(Route, reason: String)
  /// The workload's route is written again.
  case rewrite(Route)

  /// - Parameters:
  ///   - sighting: what is on disk under the name.
  ///   - route: the one that the workload is known to have; nil for none.
  ///   - expectation: what is expected in its place.
  ///   - owner: who has the domain of the route that is on disk, also by a claim.
  init(_ sighting: Sighting, known route: Route?, expecting expectation: FileExpectation = .file, owner: WorkloadID?) {
    // Over a route that was withdrawn there is nothing to be put back.
    let kept = expectation == .nothing ? nil : route
    switch (sighting, kept) {
    case (.nothing, nil), (.foreign, nil):
      self = .leave
    case (.nothing, let kept?):
      self = expectation == .fileLater ? .rewrite(kept) : .forget(kept.workload)
    case (.route(let found, let stamp, let isCurrent, let isOnHold), let kept):
      if let owner, owner != found.workload {
        let reason = "domain already registered: \(found.domainName), by the older \(owner)"
        self = kept.map { .restore($0, reason: reason) } ?? .quarantine(reason: reason)
      } else {
        self = .adopt(found, stamp, isCurrent: isCurrent, isOnHold: isOnHold)
      }
    case (.broken(let reason), nil):
      self = .quarantine(reason: reason)
    case (.broken(let reason), let kept?):
      self = .restore(kept, reason: reason)
    case (.foreign(let reason), let kept?):
      self = .restore(kept, reason: "no route any more: \(reason)")
    }
  }
}
