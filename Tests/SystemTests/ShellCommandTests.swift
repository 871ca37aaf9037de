import Foundation
import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ShellCommandTests {
  @Test(
    "How a command ended is told",
    arguments: [
      ("true", nil), ("test ! -t 0 && ! read line", nil), ("exit 3", "status 3"), ("kill -9 $$", "signal 9"),
      ("no-such-program", "status 127"), ("kill -PIPE $$; true", "signal 13"),
    ] as [(String, String?)])
  func outcome(command: String, expected: String?) async throws {
    #expect(try await ShellCommand(command).run(within: .patience) == expected)
  }

  @Test(
    "A command that hangs, or is given up, is killed with all that it started", arguments: ["too long", "cancelled"])
  func hangingCommand(why: String) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let pid = directory.file("pid")
      let limit = why == "cancelled" ? Duration.seconds(600) : .milliseconds(300)
      let running = Task {
        try await ShellCommand("sleep 600 & echo $! > \(pid).new; mv \(pid).new \(pid); wait").run(within: limit)
      }
      // In the time it has it may not even have come to tell.
      if why == "cancelled" { try await eventually { FileManager.default.fileExists(atPath: pid) } }
      if why == "cancelled" { running.cancel() }
      #expect(try await running.value == (why == "cancelled" ? "it was cut off" : "not done within 0.3 seconds"))
      guard let child = try? Int32(String(contentsOfFile: pid, encoding: .utf8).dropLast()) else { return }
      // Nobody's child any more; where nobody reaps it, it stays as a zombie, which is dead as well.
      try await eventually {
        let state = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8).split(separator: " ")[2]
        return state == nil || state == "Z"
      }
    }
  }
}
