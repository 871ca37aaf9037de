import ProxyConfig
import System

extension RouteStore {
  /// All that changes, behind the store's lock.
  struct Contents {
    var index = RouteIndex()
    /// What is still to be told of changes that are made and could not be synced: `deleted` of a route whose file is gone.
    var untold: [WorkloadID: Event.Action] = [:]
    /// Whose files have to be written again and could not be.
    var owed: Set<WorkloadID> = []
    /// The files that could not be put away, and why.
    var stuck: [String: FileError] = [:]
    /// Why files were moved to quarantine, by their names there.
    var quarantineReasons: [String: String] = [:]
    /// The names on hold: Traefik is to ask for no certificate for them.
    var held: Set<String> = []
    /// Those of them that somebody set a route for.
    var wanted: Set<String> = []

    /// What a route that is in place means to those who know of `known`; nil for no news.
    func action(_ route: Route, replacing known: Route?) -> Event.Action? {
      // Who was not told that it is gone knows it still.
      if let action = untold[route.workload], action != .deleted { return action }
      return known == nil ? .set : known == route ? nil : .replaced
    }

    /// How the file of a route is to be written. When its name is on hold, only a file by which it is tried stays as it is.
    func writing(_ route: Route) -> RouteDirectory.Writing {
      guard let name = route.certifiedName, held.contains(name) else { return RouteDirectory.Writing(route: route) }
      let isTried = index[route.workload]?.certifiedName == name && !index.isOnHold(route.workload)
      return RouteDirectory.Writing(route: route, isOnHold: !isTried)
    }

    /// Whose files are not in the form that they are to have.
    func workloads(of rewrite: Rewrite) -> [WorkloadID] {
      var found: [WorkloadID] = []
      switch rewrite {
      case .renew(let workloads):
        found = workloads.filter { index.isOutdated($0) || index.isOnHold($0) && !isHeld($0) }
      case .hold(let names):
        index.forEachCertified { name, route, isOnHold, _ in
          if !isOnHold, found.count < RouteStore.rewriteBatch, names.contains(name) { found.append(route.workload) }
        }
      case .retry(let names):
        var waiting: [String: Waiting] = [:]
        index.forEachCertified { name, route, isOnHold, stamp in
          guard names.contains(name), let stamp else { return }
          waiting[name, default: Waiting()].add(route.workload, isOnHold, stamp.modified)
        }
        found = waiting.values.compactMap { $0.asking == nil ? $0.onHold : nil }
      }
      return found
    }

    private func isHeld(_ workload: WorkloadID) -> Bool {
      index[workload]?.certifiedName.map(held.contains) == true
    }

    /// Somebody wants a certificate for the route now.
    mutating func want(_ route: Route) {
      if let name = route.certifiedName, held.contains(name) { wanted.insert(name) }
    }

    /// The workload's file is gone, and may be back after a power cut.
    mutating func leave(_ workload: WorkloadID) {
      index.doubt(workload)
      untold[workload] = .deleted
    }

    func expectation(of workload: WorkloadID) -> FileExpectation {
      if untold[workload] == .deleted { return .nothing }
      return owed.contains(workload) ? .fileLater : .file
    }
  }

  /// What waits for the certificate of a name.
  struct Waiting: Equatable {
    /// When the oldest of the route files that want it was written, in nanoseconds since the epoch.
    var since = Int64.max
    /// Whose file is the oldest of those that ask for it, and of those that are on hold; nil for none.
    var asking: WorkloadID?
    var onHold: WorkloadID?
    private var oldestAsking = Int64.max
    private var oldestOnHold = Int64.max

    mutating func add(_ workload: WorkloadID, _ isOnHold: Bool, _ modified: Int64) {
      since = min(since, modified)
      if isOnHold, onHold == nil || modified < oldestOnHold { (onHold, oldestOnHold) = (workload, modified) }
      if !isOnHold, asking == nil || modified < oldestAsking { (asking, oldestAsking) = (workload, modified) }
    }
  }
}
