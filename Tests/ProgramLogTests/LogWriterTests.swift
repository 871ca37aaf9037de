import Foundation
import Testing

@testable import ProgramLog

/// Lines for a pipe that is read late, or never.
@Suite(.timeLimit(.minutes(5)))
struct LogWriterTests {
  private static func line(_ number: Int) -> [UInt8] {
    Array("\(number) \(String(repeating: "x", count: 200))\n".utf8)
  }

  /// A writer to a pipe, and the pipe's other end.
  private func withWriter(_ body: (LogWriter, _ reader: FileHandle) throws -> Void) throws {
    let pipe = Pipe()
    // Who writes meanwhile gets an error, and not a signal.
    signal(SIGPIPE, SIG_IGN)
    let writer = LogWriter(output: pipe.fileHandleForWriting.fileDescriptor, format: .text)
    try body(writer, pipe.fileHandleForReading)
    try pipe.fileHandleForReading.close()
    // Only then may another file have the descriptor.
    while !writer.flush() {}
    try pipe.fileHandleForWriting.close()
  }

  /// Reads lines until one that holds.
  private func lines(_ reader: FileHandle, until holds: (Substring) -> Bool) -> [String] {
    var text = ""
    while true {
      let end = text.lastIndex(of: "\n")
      if let end, text[...end].split(separator: "\n").contains(where: holds) {
        return text[...end].split(separator: "\n").map(String.init)
      }
      let data = reader.availableData
      if data.isEmpty { return text.split(separator: "\n").map(String.init) }
      text += String(decoding: data, as: UTF8.self)
    }
  }

  @Test func nobodyWaitsForAReaderAndTheLinesComeInOrderOnceItIsThere() throws {
    try withWriter { writer, reader in
      // Far more than a pipe holds, and less than may wait.
      for number in 0..<3_000 { writer.write(Self.line(number)) }
      let lines = lines(reader) { $0.hasPrefix("2999 ") }
      #expect(lines.compactMap { Int($0.prefix { $0 != " " }) } == Array(0..<3_000))
      writer.flush()
      writer.write(Self.line(3_000))
      #expect(self.lines(reader) { $0.hasPrefix("3000 ") }.count == 1)
    }
  }

  @Test func whatIsTooMuchIsDroppedAndCounted() throws {
    try withWriter { writer, reader in
      let count = 3 * LogWriter.limit / 200
      for number in 0..<count { writer.write(Self.line(number)) }
      let lines = lines(reader) { $0.contains("lines of the log dropped") }
      let numbers = lines.dropLast().compactMap { Int($0.prefix { $0 != " " }) }
      #expect(numbers == Array(0..<numbers.count), "the first ones, without a gap")
      let dropped = count - numbers.count
      #expect(
        dropped > 0
          && lines.last?.hasSuffix(" warning lines of the log dropped, since nobody read them lines=\(dropped)") == true
      )
      writer.flush()
      writer.write(Self.line(count))
      #expect(self.lines(reader) { $0.hasPrefix("\(count) ") }.count == 1)
    }
  }

  @Test func lineThatIsLongerThanAPipeTakesAtOnceIsWhole() throws {
    try withWriter { writer, reader in
      let long = Array(String(repeating: "y", count: 300_000).utf8) + [UInt8(ascii: "\n")]
      writer.write(Self.line(0))
      writer.write(long)
      writer.write(Self.line(1))
      let lines = lines(reader) { $0.hasPrefix("1 ") }
      #expect(lines.map(\.utf8.count) == [202, 300_000, 202])
    }
  }

  @Test func flushEndsAlsoWhenNobodyReads() throws {
    try withWriter { writer, _ in
      for number in 0..<1_000 { writer.write(Self.line(number)) }
      // Returns: the suite would not wait for ever.
      writer.flush()
    }
  }

  @Test func whatIsWrittenAtOnceIsThereWhenItReturns() throws {
    try withWriter { writer, reader in
      writer.write(Self.line(7))
      var waiting: Int32 = 0
      #expect(ioctl(reader.fileDescriptor, UInt(FIONREAD), &waiting) == 0)
      #expect(Int(waiting) == Self.line(7).count)
    }
  }
}
