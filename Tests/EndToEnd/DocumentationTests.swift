import Foundation
import TestSupport
import Testing

/// What the documents say, held against the sources and the programs.
@Suite(.timeLimit(.minutes(5)))
struct DocumentationTests {
  private static let documents = ["operating", "calling", "design", "contributing"].map { "docs/\($0).md" }

  private static func text(_ path: String) throws -> String {
    try String(contentsOfFile: Repository.file(path), encoding: .utf8)
  }

  /// The files below a folder of this repository, by their path in it; hidden folders are left out.
  private static func files(in folder: String = "", ending suffix: String) throws -> [String] {
    let top = URL(filePath: Repository.root + "/" + folder)
    let options: FileManager.DirectoryEnumerationOptions = [.skipsHiddenFiles]
    let paths = FileManager.default.enumerator(at: top, includingPropertiesForKeys: nil, options: options)
    let root = URL(filePath: Repository.root).standardizedFileURL.path + "/"
    return try #require(paths).compactMap { ($0 as? URL)?.standardizedFileURL.path }.filter { $0.hasSuffix(suffix) }
      .map { String($0.trimmingPrefix(root)) }.sorted()
  }

  // MARK: operating.md

  @Test func everyMessageOfLevelWarningAndAboveIsExplained() throws {
    let document = try Self.text("docs/operating.md")
    var messages: [(text: String, file: String)] = []
    for file in try Self.files(in: "Sources", ending: ".swift") {
      let source = try Self.text(file)
      for match in source.matches(of: #/[lL]ogger\.(?:warning|error|critical)\(\s*"((?:[^"\\]|\\.)*)"/#) {
        messages.append((String(match.1), file))
      }
      // One whose level is chosen as the program runs takes its message from an enumeration beside it.
      if source.contains("logger.log(level:") {
        for match in source.matches(of: #/case \w+ = "([^"]+)"/#) { messages.append((String(match.1), file)) }
      }
    }
    #expect(messages.count >= 25)
    for (message, file) in messages {
      // What is put in as the program runs stands for any text.
      for part in message.split(separator: #/\\\([^)]*\)/#) {
        #expect(document.contains(part), "\(file): \(message)")
      }
    }
  }

  @Test(arguments: ["gateway", "gatewayctl", "gateway-relay", "gateway-tunnel", "acme-hook"])
  func everyFlagAndCommandIsThere(program: String) async throws {
    let document = try Self.text("docs/operating.md")
    let help = try await Command.succeed(
      Repository.product(program), ["--experimental-dump-help"], environment: ["GATEWAY_ROOT": ""])
    let command = try JSON(parsing: help)["command"]
    var names = Self.flags(of: command).map { "--\($0)" }
    names += (command["subcommands"].array ?? []).compactMap { $0["commandName"].string }.filter { $0 != "help" }
    #expect(names.count >= (program == "gateway" ? 19 : 4))
    for name in names {
      let isThere = document.matches(of: #/`([^`\n]+)`/#).contains { code in
        code.1.split(whereSeparator: { " []|".contains($0) }).contains { $0 == name }
      }
      #expect(isThere, "\(program) \(name)")
    }
  }

  private static func flags(of command: JSON) -> Set<String> {
    let names = (command["arguments"].array ?? []).flatMap { $0["names"].array ?? [] }.filter { $0["kind"] == "long" }
    let below = (command["subcommands"].array ?? []).filter { $0["commandName"] != "help" }
    return below.reduce(into: Set(names.compactMap(\.["name"].string)).subtracting(["help", "version"])) {
      $0.formUnion(flags(of: $1))
    }
  }

  // MARK: calling.md

  @Test func everyMethodAndStreamIsThere() throws {
    let document = try Self.text("docs/calling.md")
    let source = try Self.text("Sources/GatewayClient/GatewayObject.swift")
    let methods = Set(source.matches(of: #/static let (?!module)\w+ = "([A-Z]\w+)"/#).map { String($0.1) })
    #expect(methods.count >= 5)
    for name in methods {
      #expect(document.contains("\n### `\(name)(") || document.contains("\n### \(name)\n"), "\(name)")
    }
    let dns = try #require(document.firstRange(of: "### `dns@0.0.1`")).lowerBound
    let names = try Self.text("Sources/GatewayClient/DNSObject.swift").matches(of: #/static let \w+ = "([A-Z]\w+)"/#)
    #expect(names.count == 7)
    for name in names { #expect(document[dns...].contains("`\(name.1)`"), "\(name.1)") }
    let tunnel = try #require(document.firstRange(of: "### `tunnel@0.0.1`")).lowerBound
    let tunnelNames = try Self.text("Sources/GatewayClient/TunnelObject.swift")
      .matches(of: #/static let \w+ = "([A-Z]\w+)"/#)
    #expect(tunnelNames.count == 4)
    for name in tunnelNames { #expect(document[tunnel...].contains("`\(name.1)`"), "\(name.1)") }
  }

  @Test("The rule that each refused value breaks is there", arguments: BadInputTests.groups)
  func everyRuleIsThere(group: BadInputTests.Group) throws {
    let document = try Self.text("docs/calling.md")
    for refusal in group.refusals {
      guard !refusal.isProtocolError, let rule = refusal.error.firstMatch(of: #/^invalid .*": (.*)$/#)?.1 else {
        continue
      }
      #expect(document.contains(rule), "\(refusal.error)")
    }
  }

  @Test func examplesAreShownAsTheyAre() throws {
    let document = try Self.text("docs/calling.md")
    let shown = document.matches(of: #/<!-- From (\S+); DocumentationTests compares. -->\n```\w+\n((?:.|\n)*?)```\n/#)
    #expect(shown.count == 4)
    for example in shown { #expect(try Self.text(String(example.1)).contains(example.2), "\(example.1)") }
  }

  // MARK: All of them

  @Test func relativeLinksLeadSomewhere() throws {
    var count = 0
    for document in try Self.files(ending: ".md") {
      let folder = URL(filePath: Repository.file(document)).deletingLastPathComponent()
      for match in try Self.text(document).matches(of: #/\]\(([^)#\s]+)(?:#[^)]*)?\)/#) where !match.1.contains(":") {
        count += 1
        let target = folder.appending(path: match.1).standardizedFileURL.path
        #expect(FileManager.default.fileExists(atPath: target), "\(document): \(match.1)")
      }
    }
    #expect(count >= 20)
  }

  @Test("Each block of commands says who ran it, and each test that is named exists", arguments: documents)
  func commandsWereRun(document: String) throws {
    let text = try Self.text(document)
    for block in text.matches(of: #/\n```(?:sh|console)\n(?:.|\n)*?\n```\n(.*)\n/#) {
      #expect(block.1.hasPrefix("*Run by ") || block.1.hasPrefix("*Not run: "), "\(block.0)")
    }
    let tests = try Self.files(in: "Tests", ending: "Tests.swift").map { $0.split(separator: "/").last! }
    for match in text.matches(of: #/`(\w+Tests)`/#) where match.1 != "RPCTests" {
      #expect(
        tests.contains("\(match.1).swift")
          || FileManager.default.fileExists(atPath: Repository.file("Tests/\(match.1)")))
    }
  }
}
