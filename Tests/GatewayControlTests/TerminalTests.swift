import Glibc
import TestSupport
import Testing

@testable import GatewayControl

@Suite(.timeLimit(.minutes(5)))
struct TerminalTests {
  @Test func nothingButATerminalIsColoured() {
    #expect(Terminal(isInteractive: true, hasColour: true).coloured("x", .red) == "\u{1b}[31mx\u{1b}[0m")
    #expect(Terminal(isInteractive: true, hasColour: false).coloured("x", .red) == "x")
    #expect(Terminal(isInteractive: false, hasColour: true).coloured("x", .red) == "x")
  }

  @Test(arguments: [
    ("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("abcdef", 1, "…"), ("abcdef", 0, ""), ("", 0, ""),
  ])
  func cuts(text: String, width: Int, expected: String) {
    #expect(Terminal(isInteractive: true).cut(text, to: width) == expected)
    #expect(
      Terminal(isInteractive: true, isUTF8: false).cut(text, to: width) == expected.replacing("…", with: "~"))
  }

  @Test func fileIsNoTerminal() throws {
    let file = open("/dev/null", O_WRONLY | O_CLOEXEC)
    defer { close(file) }
    let terminal = Terminal(descriptor: file)
    #expect(!terminal.isInteractive && !terminal.hasColour && terminal.width == 80 && terminal.height == 24)
  }
}
