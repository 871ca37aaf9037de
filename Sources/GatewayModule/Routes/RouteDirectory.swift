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

  typealias EditOutcome = RecordFiles.EditOutcome

  let root: GatewayRoot
  let files: RecordFiles
  /// Whose `Forwarded` header the files hand on.
  private let trustedProxies: [IPNetwork]

  init(root: GatewayRoot, trustedProxies: [IPNetwork] = []) {
    self.root = root
    self.trustedProxies = trustedProxies
    files = RecordFiles(root.proxy, staging: root.staging, quarantine: root.quarantine)
  }

  /// Edits the files of different workloads. All of them share one sync of the directory.
  func apply(_ edits: [FileEdit]) -> [EditOutcome] {
    files.apply(
      edits.map { edit in
        switch edit {
        case .write(let file, let replacing): .write(encoded(file), replacing: replacing)
        case .remove(let workload): .remove(workload.fileName)
        case .none: .none
        }
      })
  }

  /// Puts a route in the place of a file that is no route, as ``RecordFiles/replace(_:with:)`` does: that file would stop all the
  /// others.
  func replace(_ name: String, with file: Writing) throws(FileError) -> (place: String?, route: EditOutcome) {
    let (place, outcome) = try files.replace(name, with: encoded(file))
    return (place, outcome)
  }

  private func encoded(_ file: Writing) -> RecordFiles.Writing {
    RecordFiles.Writing(
      name: file.route.fileName, bytes: file.route.encoded(trusting: trustedProxies, onHold: file.isOnHold),
      modified: file.modified)
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

  func path(_ name: String) -> String { files.path(name) }
}
