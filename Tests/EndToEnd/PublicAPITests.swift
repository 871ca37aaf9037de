import Foundation
import TestSupport
import Testing

/// The documentation of the libraries, as DocC makes it of their comments.
@Suite(.timeLimit(.minutes(15)))
struct PublicAPITests {
  @Test("Every public declaration is documented, and DocC has nothing to say", arguments: ["RPC", "ProxyConfig"])
  func isDocumented(module: String) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let graphs = try directory.directory("graphs")
      try await Command.succeed("swift", Self.extraction(of: module, to: graphs))
      let graph = try JSON(parsing: String(contentsOfFile: "\(graphs)/\(module).symbols.json", encoding: .utf8))
      let symbols = try #require(graph["symbols"].array)
      #expect(symbols.count > 100)
      for symbol in symbols {
        let name = (symbol["pathComponents"].array ?? []).compactMap(\.string).joined(separator: ".")
        let comment = (symbol["docComment"]["lines"].array ?? []).compactMap { $0["text"].string }.joined(
          separator: " ")
        #expect(!comment.isEmpty, "\(module).\(name) has no comment")
        // Of functions that throw the comment says what, or of which its own comment speaks.
        let declaration = (symbol["declarationFragments"].array ?? []).compactMap { $0["spelling"].string }.joined()
        if declaration.contains(#/\) (async )?throws/#) { #expect(comment.contains("hrows"), "\(module).\(name)") }
      }

      let docc = try await Command.run(
        Repository.program("docc"),
        [
          "convert", Repository.file("Sources/\(module)/\(module).docc"), "--additional-symbol-graph-dir", graphs,
          "--fallback-display-name", module, "--fallback-bundle-identifier", module, "--warnings-as-errors",
          "--output-path", directory.file("archive"),
        ])
      #expect(docc.status == .code(0), "\(docc.standardOutput)\(docc.standardError)")
    }
  }

  /// The arguments with which the compiler tells what is public in a module that this build made.
  private static func extraction(of module: String, to folder: String) throws -> [String] {
    let build = URL(filePath: Repository.products).resolvingSymlinksInPath()
    let checkouts = build.deletingLastPathComponent().deletingLastPathComponent().appending(path: "checkouts").path
    // Of C modules some have a map of their own; for the others the build has written one.
    let maps =
      (FileManager.default.subpaths(atPath: checkouts) ?? []).filter { $0.hasSuffix("/include/module.modulemap") }
      .map { "\(checkouts)/\($0)" }
      + (try FileManager.default.contentsOfDirectory(atPath: build.path)).map { "\(build.path)/\($0)/module.modulemap" }
      .filter(FileManager.default.fileExists(atPath:))
    let folders =
      ["\(build.path)/Modules", Repository.file("Sources/CHiredis"), Repository.file("Sources/CLibYAML")]
      + maps.map { String($0.dropLast("/module.modulemap".count)) }
    return [
      "symbolgraph-extract", "-module-name", module, "-target", build.deletingLastPathComponent().lastPathComponent,
      "-minimum-access-level", "public", "-skip-synthesized-members", "-output-dir", folder,
    ] + folders.flatMap { ["-I", $0] }
  }
}
