public import DNSZones
import Glibc
public import Logging
import System

/// Puts what knotd needs where it finds it when it starts: its directories, and the database of its configuration.
public struct KnotSetup: Sendable {
  private let configuration: KnotConfiguration
  private let logger: Logger

  /// How long knotc may take.
  private static let limit = Duration.seconds(30)
  /// Whom Debian's package runs knotd as; nil where this process is not root, or there is no such user.
  public static var user: String? { geteuid() == 0 && getpwnam("knot") != nil ? "knot" : nil }

  public init(_ configuration: KnotConfiguration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
  }

  /// Something that knotd needs could not be made.
  public struct KnotSetupError: Error, CustomStringConvertible {
    public let description: String
  }

  /// Makes what is not there. Where knotd runs, its database is left as it is: it is brought up to date over its control socket.
  ///
  /// - Throws: ``KnotSetupError``, or `FileError`.
  public func apply() async throws {
    guard
      configuration.directory.unicodeScalars.allSatisfy({
        (0x20..<0x7f).contains($0.value) && !"\"\\".unicodeScalars.contains($0)
      })
    else {
      throw KnotSetupError(description: "\(quoted(configuration.directory)) cannot be said in knotd's configuration")
    }
    try makeDirectories()
    for path in [configuration.directory] + configuration.directories { try give(path) }
    let bytes = Array(configuration.text.utf8)
    let isChanged = try FileSystem.content(of: configuration.file, limit: 1 << 20) != bytes
    if isChanged {
      // It may have a secret in it.
      try FileSystem.replace(configuration.file, with: bytes, mode: 0o600)
      try give(configuration.file)
    }
    let isThere = try FileSystem.find("\(configuration.database)/data.mdb") != nil
    if isThere, !isChanged || configuration.isRunning { return }
    // Complete when it appears: knotd may be waiting for it.
    let staged = "\(configuration.database).new"
    for name in (try? FileSystem.names(in: staged)) ?? [] { try FileSystem.remove("\(staged)/\(name)") }
    let arguments = [try program("knotc"), "-C", staged, "conf-import", configuration.file]
    let command = ShellCommand(#"exec "$0" "$@" >/dev/null"#, arguments: arguments)
    if let problem = try await command.run(within: Self.limit) {
      throw KnotSetupError(description: "knotc cannot make \(configuration.database): \(problem)")
    }
    for name in try FileSystem.names(in: staged) { try give("\(staged)/\(name)") }
    try give(staged)
    if isThere {
      try FileSystem.exchange(staged, with: configuration.database)
    } else {
      try FileSystem.rename(staged, to: configuration.database, replacing: true)
    }
    try FileSystem.syncDirectory(configuration.directory)
    logger.info("knotd's configuration made", metadata: ["database": "\(configuration.database)"])
  }

  /// Makes the directories that are not there.
  public func makeDirectories() throws {
    for path in [configuration.directory] + configuration.directories where try FileSystem.find(path) == nil {
      try FileSystem.makeDirectory(path, mode: 0o750)
      try give(path)
    }
  }

  private func program(_ name: String) throws(KnotSetupError) -> String {
    let folders = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":") + ["/usr/sbin", "/sbin"]
    for folder in folders where access("\(folder)/\(name)", X_OK) == 0 { return "\(folder)/\(name)" }
    throw KnotSetupError(
      description: "\(name) is not installed: --dns-address needs Knot DNS 3.2 (Debian's package knot)")
  }

  /// Where this process is root, knotd is not.
  private func give(_ path: String) throws(FileError) {
    guard let user = configuration.user.flatMap({ getpwnam($0) }) else { return }
    guard chown(path, user.pointee.pw_uid, user.pointee.pw_gid) == 0 else { throw FileError(path, "chown") }
  }
}
