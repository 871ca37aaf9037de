import ProxyConfig
import System

extension RouteStore {
  /// What is still to be done for a workload's route.
  enum Debt: Equatable {
    /// Its change is made and could not be synced; to be told once it is.
    case news(Event.Action)
    /// Its file was removed, which could not be synced, so that it may be back after a power cut; to be told as well.
    case removal
    /// Its file has to be written again and could not be; what is then to be told, if anything.
    case file(news: Event.Action?)

    /// What is to be told.
    var action: Event.Action? {
      switch self {
      case .news(let action): action
      case .removal: .deleted
      case .file(let action): action
      }
    }
  }

  /// All that changes, behind the store's lock.
  struct Contents {
    var index = RouteIndex()
    /// By workload.
    var debts: [WorkloadID: Debt] = [:]
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
      if let action = debts[route.workload]?.action, action != .deleted { return action }
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
      debts[workload] = .removal
    }

    /// The workload's file has to be written again.
    ///
    /// - Returns: whether that is new.
    mutating func owe(_ workload: WorkloadID) -> Bool {
      if case .file = debts[workload] { return false }
      debts[workload] = .file(news: debts[workload]?.action)
      return true
    }

    /// The workload's file was written again.
    mutating func pay(_ workload: WorkloadID) {
      if case .file(let news) = debts[workload] { debts[workload] = news.map { .news($0) } }
    }

    /// Whether something is to be told once it is synced.
    var hasNews: Bool { debts.values.contains { $0.action != nil } }

    /// The workloads whose files have to be written again.
    var owed: [WorkloadID] { debts.keys.filter { if case .file = debts[$0] { true } else { false } } }

    func expectation(of workload: WorkloadID) -> FileExpectation {
      switch debts[workload] {
      case .removal: .nothing
      case .file: .fileLater
      case .news, nil: .file
      }
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
