import ProxyConfig
import Synchronization
import System

// On the writer's thread: what others did in the directory.
extension RouteStore {
  /// Files that vanished come first, so that their domains are free, and then the older ones.
  func scan(_ scan: Scan) {
    do throws(FileError) {
      let names: [String]
      switch scan {
      case .files(let files): names = files
      case .everything:
        let known = state.withLock { $0.index.routes.map(\.fileName) }
        names = Array(Set(try directory.names().files).union(known))
      case .unsettled:
        if state.withLock({ $0.hasNews }), (try? directory.files.sync()) != nil { tellNews() }
        names = state.withLock { Array(Set($0.stuck.keys).union($0.owed.map(\.fileName))) }
      case .loss:
        try directory.files.make()
        return writeAll()
      }
      let stamps = state.withLock { state in
        names.map { name in Self.workload(of: name).flatMap { state.index.stamp(of: $0) } }
      }
      let found = try directory.changed(names, since: stamps)
      // A route is not forgotten before it is sure that its file does not come back.
      var unsynced: FileError?
      if found.contains(where: isForgotten) {
        do throws(FileError) { try directory.files.sync() } catch { unsynced = error }
      }
      for file in found.sorted(by: { ($0.modified, $0.name) < ($1.modified, $1.name) }) {
        reconcile(file, isStart: false, unsynced)
      }
    } catch {
      // Where the whole directory is gone, nothing is known of the files. What was asked for fails by itself.
      logger.debug("cannot look at the route files", metadata: ["reason": "\(error)"])
    }
  }

  /// Whether somebody has removed a route's file.
  private func isForgotten(_ file: RouteDirectory.Found) -> Bool {
    guard file.sighting == .nothing, let workload = Self.workload(of: file.name) else { return false }
    return state.withLock { $0.index[workload] != nil && $0.expectation(of: workload) == .file }
  }

  /// - Parameter unsynced: why what is missing may come back after a power cut; nil when it will not.
  func reconcile(_ file: RouteDirectory.Found, isStart: Bool, _ unsynced: FileError? = nil) {
    do throws(FileError) {
      try settle(file, isStart: isStart, unsynced)
      state.withLock { $0.stuck[file.name] = nil }
    } catch {
      let isNew = state.withLock { $0.stuck.updateValue(error, forKey: file.name) != error }
      guard isNew else { return }
      logger.error(
        "file cannot be moved to quarantine and keeps Traefik from taking in any change: move it away by hand",
        metadata: ["file": "\(directory.path(file.name))", "reason": "\(error)"])
    }
  }

  private func settle(_ file: RouteDirectory.Found, isStart: Bool, _ unsynced: FileError?) throws(FileError) {
    let workload = Self.workload(of: file.name)
    let (known, expectation) = state.withLock { state in
      (workload.flatMap { state.index[$0] }, workload.map { state.expectation(of: $0) } ?? .file)
    }
    var owner: WorkloadID?
    if case .route(let route, _, _, _) = file.sighting { owner = state.withLock { $0.index.owner(of: route.domain) } }
    switch Reconciliation(file.sighting, known: known, expecting: expectation, owner: owner) {
    case .leave:
      guard case .foreign(let reason) = file.sighting else { return }
      logger.debug("left alone a file that is no route", metadata: ["file": "\(file.name)", "reason": "\(reason)"])
    case .adopt(let route, let stamp, let isCurrent, let isOnHold):
      // Somebody else's file may not be on disk yet; at the start it has had the time.
      let action = state.withLock { state in
        defer { state.debts[route.workload] = nil }
        state.index.adopt(route, isDurable: isStart, isCurrent: isCurrent, isOnHold: isOnHold, stamp: stamp)
        if isOnHold, let name = route.certifiedName { state.held.insert(name) }
        return state.action(route, replacing: known)
      }
      if let action { onEvent(Event(route, action, replacing: known)) }
      if !isStart {
        logger.info(
          "route taken over",
          metadata: ["workload": "\(route.workload)", "domain": "\(route.domainName)", "file": "\(file.name)"]
            .merging(Event.previous(of: known, before: route).map { ["previous": "\($0)"] } ?? [:]) { $1 })
      }
    case .forget(let workload):
      if let unsynced {
        state.withLock { $0.leave(workload) }
        logger.error("route not synced", metadata: ["workload": "\(workload)", "reason": "\(unsynced)"])
        return
      }
      state.withLock { state in
        state.index.remove(workload)
        state.debts[workload] = nil
      }
      if let known { onEvent(Event(known, .deleted)) }
      logger.notice("route gone: its file was removed", metadata: ["workload": "\(workload)", "file": "\(file.name)"])
    case .quarantine(let reason):
      if let path = try directory.files.putAway(file.name) { tellOfQuarantine(file, reason, path) }
    case .restore(let route, let reason):
      let writing = state.withLock { $0.writing(route) }
      let (path, outcome) = try directory.replace(file.name, with: writing)
      if let path { tellOfQuarantine(file, reason, path) }
      written([writing], [outcome])
    case .rewrite(let route):
      let writing = state.withLock { $0.writing(route) }
      written([writing], directory.apply([.write(writing, replacing: false)]))
    }
  }

  /// Writes the files of all routes, none of which is there any more.
  private func writeAll() {
    let files = state.withLock { state in
      state.index.routes.filter { state.expectation(of: $0.workload) != .nothing }.map { state.writing($0) }
    }
    logger.notice("the route files were gone with their directory", metadata: ["routes": "\(files.count)"])
    written(files, directory.apply(files.map { .write($0, replacing: false) }))
  }

  /// Routes that had no file any more were written again, or were not.
  private func written(_ files: [RouteDirectory.Writing], _ outcomes: [RouteDirectory.EditOutcome]) {
    for (file, outcome) in zip(files, outcomes) {
      let route = file.route
      let workload = route.workload
      switch outcome {
      case .durable(let stamp):
        state.withLock { state in
          state.index.adopt(route, isDurable: true, isOnHold: file.isOnHold, stamp: stamp)
          state.pay(workload)
        }
        logger.notice("route written again", metadata: ["workload": "\(workload)", "domain": "\(route.domainName)"])
      case .unsynced(let stamp, let error):
        state.withLock { state in
          state.index.adopt(route, isDurable: false, isOnHold: file.isOnHold, stamp: stamp)
          state.pay(workload)
        }
        logger.error("route not synced", metadata: ["workload": "\(workload)", "reason": "\(error)"])
      case .failed(let error):
        let isNew = state.withLock { state in
          state.index.doubt(workload)
          return state.owe(workload)
        }
        guard isNew else { continue }
        logger.error(
          "route cannot be written again, and is not served until it is",
          metadata: ["workload": "\(workload)", "domain": "\(route.domainName)", "reason": "\(error)"])
      }
    }
  }

  /// How many reasons are kept; more files than that are not looked through one by one.
  private static let manyReasons = 1000

  private func tellOfQuarantine(_ file: RouteDirectory.Found, _ reason: String, _ path: String) {
    state.withLock { state in
      let name = path.split(separator: "/").last.map(String.init) ?? path
      if state.quarantineReasons.count < Self.manyReasons { state.quarantineReasons[name] = reason }
    }
    logger.error(
      "file moved to quarantine", metadata: ["file": "\(file.name)", "reason": "\(reason)", "quarantine": "\(path)"])
    var domain: Domain?
    if case .route(let route, _, _, _) = file.sighting { domain = route.domain }
    onEvent(
      Event(quarantined: Self.workload(of: file.name), domain: domain, reason: "\(file.name): \(reason)"))
  }

  static func workload(of name: String) -> WorkloadID? {
    name.hasSuffix(".yaml") ? try? WorkloadID(String(name.dropLast(5))) : nil
  }
}
