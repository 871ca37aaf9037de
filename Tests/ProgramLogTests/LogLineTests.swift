import Foundation
import Logging
import RPC
import System
import Testing

@testable import ProgramLog

@Suite(.timeLimit(.minutes(5)))
struct LogLineTests {
  /// 2026-01-02T03:04:05.006Z
  private static let time = UTCTime(seconds: 1_767_323_045, milliseconds: 6)

  private static func line(
    _ message: String, _ metadata: Logger.Metadata = [:], as format: LogFormat, time: UTCTime = Self.time
  ) -> String {
    let line = LogLine(time: time, level: .info, message: message, metadata: metadata)
    return String(decoding: line.bytes(as: format), as: UTF8.self)
  }

  private static let awkward: Logger.Metadata = [
    "workload": "37-1976-site", "empty": "", "spaced": "a b", "assigned": "a=b", "quoted": "say \"hi\" \\",
    "broken": "two\nlines\r\u{1b}[31m\u{85}\u{2028}", "letters": "grün", "count": .stringConvertible(3),
    "addresses": ["192.0.2.1", "2001:db8::1"], "nested": ["b": "2", "a": "1"],
  ]

  @Test func textGivesTimeLevelMessageAndSortedMetadata() {
    #expect(
      Self.line("route added", Self.awkward, as: .text) == #"""
        2026-01-02T03:04:05.006Z info route added addresses=[192.0.2.1,2001:db8::1] assigned="a=b" \#
        broken="two\nlines\r\u001b[31m\u0085\u2028" count=3 empty="" letters=grün nested="{a=1,b=2}" \#
        quoted="say \"hi\" \\" spaced="a b" workload=37-1976-site

        """#)
  }

  @Test func jsonGivesOneObjectWithTheSame() throws {
    let line = Self.line("route \"added\"\n", Self.awkward, as: .json)
    #expect(line.last == "\n" && line.dropLast().allSatisfy { !$0.isNewline })
    let expected: [String: Any] = [
      "time": "2026-01-02T03:04:05.006Z", "level": "info", "message": "route \"added\"\n",
      "workload": "37-1976-site", "empty": "", "spaced": "a b", "assigned": "a=b", "quoted": "say \"hi\" \\",
      "broken": "two\nlines\r\u{1b}[31m\u{85}\u{2028}", "letters": "grün", "count": 3,
      "addresses": ["192.0.2.1", "2001:db8::1"], "nested": ["a": "1", "b": "2"],
    ]
    let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
    #expect(object as? NSDictionary == expected as NSDictionary)
  }

  @Test func jsonKeepsNumbersAndTruthValues() {
    let values: Logger.Metadata = [
      "a": .stringConvertible(-3), "b": .stringConvertible(true), "c": .stringConvertible(0.5),
      "d": .stringConvertible(Double.nan), "e": .stringConvertible(Double.infinity),
      "f": .stringConvertible(UInt64.max),
    ]
    #expect(
      Self.line("m", values, as: .json).contains(
        #""a":-3,"b":true,"c":0.5,"d":"nan","e":"inf","f":18446744073709551615}"#))
  }

  @Test(
    arguments: [
      (["message": "m", "level": "l", "time": "t"], #""level_":"l","message_":"m","time_":"t"}"#),
      (["a b": "1", "a_b": "2", "a\nb": "3"], #""a_b":"3","a_b_":"1","a_b__":"2"}"#),
      (["": "1", "\u{fe0f}": "2", "grün": "3"], #""_":"1","gr_n":"3","__":"2"}"#),
    ] as [(Logger.Metadata, String)])
  func everyFieldHasAPlainNameOfItsOwn(_ metadata: Logger.Metadata, _ end: String) {
    #expect(Self.line("m", metadata, as: .json).hasSuffix("," + end + "\n"))
  }

  @Test(arguments: LogFormat.allCases)
  func anEventIsOneLineWhateverIsInIt(_ format: LogFormat) {
    let all = String(String.UnicodeScalarView((0...0x2100).compactMap(Unicode.Scalar.init)))
    let line = Self.line(all, [all: .string(all), "list": [.string(all)], "map": [all: .string(all)]], as: format)
    #expect(line.unicodeScalars.filter { $0.properties.generalCategory == .control } == ["\n"])
    #expect(line.unicodeScalars.filter { $0 == "\u{2028}" || $0 == "\u{2029}" }.isEmpty)
    if format == .json {
      #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) }
    }
  }

  @Test(arguments: [
    (0, 0, "1970-01-01T00:00:00.000Z"), (951_782_399, 999, "2000-02-28T23:59:59.999Z"),
    (951_868_800, 40, "2000-03-01T00:00:00.040Z"),
  ])
  func timeIsInUTC(_ seconds: Int, _ milliseconds: Int, _ text: String) {
    let time = UTCTime(seconds: seconds, milliseconds: milliseconds)
    #expect(Self.line("m", as: .text, time: time) == "\(text) info m\n")
  }
}
