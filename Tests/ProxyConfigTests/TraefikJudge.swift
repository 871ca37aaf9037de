import Foundation
import TestSupport

/// Asks the real Traefik which of many files keep it from taking changes in.
///
/// It names the first such file in its log. With that one gone it names the next, until it takes in what is left. It reads them
/// in the order of their names, and all before that one every time: names that put the broken ones first save most of it.
struct TraefikJudge {
  private let traefik: Traefik
  private let routes: String
  private let staging: String

  /// - Parameter files: by name.
  /// - Returns: the names of the broken ones.
  static func brokenFiles(among files: [String: [UInt8]]) async throws -> Set<String> {
    try await TemporaryDirectory.withDirectory { root in
      let (routes, staging) = try (root.directory("proxy"), root.directory("staging"))
      return try await Traefik.withServer(routes: routes) { traefik in
        try await TraefikJudge(traefik: traefik, routes: routes, staging: staging).judge(files)
      }
    }
  }

  private func judge(_ files: [String: [UInt8]]) async throws -> Set<String> {
    var broken: Set<String> = []
    for (name, bytes) in files { try put(bytes, as: name) }
    try put(Array("http: {routers: {sentinel: {rule: Host(`a.test`), service: s}}}\n".utf8), as: "zzzz.yaml")
    // Removing a file makes Traefik look again.
    while let culprit = try await nextCulprit(among: files.keys.filter { !broken.contains($0) }) {
      broken.insert(culprit)
      try FileManager.default.removeItem(atPath: "\(routes)/\(culprit)")
    }
    return broken
  }

  /// Returns nil once Traefik takes in what is there.
  private func nextCulprit(among names: [String]) async throws -> String? {
    let names = Set(names)
    let deadline = ContinuousClock.now + .patience
    for look in 1... {
      if let culprit = Self.names(in: traefik.output, under: routes).last(where: names.contains) { return culprit }
      // Costs more than a look at the log.
      if look % 32 == 0, try await traefik.routers().keys.contains("sentinel@file") { return nil }
      guard ContinuousClock.now < deadline else { break }
      try await Task.sleep(for: .milliseconds(2))
    }
    throw FixtureError("Traefik neither fails nor goes on")
  }

  private static func names(in log: String, under directory: String) -> [String] {
    log.components(separatedBy: "\(directory)/").dropFirst().map { String($0.prefix { $0 != ":" && $0 != " " }) }
  }

  private func put(_ bytes: [UInt8], as name: String) throws {
    try Data(bytes).write(to: URL(filePath: "\(staging)/new"))
    guard rename("\(staging)/new", "\(routes)/\(name)") == 0 else { throw FixtureError("cannot put \(name)") }
  }
}
