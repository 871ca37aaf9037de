import ProxyConfig
import Synchronization
import System

// On the writer's thread: what callers ask for.
extension RouteStore {
  func work(_ jobs: [Job]) {
    var edits: [(edit: Edit, continuation: CheckedContinuation<RouteDirectory.EditOutcome, Never>)] = []
    var scans: [(scan: Scan, continuation: CheckedContinuation<Void, Never>)] = []
    var rewrites: [(rewrite: Rewrite, continuation: CheckedContinuation<(written: Int, fault: FileError?), Never>)] = []
    for job in jobs {
      switch job {
      case .edit(let edit, let continuation): edits.append((edit, continuation))
      case .scan(let scan, let continuation): scans.append((scan, continuation))
      case .rewrite(let rewrite, let continuation): rewrites.append((rewrite, continuation))
      }
    }
    if !edits.isEmpty {
      let outcomes = commit(edits.map(\.edit))
      for (pending, outcome) in zip(edits, outcomes) { pending.continuation.resume(returning: outcome) }
    }
    for pending in scans {
      scan(pending.scan)
      pending.continuation.resume()
    }
    for pending in rewrites {
      pending.continuation.resume(returning: write(pending.rewrite))
    }
  }

  private func commit(_ edits: [Edit]) -> [RouteDirectory.EditOutcome] {
    // What somebody else did to a file is seen before it is written over or removed.
    scan(.files(edits.map(\.workload.fileName)))
    let steps = state.withLock { state in
      edits.map { edit -> RouteDirectory.FileEdit in
        let isKnown = state.index[edit.workload] != nil
        return switch edit {
        case .write(let route): .write(state.writing(route), replacing: isKnown)
        // What is not known is not this module's to remove; but that its file is gone must last.
        case .remove(let workload): isKnown ? .remove(workload) : .none
        }
      }
    }
    let outcomes = directory.apply(steps)
    var news: [Event] = []
    state.withLock { state in
      for ((edit, step), outcome) in zip(zip(edits, steps), outcomes) {
        let known = state.index[edit.workload]
        let isOnHold = if case .write(let file, _) = step { file.isOnHold } else { false }
        switch (edit, outcome) {
        case (.write(let route), .durable(let stamp)):
          state.index.confirm(route, isDurable: true, isOnHold: isOnHold, stamp: stamp)
          if let action = state.action(route, replacing: known) {
            news.append(Event(route, action, replacing: known))
          }
          state.debts[route.workload] = nil
        case (.write(let route), .unsynced(let stamp, _)):
          state.index.confirm(route, isDurable: false, isOnHold: isOnHold, stamp: stamp)
          state.debts[route.workload] = state.action(route, replacing: known).map { .news($0) }
        case (.write(let route), .failed): state.index.abandon(route)
        case (.remove(let workload), .durable):
          state.index.remove(workload)
          state.debts[workload] = nil
          if let known { news.append(Event(known, .deleted)) }
        // A power cut may bring the file back: the domain stays taken until that is synced.
        case (.remove(let workload), .unsynced): if known != nil { state.leave(workload) }
        case (.remove, .failed): break
        }
      }
    }
    for event in news { onEvent(event) }
    // What was not synced before was now.
    if outcomes.contains(where: { if case .durable = $0 { true } else { false } }) { tellNews() }
    return outcomes
  }

  /// Tells of what was done and not synced, now that the directory is.
  func tellNews() {
    let untold = state.withLock { $0.debts.compactMapValues(\.action) }
    if untold.isEmpty { return }
    let news = untold.compactMap { workload, action -> Event? in
      // One that is back, with the whole directory, was not withdrawn after all.
      let isBack = action == .deleted && directory.files.has(workload.fileName)
      return state.withLock { state in
        // A file that has to be written again still has to be.
        state.debts[workload] = if case .file = state.debts[workload] { .file(news: nil) } else { nil }
        guard let route = state.index[workload], !isBack else { return nil }
        if action == .deleted { state.index.remove(workload) } else { state.index.trust(workload) }
        return Event(route, action)
      }
    }
    for event in news {
      onEvent(event)
      logger.info(
        "route \(event.action), and synced now",
        metadata: [
          "workload": "\(event.workload.map { "\($0)" } ?? "")", "domain": "\(event.domain.map { "\($0)" } ?? "")",
        ])
    }
  }

  private func write(_ rewrite: Rewrite) -> (written: Int, fault: FileError?) {
    // What somebody else did to a file is seen before it is written over.
    scan(.files(state.withLock { $0.workloads(of: rewrite) }.map(\.fileName)))
    let files = state.withLock { state in
      // Now that it is known who else has to be looked at.
      if case .hold(let names) = rewrite { state.held.formUnion(names) }
      return state.workloads(of: rewrite).compactMap { workload -> RouteDirectory.Writing? in
        // Not over a route that was withdrawn, or whose file is to come back first.
        guard let route = state.index[workload], state.expectation(of: workload) == .file else { return nil }
        var file = state.writing(route)
        switch rewrite {
        case .renew: break
        case .hold: file.isOnHold = true
        case .retry: file.isOnHold = false
        }
        // How long a site has waited is still known by its file.
        if file.isOnHold || state.index.isOnHold(workload) { file.modified = state.index.stamp(of: workload)?.modified }
        return file
      }
    }
    var result: (written: Int, fault: FileError?) = (0, nil)
    // The files are written together, so that Traefik, which takes them in some times each second, does it once.
    for (file, outcome) in zip(files, directory.apply(files.map { .write($0, replacing: true) })) {
      switch outcome {
      case .durable(let stamp):
        state.withLock { $0.index.adopt(file.route, isDurable: true, isOnHold: file.isOnHold, stamp: stamp) }
        result.written += 1
      // The old file or the new one is there after a power cut, and both say the route: if the old one is.
      case .unsynced(let stamp, _):
        state.withLock { state in
          let isDurable = state.index.isDurable(file.route)
          state.index.adopt(file.route, isDurable: isDurable, isOnHold: file.isOnHold, stamp: stamp)
        }
        result.written += 1
      case .failed(let error): result.fault = error
      }
    }
    return result
  }
}
