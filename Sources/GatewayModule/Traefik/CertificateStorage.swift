public import Logging
import ProxyConfig
public import Records
import Synchronization
public import System

/// Looks after the files in which Traefik keeps its account and its certificates.
///
/// Traefik writes them in place: on a full disk, or when the power is cut, the end is missing or all of it. When it then starts
/// it uses nothing of them, asks for no certificate and shows its own for every site; and it does so when others may read
/// them. So there is a copy of each as it was when it was last whole.
public final class CertificateStorage: Sendable {
  /// What no storage of certificates takes, in bytes.
  package static let largest = 1 << 28

  private struct Known {
    /// Of the file when it was last looked into.
    var stamp: FileStamp?
    var names: Set<String> = []
  }

  private struct Remembered {
    var known: [CertificateResolvers.Storage: Known] = [:]
    /// Whether all of them could be looked at the last time.
    var isKnown = false
    /// Why no copy can be made.
    var fault: String?
  }

  private let root: GatewayRoot
  private let logger: Logger
  private let state = Mutex(Remembered())

  public init(_ root: GatewayRoot, logger: Logger) {
    self.root = root
    self.logger = logger
  }

  /// The names that Traefik has a certificate for, as it stored them; wildcards as `*.DOMAIN`.
  var names: Set<String> {
    state.withLock { $0.known.values.reduce(into: []) { $0.formUnion($1.names) } }
  }

  /// The stamps of the files that the names are from; nil when a file could not be looked at.
  var stamps: [CertificateResolvers.Storage: FileStamp?]? {
    state.withLock { $0.isKnown ? $0.known.mapValues(\.stamp) : nil }
  }

  /// Makes the files private, copies those that are whole and puts the copy in the place of one that is not; blocks the
  /// thread. What is right already is not touched.
  public func repair() throws(FileError) {
    try state.withLock { state throws(FileError) in
      state.isKnown = false
      for storage in CertificateResolvers.Storage.allCases {
        let file = "\(root.traefik)/\(storage.rawValue)"
        // What was put in its place is looked at as well.
        if try !isWhole(file, &state.known[storage, default: Known()], &state.fault) {
          _ = try isWhole(file, &state.known[storage, default: Known()], &state.fault)
        }
      }
      state.isKnown = true
    }
  }

  /// Returns false when another file was put in its place.
  private func isWhole(_ file: String, _ known: inout Known, _ fault: inout String?) throws(FileError) -> Bool {
    let copy = "\(file).kept"
    guard let status = try FileSystem.find(file) else {
      guard try FileSystem.find(copy) != nil else {
        known = Known()
        return true
      }
      try replace(file, by: copy, "it was gone")
      return false
    }
    if status.mode & 0o077 != 0 {
      try FileSystem.setMode(0o600, of: file)
      logger.notice(
        "others could read Traefik's certificate storage: made private; Traefik uses it from its next start on",
        metadata: ["file": "\(file)"])
    }
    guard known.stamp != status.stamp else { return true }
    let (bytes, stamp) = try FileSystem.read(file, limit: Self.largest)
    if let content = StoredCertificates(bytes) {
      known = Known(stamp: stamp, names: content.names)
      keep(bytes, as: copy, &fault)
      return true
    }
    if bytes.isEmpty, try FileSystem.find(copy) == nil {
      known = Known(stamp: stamp)
      return true
    }
    if !bytes.isEmpty { try FileSystem.rename(file, to: "\(file).damaged", replacing: true) }
    try replace(file, by: copy, bytes.isEmpty ? "it was empty" : "its end was missing, or it was no JSON")
    return false
  }

  private func replace(_ file: String, by copy: String, _ reason: String) throws(FileError) {
    let hasCopy = try FileSystem.find(copy) != nil
    if hasCopy {
      do throws(FileError) {
        try restore(file, from: copy)
      } catch {
        // The copy is worth more than what is left of the file, and the file more than the copy.
        try FileSystem.remove("\(file).damaged")
        do throws(FileError) {
          try restore(file, from: copy)
        } catch {
          try FileSystem.rename(copy, to: file, replacing: true)
        }
      }
    } else {
      try FileSystem.create(file, mode: 0o600)
    }
    try FileSystem.syncDirectory(root.traefik)
    logger.error(
      "Traefik's certificate storage was damaged",
      metadata: ["file": "\(file)", "reason": "\(reason)", "replaced-by": hasCopy ? "the last copy" : "an empty one"])
  }

  private func restore(_ file: String, from copy: String) throws(FileError) {
    let bytes = try FileSystem.read(copy, limit: Self.largest).bytes
    try FileSystem.replace(file, with: bytes, mode: 0o600)
  }

  private func keep(_ bytes: [UInt8], as copy: String, _ fault: inout String?) {
    do throws(FileError) {
      if let old = try? FileSystem.read(copy, limit: Self.largest).bytes, old == bytes {
        fault = nil
        return
      }
      try FileSystem.replace(copy, with: bytes, mode: 0o600)
      fault = nil
    } catch {
      if fault != "\(error)" {
        logger.warning("no copy of Traefik's certificate storage can be made", metadata: ["reason": "\(error)"])
      }
      fault = "\(error)"
    }
  }
}
