import Foundation
import TestSupport
import Testing

/// The documentation of the libraries, as DocC makes it of their comments.
@Suite(.timeLimit(.minutes(15)))
struct PublicAPITests {
  @Test(
    "Every public declaration is documented, and DocC has nothing to say",
    arguments: ["RPC", "GatewayClient", "ProxyConfig"])
  func isDocumented(module: String) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let docs = try await Command.run(
        Repository.file("scripts/docs"), ["--skip-build", "--output", directory.file("docs"), module])
      #expect(docs.status == .code(0), "\(docs.standardOutput)\(docs.standardError)")
      let graphs = directory.file("docs/graphs/\(module)")
      let graph = try JSON(parsing: String(contentsOfFile: "\(graphs)/\(module).symbols.json", encoding: .utf8))
      let symbols = try #require(graph["symbols"].array)
      #expect(symbols.count > 50)
      for symbol in symbols {
        let name = (symbol["pathComponents"].array ?? []).compactMap(\.string).joined(separator: ".")
        let comment = (symbol["docComment"]["lines"].array ?? []).compactMap { $0["text"].string }.joined(
          separator: " ")
        #expect(!comment.isEmpty, "\(module).\(name) has no comment")
        // Of functions that throw the comment says what, or of which its own comment speaks.
        let declaration = (symbol["declarationFragments"].array ?? []).compactMap { $0["spelling"].string }.joined()
        if declaration.contains(#/\) (async )?throws/#) { #expect(comment.contains("hrows"), "\(module).\(name)") }
      }
    }
  }
}
