import ProxyConfig

extension RouteStore {
  /// What became of a route or of a file. What the store itself did is on disk by then; what others did to a file, when the
  /// store saw it.
  public struct Event: Equatable, Sendable {
    enum Action: String, Sendable {
      /// The workload has a route now, and had none.
      case set
      /// The workload has another route now.
      case replaced
      /// The workload has no route any more.
      case deleted
      /// A file was moved out of Traefik's sight.
      case quarantined
    }

    let action: Action
    /// nil for a file in quarantine whose name is no workload's.
    let workload: WorkloadID?
    /// nil for a route without a domain, and for a file in quarantine that names none.
    let domain: Domain?
    /// The domain that a route replaced by another one had, where that is another one.
    let previous: Domain?
    /// Of a file in quarantine: its name and why it is there.
    let reason: String

    init(_ route: Route, _ action: Action, replacing known: Route? = nil) {
      self.action = action
      workload = route.workload
      domain = route.domain
      previous = action == .replaced ? Self.previous(of: known, before: route) : nil
      reason = ""
    }

    init(quarantined workload: WorkloadID?, domain: Domain?, reason: String) {
      action = .quarantined
      self.workload = workload
      self.domain = domain
      previous = nil
      self.reason = reason
    }

    /// The domain that a workload gave up for that of another route.
    static func previous(of known: Route?, before route: Route) -> Domain? {
      known.flatMap { $0.domain == route.domain ? nil : $0.domain }
    }
  }
}
