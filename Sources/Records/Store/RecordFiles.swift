import Glibc
package import System

/// The files of one kind of record, in a directory of their own: each is put there complete and synced.
package struct RecordFiles: Sendable {
  /// A file as it is to be written.
  package struct Writing: Sendable {
    package let name: String
    /// Made when it is written: of many files few are in memory at a time.
    package let bytes: @Sendable () -> [UInt8]
    /// When it is to have been modified, in nanoseconds since the epoch; nil for now.
    package let modified: Int64?

    package init(
      name: String, bytes: @autoclosure @escaping @Sendable () -> [UInt8], modified: Int64? = nil
    ) {
      self.name = name
      self.bytes = bytes
      self.modified = modified
    }
  }

  package enum Edit: Sendable {
    case write(Writing, replacing: Bool)
    case remove(String)
    /// Nothing but the sync.
    case none
  }

  /// What became of an edit.
  package enum EditOutcome: Sendable {
    /// Done and synced.
    case durable(FileStamp?)
    /// Done, and seen by others, but not known to survive a power cut.
    case unsynced(FileStamp?, FileError)
    /// Not done; everything is as it was.
    case failed(FileError)
  }

  /// Where the files are.
  package let directory: String
  /// Where they are written, on the same file system.
  package let staging: String
  /// Where those go that are no records.
  package let quarantine: String
  /// The mode of a file.
  private let mode: UInt32

  package init(_ directory: String, staging: String, quarantine: String, mode: UInt32 = 0o644) {
    self.directory = directory
    self.staging = staging
    self.quarantine = quarantine
    self.mode = mode
  }

  package func path(_ name: String) -> String { "\(directory)/\(name)" }

  private func stagingPath(_ name: String) -> String { "\(staging)/\(name)" }

  /// Edits different files. All of them share one sync of the directory.
  package func apply(_ edits: [Edit]) -> [EditOutcome] {
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
          let staged = stagingPath(file.name)
          do throws(FileError) {
            try FileSystem.rename(staged, to: path(file.name), replacing: replacing)
          } catch {
            unlink(staged)
            throw error
          }
        case .remove(let name): try FileSystem.remove(path(name))
        case .none: break
        }
      } catch {
        outcomes[index] = .failed(error)
      }
    }
    do throws(FileError) {
      try sync()
      return outcomes
    } catch {
      return outcomes.map { outcome in
        if case .durable(let stamp) = outcome { .unsynced(stamp, error) } else { outcome }
      }
    }
  }

  /// Makes the names in the directory durable.
  package func sync() throws(FileError) { try FileSystem.syncDirectory(directory) }

  /// Makes the directory where it is missing.
  package func make() throws(FileError) { try FileSystem.makeDirectory(directory, mode: 0o755) }

  /// Whether the directory that this one is in is there, and this one is not.
  package var isMissing: Bool {
    guard (try? FileSystem.status("\(FileSystem.parent(of: directory))/.")) != nil else { return false }
    do throws(FileError) {
      _ = try FileSystem.status(directory)
      return false
    } catch {
      return error.code == ENOENT
    }
  }

  /// Whether a file is there; false also where that cannot be seen.
  package func has(_ name: String) -> Bool { (try? FileSystem.status(path(name))) != nil }

  /// Puts a record in the place of a file that is none, and that file out of sight. At no time is there neither: what was
  /// acknowledged is not given up for what somebody wrote over it. Where the record cannot be written, the other file is put
  /// away alone.
  ///
  /// - Returns: where the file is now, nil when it has vanished, and what became of the record. Where nothing can be put into
  ///   quarantine, that is in `staging/`, until the next start.
  /// - Throws: when neither could be done: both are as they were.
  package func replace(_ name: String, with file: Writing) throws(FileError) -> (place: String?, record: EditOutcome) {
    let staged = stagingPath(file.name)
    if case .failed(let error) = stage([.write(file, replacing: true)])[0] {
      return (try putAway(name), .failed(error))
    }
    do throws(FileError) {
      try FileSystem.exchange(staged, with: path(name))
    } catch {
      do throws(FileError) {
        guard [EINVAL, ENOSYS, ENOENT].contains(error.code) else { throw error }
        // In two steps, then; a power cut between them is one that the record does not survive.
        let place = try putAway(name)
        try FileSystem.rename(staged, to: path(name), replacing: true)
        return (place, finish(file.name))
      } catch {
        unlink(staged)
        throw error
      }
    }
    let outcome = finish(file.name)
    do throws(FileError) {
      return (try putAway(name, at: staged), outcome)
    } catch {
      let kept = "\(staged).kept"
      return ((try? FileSystem.rename(staged, to: kept, replacing: true)) == nil ? staged : kept, outcome)
    }
  }

  private func finish(_ name: String) -> EditOutcome {
    let stamp = try? FileSystem.status(path(name)).stamp
    do throws(FileError) {
      try sync()
      return .durable(stamp)
    } catch {
      return .unsynced(stamp, error)
    }
  }

  /// How many files are open at the same time.
  private static let openFiles = 128

  /// Writes the files of edits where nobody looks, and syncs them together.
  private func stage(_ edits: ArraySlice<Edit>) -> [EditOutcome] {
    let written = edits.map { edit -> Result<UnsyncedFile, FileError>? in
      guard case .write(let file, _) = edit else { return nil }
      return Result { () throws(FileError) in
        try UnsyncedFile(file.bytes(), at: stagingPath(file.name), mode: mode, modified: file.modified)
      }
    }
    var synced = UnsyncedFile.sync(written.compactMap { try? $0?.get() }).makeIterator()
    return zip(edits, written).map { edit, written in
      guard case .write(let file, _) = edit, let written else { return .durable(nil) }
      do throws(FileError) {
        _ = try written.get()
        return .durable(try synced.next()!.get())
      } catch {
        unlink(stagingPath(file.name))
        return .failed(error)
      }
    }
  }

  // MARK: Tidying

  /// Moves a file into quarantine, under a name that is free.
  ///
  /// - Parameter place: where it is, when that is not where its name says.
  /// - Returns: its path there; nil when it has vanished.
  package func putAway(_ name: String, at place: String? = nil) throws(FileError) -> String? {
    let place = place ?? path(name)
    // A file name has at most 255 bytes.
    let base = String(decoding: name.replacing("/", with: "_").utf8.suffix(200), as: UTF8.self)
    for attempt in 0... {
      let target = "\(quarantine)/\(base)" + (attempt == 0 ? "" : ".\(attempt)")
      do throws(FileError) {
        try FileSystem.rename(place, to: target, replacing: false)
        releaseReaders(of: target)
        return target
      } catch {
        if error.code == EEXIST { continue }
        guard error.code == ENOENT else { throw error }
        if (try? FileSystem.status(place)) == nil { return nil }
        guard (try? FileSystem.status(quarantine)) == nil else { throw error }
        try FileSystem.makeDirectory(quarantine, mode: 0o755)
        try FileSystem.rename(place, to: target, replacing: false)
        releaseReaders(of: target)
        return target
      }
    }
    preconditionFailure("more files than there are numbers")
  }

  /// Who reads a named pipe waits until somebody opens it to write.
  private func releaseReaders(of path: String) {
    guard let status = try? FileSystem.status(path), status.kind == .pipe else { return }
    let pipe = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
    if pipe >= 0 { close(pipe) }
  }

  /// Removes what a crash left half-written. What cannot be removed is in nobody's way but that of a file of its name.
  package func clearStaging() throws(FileError) {
    for name in try FileSystem.names(in: staging) { try? FileSystem.remove("\(staging)/\(name)") }
  }
}
