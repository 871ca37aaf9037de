import Glibc
import ProxyConfig
import Records
import System

/// `<root>/proxy`: one file a route, put there complete and synced.
struct RouteDirectory: Sendable {
  /// A route's file as it is to be written.
  struct Writing: Sendable {
    let route: Route
    /// Whether it has Traefik ask for no certificate.
    var isOnHold = false
    /// When it is to have been modified, in nanoseconds since the epoch; nil for now.
    var modified: Int64?
  }

  enum FileEdit: Sendable {
    case write(Writing, replacing: Bool)
    case remove(WorkloadID)
    /// Nothing but the sync.
    case none
  }

  /// What became of an edit.
  enum EditOutcome: Sendable {
    /// Done and synced.
    case durable(FileStamp?)
    /// Done, and seen by Traefik, but not known to survive a power cut.
    case unsynced(FileStamp?, FileError)
    /// Not done; everything is as it was.
    case failed(FileError)
  }

  let root: GatewayRoot
  /// Whose `Forwarded` header the files hand on.
  var trustedProxies: [IPNetwork] = []

  /// Edits the files of different workloads. All of them share one sync of the directory.
  func apply(_ edits: [FileEdit]) -> [EditOutcome] {
    // Every file is complete on disk before the first one appears.
    var outcomes: [EditOutcome] = []
    for start in stride(from: 0, to: edits.count, by: Self.openFiles) {
      outcomes += stage(edits[start..<min(start + Self.openFiles, edits.count)])
    }
    for (index, edit) in edits.enumerated() {
      guard case .durable = outcomes[index] else { continue }
      do throws(FileError) {
        switch edit {
        case .write(let file, let replacing):
          let staged = stagingPath(file.route)
          do throws(FileError) {
            try FileSystem.rename(staged, to: path(file.route.fileName), replacing: replacing)
          } catch {
            unlink(staged)
            throw error
          }
        case .remove(let workload):
          try FileSystem.remove(path(workload.fileName))
        case .none: break
        }
      } catch {
        outcomes[index] = .failed(error)
      }
    }
    do throws(FileError) {
      try FileSystem.syncDirectory(root.proxy)
      return outcomes
    } catch {
      return outcomes.map { outcome in
        if case .durable(let stamp) = outcome { .unsynced(stamp, error) } else { outcome }
      }
    }
  }

  /// Makes the names in the directory durable.
  func sync() throws(FileError) { try FileSystem.syncDirectory(root.proxy) }

  /// Makes the directory where it is missing.
  func make() throws(FileError) { try FileSystem.makeDirectory(root.proxy, mode: 0o755) }

  /// Whether there is a root and no directory of routes in it.
  var isMissing: Bool {
    guard (try? FileSystem.status("\(root.path)/.")) != nil else { return false }
    do throws(FileError) {
      _ = try FileSystem.status(root.proxy)
      return false
    } catch {
      return error.code == ENOENT
    }
  }

  /// Whether a file is there; false also where that cannot be seen.
  func has(_ name: String) -> Bool { (try? FileSystem.status(path(name))) != nil }

  /// Puts a route in the place of a file that is no route, and that file out of Traefik's sight. At no time is there
  /// neither: what was acknowledged is not given up for what somebody wrote over it. Where the route cannot be written, the
  /// other file is put away alone, because it would stop all the others.
  ///
  /// - Returns: where the file is now, nil when it has vanished, and what became of the route. Where nothing can be put into
  ///   quarantine, that is in `staging/`, until the next start.
  /// - Throws: when neither could be done: both are as they were.
  func replace(_ name: String, with file: Writing) throws(FileError) -> (place: String?, route: EditOutcome) {
    let route = file.route
    let staged = stagingPath(route)
    if case .failed(let error) = stage([.write(file, replacing: true)])[0] {
      return (try quarantine(name), .failed(error))
    }
    do throws(FileError) {
      try FileSystem.exchange(staged, with: path(name))
    } catch {
      do throws(FileError) {
        guard [EINVAL, ENOSYS, ENOENT].contains(error.code) else { throw error }
        // In two steps, then; a power cut between them is one that the route does not survive.
        let place = try quarantine(name)
        try FileSystem.rename(staged, to: path(name), replacing: true)
        return (place, finish(route))
      } catch {
        unlink(staged)
        throw error
      }
    }
    let outcome = finish(route)
    do throws(FileError) {
      return (try quarantine(name, at: staged), outcome)
    } catch {
      let kept = "\(staged).kept"
      return ((try? FileSystem.rename(staged, to: kept, replacing: true)) == nil ? staged : kept, outcome)
    }
  }

  private func finish(_ route: Route) -> EditOutcome {
    let stamp = try? FileSystem.status(path(route.fileName)).stamp
    do throws(FileError) {
      try sync()
      return .durable(stamp)
    } catch {
      return .unsynced(stamp, error)
    }
  }

  /// How many files are open at the same time.
  private static let openFiles = 128

  /// Writes the files of edits where Traefik does not look, and syncs them together.
  private func stage(_ edits: ArraySlice<FileEdit>) -> [EditOutcome] {
    let written = edits.map { edit -> Result<UnsyncedFile, FileError>? in
      guard case .write(let file, _) = edit else { return nil }
      return Result { () throws(FileError) in
        try UnsyncedFile(
          file.route.encoded(trusting: trustedProxies, onHold: file.isOnHold), at: stagingPath(file.route), mode: 0o644,
          modified: file.modified)
      }
    }
    var synced = UnsyncedFile.sync(written.compactMap { try? $0?.get() }).makeIterator()
    return zip(edits, written).map { edit, written in
      guard case .write(let file, _) = edit, let written else { return .durable(nil) }
      do throws(FileError) {
        _ = try written.get()
        return .durable(try synced.next()!.get())
      } catch {
        unlink(stagingPath(file.route))
        return .failed(error)
      }
    }
  }

  // MARK: Scanning

  /// A file as it was read, and when it was modified, in nanoseconds since the epoch.
  struct Found: Sendable {
    let name: String
    let sighting: Sighting
    let modified: Int64
  }

  /// The names of all that Traefik reads, with the folder before them where they are in one, and of the folders.
  func names() throws(FileError) -> (files: [String], folders: [String]) {
    var files: [String] = []
    var folders: [String] = []
    var pending = [""]
    while let folder = pending.popLast() {
      let entries: [FileSystem.DirectoryEntry]
      do throws(FileError) {
        entries = try FileSystem.entries(in: folder.isEmpty ? root.proxy : path(folder))
      } catch {
        // A folder that vanished meanwhile has no files.
        guard !folder.isEmpty else { throw error }
        continue
      }
      for entry in entries {
        let name = folder.isEmpty ? entry.name : "\(folder)/\(entry.name)"
        if entry.isDirectory {
          folders.append(name)
          pending.append(name)
        } else if RouteFile.isRead(name) {
          files.append(name)
        }
      }
    }
    return (files, folders)
  }

  /// Scans every file that Traefik reads.
  func readAll() async throws(FileError) -> [Found] {
    let names = try names().files
    // The work is the parsing, so a share for each core.
    let shares = max(1, Int(sysconf(CInt(_SC_NPROCESSORS_ONLN))))
    let size = max(1, (names.count + shares - 1) / shares)
    return await withTaskGroup(of: [Found].self) { group in
      for start in stride(from: 0, to: names.count, by: size) {
        let share = names[start..<min(start + size, names.count)]
        group.addTask { @concurrent in
          share.compactMap { name in read(name) }
        }
      }
      return await group.reduce(into: []) { $0 += $1 }
    }
  }

  /// Those of some files that are not as they are known.
  ///
  /// - Parameter stamps: of the files as they are known, in the same order; nil for one that is not.
  /// - Throws: when the directory itself is not there, or not to be read.
  func changed(_ names: [String], since stamps: [FileStamp?]) throws(FileError) -> [Found] {
    var found: [Found] = []
    var isMissingOne = false
    for (name, stamp) in zip(names, stamps) {
      do throws(FileError) {
        let status = try FileSystem.status(path(name))
        // A folder where a file was is a thing for an operator, and harmless.
        if status.stamp == stamp || status.kind == .directory { continue }
        found.append(read(name) ?? Found(name: name, sighting: .nothing, modified: 0))
      } catch {
        guard error.code == ENOENT else { throw error }
        isMissingOne = true
        found.append(Found(name: name, sighting: .nothing, modified: 0))
      }
    }
    // Without the directory there is no telling what became of its files.
    if isMissingOne { _ = try FileSystem.status("\(root.proxy)/.") }
    return found
  }

  /// Returns nil for a file that vanished.
  private func read(_ name: String) -> Found? {
    do throws(FileError) {
      let (bytes, stamp) = try FileSystem.read(path(name), limit: RouteFile.maximumSize)
      let sighting: Sighting =
        switch RouteFile.read(bytes.span, name: name, trusting: trustedProxies) {
        case .route(let route, let isCurrent, let isOnHold):
          .route(route, stamp, isCurrent: isCurrent, isOnHold: isOnHold)
        case .foreign(let mismatch): .foreign("\(mismatch)")
        case .broken(let fault): .broken("\(fault)")
        }
      return Found(name: name, sighting: sighting, modified: stamp.modified)
    } catch {
      switch error.code {
      case ENOENT:
        guard (try? FileSystem.status(path(name))) != nil else { return nil }
        return Found(name: name, sighting: .broken("a link to what is not there"), modified: 0)
      case ELOOP, EISDIR, ENXIO:
        // A pipe, a socket or a link to a directory; Traefik fails on them, or waits for them for ever.
        return Found(name: name, sighting: .broken("not a file"), modified: 0)
      default:
        return Found(name: name, sighting: .foreign("not checked: \(error)"), modified: 0)
      }
    }
  }

  // MARK: Tidying

  /// Moves a file out of Traefik's sight, under a name that is free.
  ///
  /// - Parameter place: where it is, when that is not where its name says.
  /// - Returns: its path there; nil when it has vanished.
  func quarantine(_ name: String, at place: String? = nil) throws(FileError) -> String? {
    let place = place ?? path(name)
    // A file name has at most 255 bytes.
    let base = String(decoding: name.replacing("/", with: "_").utf8.suffix(200), as: UTF8.self)
    for attempt in 0... {
      let target = "\(root.quarantine)/\(base)" + (attempt == 0 ? "" : ".\(attempt)")
      do throws(FileError) {
        try FileSystem.rename(place, to: target, replacing: false)
        releaseReaders(of: target)
        return target
      } catch {
        if error.code == EEXIST { continue }
        guard error.code == ENOENT else { throw error }
        if (try? FileSystem.status(place)) == nil { return nil }
        guard (try? FileSystem.status(root.quarantine)) == nil else { throw error }
        try FileSystem.makeDirectory(root.quarantine, mode: 0o755)
        try FileSystem.rename(place, to: target, replacing: false)
        releaseReaders(of: target)
        return target
      }
    }
    preconditionFailure("more files than there are numbers")
  }

  /// The names of the files in quarantine; none where they cannot be seen.
  var quarantined: Set<String> { Set((try? FileSystem.names(in: root.quarantine)) ?? []) }

  /// Why a file in quarantine would break Traefik; nil when that does not show by itself.
  func reason(ofQuarantined name: String) -> String? {
    // Without the number that made its name another one.
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    let original = parts.last.map { Int($0) != nil } == true ? parts.dropLast().joined(separator: ".") : name
    guard let file = try? FileSystem.read("\(root.quarantine)/\(name)", limit: RouteFile.maximumSize) else {
      return nil
    }
    if case .broken(let fault) = RouteFile.read(file.bytes.span, name: original) { return "\(fault)" }
    return nil
  }

  /// Traefik waits in a named pipe until somebody opens it to write.
  private func releaseReaders(of path: String) {
    guard let status = try? FileSystem.status(path), status.kind == .pipe else { return }
    let pipe = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
    if pipe >= 0 { close(pipe) }
  }

  /// Removes what a crash left half-written. What cannot be removed is in nobody's way but that of a file of its name.
  func clearStaging() throws(FileError) {
    for name in try FileSystem.names(in: root.staging) { try? FileSystem.remove("\(root.staging)/\(name)") }
  }

  private func stagingPath(_ route: Route) -> String { "\(root.staging)/\(route.fileName)" }

  func path(_ name: String) -> String { "\(root.proxy)/\(name)" }
}
