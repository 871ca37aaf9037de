import Files
import Glibc
import ProxyConfig

/// `<root>/proxy`: one file a route, put there complete and synced.
struct RouteDirectory: Sendable {
  /// The most bytes a file may have to be read as a route; one with 64 backends has less than 8 KiB.
  static let fileLimit = 1 << 20

  enum Change: Sendable {
    case write(Route, replacing: Bool)
    case remove(WorkloadID)
  }

  /// What became of a change.
  enum Outcome: Sendable {
    /// Done and synced.
    case durable
    /// Done, and seen by Traefik, but not known to survive a power cut.
    case unsynced(FileError)
    /// Not done; everything is as it was.
    case failed(FileError)
  }

  let root: GatewayRoot

  /// Carries out changes to different workloads. All of them share one sync of the directory.
  func apply(_ changes: [Change]) -> [Outcome] {
    // Every file is complete on disk before the first one appears.
    var outcomes = changes.map { change -> Outcome in
      guard case .write(let route, _) = change else { return .durable }
      let staged = "\(root.staging)/\(route.fileName)"
      do throws(FileError) {
        try FileSystem.write(route.encoded(), to: staged, mode: 0o644)
        return .durable
      } catch {
        unlink(staged)
        return .failed(error)
      }
    }
    for (index, change) in changes.enumerated() {
      guard case .durable = outcomes[index] else { continue }
      do throws(FileError) {
        switch change {
        case .write(let route, let replacing):
          let staged = "\(root.staging)/\(route.fileName)"
          do throws(FileError) {
            try FileSystem.rename(staged, to: "\(root.proxy)/\(route.fileName)", replacing: replacing)
          } catch {
            unlink(staged)
            throw error
          }
        case .remove(let workload):
          try FileSystem.remove("\(root.proxy)/\(workload).yaml")
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
        if case .durable = outcome { .unsynced(error) } else { outcome }
      }
    }
  }

  /// A file in the directory, as it was read at the start.
  struct Found: Sendable {
    let name: String
    let content: Content
    /// Nanoseconds since the epoch.
    let modified: Int64

    enum Content: Sendable {
      case route(Route)
      case foreign(String)
      case unreadable(String)
    }
  }

  /// Reads every file that Traefik would read, apart from those in folders.
  func read() async throws(FileError) -> [Found] {
    let names = try FileSystem.names(in: root.proxy).filter { name in
      [".yaml", ".yml", ".toml"].contains { name.hasSuffix($0) }
    }
    // The work is the parsing, so a share for each core.
    let shares = max(1, Int(sysconf(CInt(_SC_NPROCESSORS_ONLN))))
    let size = max(1, (names.count + shares - 1) / shares)
    return await withTaskGroup(of: [Found].self) { group in
      for start in stride(from: 0, to: names.count, by: size) {
        let share = names[start..<min(start + size, names.count)]
        group.addTask { @concurrent in share.compactMap(found) }
      }
      return await group.reduce(into: []) { $0 += $1 }
    }
  }

  private func found(_ name: String) -> Found? {
    do throws(FileError) {
      let (bytes, modified) = try FileSystem.read("\(root.proxy)/\(name)", limit: Self.fileLimit)
      return Found(name: name, content: content(of: name, bytes), modified: modified)
    } catch {
      // One that vanished meanwhile needs no word.
      return error.code == ENOENT ? nil : Found(name: name, content: .foreign("\(error)"), modified: 0)
    }
  }

  private func content(of name: String, _ bytes: [UInt8]) -> Found.Content {
    switch RouteFile.read(bytes.span, name: name) {
    case .route(let route): .route(route)
    case .foreign(let mismatch): .foreign("\(mismatch)")
    case .broken(let fault): .unreadable("\(fault)")
    }
  }

  /// Moves a file out of Traefik's sight, under a name that is free.
  func quarantine(_ name: String) throws(FileError) {
    for attempt in 0... {
      let target = "\(root.quarantine)/\(name)" + (attempt == 0 ? "" : ".\(attempt)")
      do throws(FileError) {
        return try FileSystem.rename("\(root.proxy)/\(name)", to: target, replacing: false)
      } catch {
        guard error.code == EEXIST else { throw error }
      }
    }
  }

  /// Removes what a crash left half-written.
  func clearStaging() throws(FileError) {
    for name in try FileSystem.names(in: root.staging) { try FileSystem.remove("\(root.staging)/\(name)") }
  }
}
