import Foundation
import TestSupport
import Testing

/// The man pages and completion scripts that `make install` makes of the programs' own definitions.
@Suite(.timeLimit(.minutes(15)))
struct ManualTests {
  private static let pages = [
    "man1/gatewayctl.1", "man1/gateway-tunnel.1", "man8/gateway.8", "man8/acme-hook.8", "man8/gateway-relay.8",
  ]

  private func withManuals(_ body: (TemporaryDirectory) async throws -> Void) async throws {
    try await TemporaryDirectory.withDirectory { share in
      // What the environment of an operator says is no default.
      try await Command.succeed(
        Repository.file("scripts/manuals"), [Repository.products, share.path],
        environment: ["GATEWAY_ROOT": "/elsewhere", "GATEWAY_BROKER": "tcp://x:1", "SOURCE_DATE_EPOCH": "0"])
      try await body(share)
    }
  }

  @Test func pagesAreWellFormedAndSayAllThatThereIs() async throws {
    try await withManuals { share in
      for page in Self.pages {
        let file = share.file("man/\(page)")
        let groff = try await Command.run("groff", ["-man", "-Tutf8", "-ww", "-z", file])
        #expect(groff.status == .code(0) && groff.standardError.isEmpty, "\(page): \(groff.standardError)")
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.hasPrefix(".TH ") && text.contains("\"1970-01-01\"") && !text.contains("elsewhere"))

        let program = String(page.split(separator: "/")[1].split(separator: ".")[0])
        let definition = try JSON(
          parsing: await Command.succeed(Repository.product(program), ["--experimental-dump-help"]))
        let options = Self.options(definition["command"])
        #expect(options.count > (program == "acme-hook" ? 0 : 5))
        for option in options {
          #expect(text.contains("\\fB\\-\\-\(option.replacing("-", with: "\\-"))\\fR"), "\(page) has no --\(option)")
        }
      }
    }
  }

  /// The long names of all options of a command and of those below it that help shows.
  private static func options(_ command: JSON) -> Set<String> {
    let own = (command["arguments"].array ?? []).filter { $0["shouldDisplay"] == true }
      .flatMap { $0["names"].array ?? [] }.filter { $0["kind"] == "long" }.compactMap { $0["name"].string }
    let below = (command["subcommands"].array ?? []).filter { $0["commandName"] != "help" }
    return below.reduce(into: Set(own).subtracting(["help", "version"])) { $0.formUnion(options($1)) }
  }

  @Test func completionScriptsAreScripts() async throws {
    try await withManuals { share in
      for program in ["gateway", "gatewayctl", "gateway-relay", "gateway-tunnel", "acme-hook"] {
        let bash = share.file("bash-completion/completions/\(program)")
        try await Command.succeed("bash", ["-n", bash])
        let words = try await Command.succeed("bash", ["-c", "source \"$0\"; complete -p \"$1\"", bash, program])
        #expect(words.hasPrefix("complete "))
        let zsh = try String(contentsOfFile: share.file("zsh/site-functions/_\(program)"), encoding: .utf8)
        #expect(zsh.hasPrefix("#compdef \(program)"))
        let fish = try String(
          contentsOfFile: share.file("fish/vendor_completions.d/\(program).fish"), encoding: .utf8)
        #expect(fish.contains("complete -c '\(program)'"))
      }
    }
  }

  @Test func installsAllOfThem() async throws {
    // What make would run.
    let plan = try await Command.succeed(
      "make", ["-C", Repository.root, "-n", "install", "PREFIX=/usr", "DESTDIR=/package"])
    #expect(plan.contains("scripts/manuals $bin \"/package/usr/share\""), "\(plan)")
    try await TemporaryDirectory.withDirectory { directory in
      let share = directory.file("usr/share")
      try await Command.succeed(Repository.file("scripts/manuals"), [Repository.products, share])
      // Where Debian's zsh looks.
      #expect(FileManager.default.fileExists(atPath: "\(share)/zsh/vendor-completions/_gatewayctl"))
    }
  }
}
