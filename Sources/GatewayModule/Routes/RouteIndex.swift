public import ProxyConfig
import System

/// Which workload has which route, and which workload owns which domain.
///
/// A domain belongs to a workload from when its route is claimed, before the file is written, until the file that named
/// it is gone. So two workloads can never get the same domain acknowledged, and a domain that is being given up is not
/// given away before it is free on disk.
struct RouteIndex {
  private struct Entry {
    var route: Route
    /// Whether the file is known to be synced to disk.
    var isDurable: Bool
    /// Whether the file says it as this version does.
    var isCurrent: Bool
    /// Whether the file has Traefik ask for no certificate.
    var isOnHold: Bool
    /// Of the file that says so.
    var stamp: FileStamp?
  }

  enum Claim: Equatable {
    /// The very same route is on disk already.
    case unchanged
    /// The route is to be written; the workload's domain is reserved.
    case write(replacing: Route?)
  }

  private var entries: [WorkloadID: Entry] = [:] {
    didSet { revision &+= 1 }
  }
  /// Another one after each change.
  private(set) var revision = 0
  /// That of no domain is who has whatever is for no other route's.
  private var owners: [Domain?: WorkloadID] = [:]
  private(set) var backendOwners = BackendOwners()
  /// The domains of the routes that are being written.
  private var claims: [WorkloadID: Domain?] = [:]

  var count: Int { entries.count }

  var routes: [Route] { entries.values.map(\.route) }

  subscript(workload: WorkloadID) -> Route? { entries[workload]?.route }

  func stamp(of workload: WorkloadID) -> FileStamp? { entries[workload]?.stamp }

  func isOnHold(_ workload: WorkloadID) -> Bool { entries[workload]?.isOnHold == true }

  /// Calls `body` for each route whose TLS ends at Traefik, with the name that it wants a certificate for.
  func forEachCertified(
    _ body: (_ name: String, _ route: Route, _ isOnHold: Bool, _ stamp: FileStamp?) -> Void
  ) {
    for entry in entries.values {
      if let name = entry.route.certifiedName { body(name, entry.route, entry.isOnHold, entry.stamp) }
    }
  }

  func owner(of domain: Domain?) -> WorkloadID? { owners[domain] }

  /// The workloads whose files are as an earlier version wrote them.
  var outdated: [WorkloadID] { entries.values.filter { !$0.isCurrent }.map(\.route.workload) }

  func isOutdated(_ workload: WorkloadID) -> Bool { entries[workload]?.isCurrent == false }

  /// Whether the route is on disk. A file of an earlier version that does not say as what it was asked for may be of either
  /// kind.
  func isDurable(_ route: Route) -> Bool {
    guard let entry = entries[route.workload], entry.isDurable else { return false }
    return entry.route == route || entry.route.kind == nil && entry.route.known(as: route.kind) == route
  }

  func checkOwner(of route: Route) throws(DomainTaken) {
    if let owner = owners[route.domain], owner != route.workload {
      throw DomainTaken(domain: route.domain)
    }
  }

  /// Reserves the route's domain for its workload, which must have no other claim open.
  mutating func claim(_ route: Route) throws(DomainTaken) -> Claim {
    try checkOwner(of: route)
    if isDurable(route) {
      if entries[route.workload]?.route.kind != route.kind { entries[route.workload]?.route = route }
      return .unchanged
    }
    owners[route.domain] = route.workload
    claims[route.workload] = route.domain
    return .write(replacing: entries[route.workload]?.route)
  }

  /// The claimed route's file is in place; the domain that the workload had before is free.
  mutating func confirm(_ route: Route, isDurable: Bool, isOnHold: Bool = false, stamp: FileStamp? = nil) {
    claims[route.workload] = nil
    adopt(route, isDurable: isDurable, isOnHold: isOnHold, stamp: stamp)
  }

  /// The route stands in its workload's file, whoever put it there. Its domain must be nobody else's.
  mutating func adopt(
    _ route: Route, isDurable: Bool, isCurrent: Bool = true, isOnHold: Bool = false, stamp: FileStamp?
  ) {
    let entry = Entry(route: route, isDurable: isDurable, isCurrent: isCurrent, isOnHold: isOnHold, stamp: stamp)
    let old = entries.updateValue(entry, forKey: route.workload)
    if let old, old.route.domain != route.domain { release(old.route) }
    owners[route.domain] = route.workload
    if let old { backendOwners.remove(old.route) }
    backendOwners.insert(route)
  }

  /// The claimed route was not written; everything is as it was before the claim.
  mutating func abandon(_ route: Route) {
    claims[route.workload] = nil
    if let entry = entries[route.workload], entry.route.domain == route.domain { return }
    owners[route.domain] = nil
  }

  /// The workload's file is there, and will be after a power cut.
  mutating func trust(_ workload: WorkloadID) {
    entries[workload]?.isDurable = true
  }

  /// Whether the workload's file is there after a power cut is not known.
  mutating func doubt(_ workload: WorkloadID) {
    entries[workload]?.isDurable = false
  }

  /// The workload's file is gone.
  mutating func remove(_ workload: WorkloadID) {
    guard let entry = entries.removeValue(forKey: workload) else { return }
    release(entry.route)
    backendOwners.remove(entry.route)
  }

  /// A domain that is no longer on disk is free, unless its workload is just about to publish it again.
  private mutating func release(_ route: Route) {
    if claims[route.workload] != route.domain { owners[route.domain] = nil }
  }
}

/// A domain that another workload has.
public struct DomainTaken: Error, Hashable, Sendable, CustomStringConvertible {
  /// nil for whatever is for no other route's domain.
  public let domain: Domain?

  public var description: String { "domain already registered: \(domain?.rawValue ?? "*")" }
}
