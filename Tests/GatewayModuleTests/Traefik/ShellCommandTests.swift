import Foundation
import TestSupport
import Testing

@testable import GatewayModule

@Suite(.timeLimit(.minutes(5)))
struct ShellCommandTests {
  @Test(
    "How a command ended is told",
    arguments: [
      ("true", nil), ("test ! -t 0 && ! read line", nil), ("exit 3", "status 3"), ("kill -9 $$", "signal 9"),
      ("no-such-program", "status 127"), ("kill -PIPE $$; true", "signal 13"),
    ] as [(String, String?)])
  func outcome(command: String, expected: String?) throws {
    #expect(try ShellCommand(command).run(within: .seconds(10)) == expected)
  }

  @Test func hangingCommandIsKilledWithAllThatItStarted() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let pid = directory.file("pid")
      let outcome = try ShellCommand("sleep 600 & echo $! > \(pid); wait").run(within: .milliseconds(300))
      #expect(outcome == "not done within 0.3 seconds")
      let child = try #require(Int32(String(contentsOfFile: pid, encoding: .utf8).dropLast()))
      // Nobody's child any more; where nobody reaps it, it stays as a zombie, which is dead as well.
      try await eventually {
        let state = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8).split(separator: " ")[2]
        return state == nil || state == "Z"
      }
    }
  }
}
