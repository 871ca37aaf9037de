import Foundation
import TestSupport

/// Asks the real Traefik which of many files keep it from taking changes in.
///
/// It names the first such file in its log. With that one gone it names the next, until it takes in what is left.
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
    for (name, bytes) in files { try put(bytes, as: name) }
    var broken: Set<String> = []
    var round = 0
    while true {
      // Something has to change for Traefik to look again.
      round += 1
      let sentinel = "sentinel-\(round)"
      let text = "http: {routers: {\(sentinel): {rule: Host(`sentinel.test`), service: api@internal}}}\n"
      let logged = traefik.output.utf8.count
      try put(Array(text.utf8), as: "zzzz.yaml")
      var culprit: String?
      try await eventually {
        let news = String(decoding: traefik.output.utf8.dropFirst(logged), as: UTF8.self)
        culprit = Self.names(in: news, under: routes).first { files.keys.contains($0) && !broken.contains($0) }
        if culprit != nil { return true }
        return try await traefik.routers().keys.contains("\(sentinel)@file")
      }
      guard let culprit else { return broken }
      broken.insert(culprit)
      try FileManager.default.removeItem(atPath: "\(routes)/\(culprit)")
    }
  }

  private static func names(in log: String, under directory: String) -> [String] {
    log.components(separatedBy: "\(directory)/").dropFirst().map { String($0.prefix { $0 != ":" && $0 != " " }) }
  }

  private func put(_ bytes: [UInt8], as name: String) throws {
    try Data(bytes).write(to: URL(filePath: "\(staging)/new"))
    guard rename("\(staging)/new", "\(routes)/\(name)") == 0 else { throw FixtureError("cannot put \(name)") }
  }
}
