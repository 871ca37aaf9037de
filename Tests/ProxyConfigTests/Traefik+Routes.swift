import Foundation
import ProxyConfig
import System
import TestSupport

extension Traefik {
  /// Runs a Traefik with the static configuration that this module writes, on ports of its own, and with these routes.
  static func withServer(
    for routes: [Route], trusting proxies: [IPNetwork] = [], isolation: isolated (any Actor)? = #isolation,
    _ body: (Traefik) async throws -> Void
  ) async throws {
    try await TemporaryDirectory.withDirectory { root in
      let proxy = try root.directory("proxy")
      for route in routes {
        try Data(route.encoded(trusting: proxies)).write(to: URL(filePath: "\(proxy)/\(route.fileName)"))
      }
      let listen = { try ListenAddress("127.0.0.1:\(FreePort.next())") }
      let configuration = try StaticConfiguration(
        root: root.path, http: listen(), https: listen(), metrics: listen())
      for (path, bytes) in configuration.longTransfers?.files ?? [] {
        let file = URL(filePath: root.file(path))
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
      }
      let file = try root.write(String(decoding: configuration.encoded(), as: UTF8.self), to: "traefik.yaml")
      try await withServer(configuration: file, body)
    }
  }
}
