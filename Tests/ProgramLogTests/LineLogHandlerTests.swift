import Foundation
import Logging
import Testing

@testable import ProgramLog

@Suite(.timeLimit(.minutes(5)))
struct LineLogHandlerTests {
  private struct Fault: Error, CustomStringConvertible {
    let description = "it broke"
  }

  /// What a logger writes while `body` uses it. A socket of packets keeps what each write(2) gave apart.
  private func writes(
    _ format: LogFormat = .text, provider: Logger.MetadataProvider? = nil, _ body: (inout Logger) -> Void
  ) -> [String] {
    var ends: [Int32] = [0, 0]
    let type = SOCK_SEQPACKET.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
    #expect(socketpair(AF_UNIX, Int32(type), 0, &ends) == 0)
    defer { for end in ends { close(end) } }
    var logger = Logger(label: "test") { _ in
      var handler = LineLogHandler(
        level: .info, format: format, writer: LogWriter(output: ends[1], format: format))
      handler.metadataProvider = provider
      return handler
    }
    body(&logger)

    var writes: [String] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while case let count = read(ends[0], &buffer, buffer.count), count > 0 {
      writes.append(String(decoding: buffer[..<count], as: UTF8.self))
    }
    return writes
  }

  @Test(arguments: LogFormat.allCases)
  func aLineIsOneWrite(_ format: LogFormat) {
    let written = writes(format) {
      $0.info("one", metadata: ["key": "value"])
      $0.error("two")
    }
    #expect(written.count == 2 && written.allSatisfy { $0.last == "\n" })
  }

  @Test func eventsBelowTheLevelAreLeftOut() {
    let written = writes {
      $0.debug("no")
      $0.logLevel = .debug
      $0.debug("yes")
    }
    #expect(written.count == 1 && written[0].hasSuffix(" debug yes\n"))
  }

  @Test func metadataOfTheEventCountsBeforeThatOfTheProviderAndOfTheLogger() {
    let provider = Logger.MetadataProvider { ["a": "provider", "b": "provider"] }
    let written = writes(provider: provider) {
      $0[metadataKey: "a"] = "logger"
      $0[metadataKey: "b"] = "logger"
      $0[metadataKey: "c"] = "logger"
      $0.info("m", metadata: ["a": "event"])
    }
    #expect(written.map { $0.hasSuffix(" info m a=event b=provider c=logger\n") } == [true])
  }

  @Test func theErrorOfAnEventIsMetadata() {
    let written = writes { $0.error("failed", error: Fault()) }
    #expect(written.map { $0.hasSuffix(#" error failed error="it broke""# + "\n") } == [true])
  }

  @Test func aClosedOutputHarmsNothing() {
    let handler = LineLogHandler(level: .info, format: .text, writer: LogWriter(output: -1, format: .text))
    Logger(label: "test") { _ in handler }.info("lost")
  }
}
