import Foundation
import TestSupport
import Testing

@testable import GatewayModule

@Suite(.timeLimit(.minutes(5)))
struct ScrapeParserTests {
  private static func parse(_ bytes: [UInt8], chunks: [Range<Int>]? = nil) -> Traffic {
    var parser = ScrapeParser()
    for chunk in chunks ?? [bytes.indices] {
      bytes[chunk].withUnsafeBytes { parser.consume($0) }
    }
    return parser.finish()
  }

  private static func parse(_ text: String) -> Traffic {
    parse(Array(text.utf8))
  }

  /// As Traefik 3.7 writes it, with some of what else it writes.
  private static let page = Array(
    #"""
    # HELP go_goroutines Number of goroutines that currently exist.
    # TYPE go_goroutines gauge
    go_goroutines 108
    # HELP traefik_entrypoint_requests_bytes_total The total size of requests in bytes handled by an entrypoint.
    # TYPE traefik_entrypoint_requests_bytes_total counter
    traefik_entrypoint_requests_bytes_total{code="200",entrypoint="web",method="GET",protocol="http"} 93
    # HELP traefik_service_request_duration_seconds How long it took to process the request on a service.
    # TYPE traefik_service_request_duration_seconds histogram
    traefik_service_request_duration_seconds_bucket{code="200",method="GET",protocol="http",service="1-2-a@file",le="0.1"} 3
    # HELP traefik_service_requests_bytes_total The total size of requests in bytes received by a service.
    # TYPE traefik_service_requests_bytes_total counter
    traefik_service_requests_bytes_total{code="200",method="GET",protocol="http",service="1-2-a@file"} 1.234567e+06
    traefik_service_requests_bytes_total{code="200",method="GET",protocol="http",service="1-3-b@file"} 0
    traefik_service_requests_bytes_total{code="200",method="POST",protocol="http",service="1-2-a@file"} 1000
    traefik_service_requests_bytes_total{code="404",method="GET",protocol="http",service="1-2-a@file"} 7
    traefik_service_requests_bytes_total{code="200",method="GET",protocol="http",service="api@internal"} 55
    # HELP traefik_service_responses_bytes_total The total size of responses in bytes returned by a service.
    # TYPE traefik_service_responses_bytes_total counter
    traefik_service_responses_bytes_total{code="200",method="GET",protocol="http",service="1-2-a@file"} 2e+21
    traefik_service_responses_bytes_total{code="200",method="GET",protocol="websocket",service="1-3-b@file"} 12.5
    traefik_service_server_up{service="1-2-a@file",url="http://10.1.2.3:9000"} 1

    """#.utf8)

  private static let counted = Traffic(
    request: ["1-2-a": 1_235_574, "1-3-b": 0], response: ["1-2-a": 2e21, "1-3-b": 12.5])

  @Test func codesMethodsAndProtocolsOfAWorkloadAreAddedUp() {
    #expect(Self.parse(Self.page) == Self.counted)
  }

  @Test("Plain HTTP of a domain whose TLS is passed through is its workload's, as nothing else with such a name is")
  func plainHTTPCountsForItsWorkload() {
    let lines = [("a~http@file", 1), ("a@file", 10), ("a~http~http@file", 100), ("~http@file", 1000), ("a~http@x", 5)]
      .map { "traefik_service_requests_bytes_total{service=\"\($0)\"} \($1)\n" }
    #expect(Self.parse(lines.joined()).request == ["a": 11, "a~http": 100, "~http": 1000])
  }

  @Test(
    "Traefik's start is a number in a line of its own",
    arguments: [
      ("process_start_time_seconds 1.79526496762e+09\n", 1_795_264_967.62), ("process_start_time_seconds 5", nil),
      ("process_start_time_seconds x\n", nil), ("process_start_time_seconds +Inf\n", nil),
      ("process_start_time_seconds_total 5\n", nil), ("# HELP process_start_time_seconds Start time\n", nil),
    ] as [(String, Double?)])
  func start(_ text: String, _ started: Double?) {
    #expect(Self.parse(text) == Traffic(started: started))
  }

  @Test func aCutAnywhereChangesNothing() {
    for cut in 0...Self.page.count {
      let traffic = Self.parse(Self.page, chunks: [0..<cut, cut..<Self.page.count])
      #expect(traffic == Self.counted, "cut at \(cut)")
    }
    #expect(Self.parse(Self.page, chunks: Self.page.indices.map { $0..<$0 + 1 }) == Self.counted)
  }

  /// Lines, and what `a` sent if that was counted.
  @Test(
    arguments: [
      (#"traefik_service_requests_bytes_total{service="a@file"} 5"#, 5),
      (#"traefik_service_requests_bytes_total{service="a@file",code="200"} 5"#, 5),
      (#"traefik_service_requests_bytes_total{code="200",service="a@file",} 5"#, 5),
      (#"traefik_service_requests_bytes_total{service="a@file"} 5 1700000000000"#, 5),
      (#"traefik_service_requests_bytes_total{service="a@file"} 5 -1 "#, 5),
      (" \ttraefik_service_requests_bytes_total \t{ service\t= \"a@file\" , code = \"200\" }\t5 ", 5),
      (#"traefik_service_requests_bytes_total{service="a@file"}5"#, 5),
      (#"traefik_service_requests_bytes_total{code="},{\"\\",service="a@file"} 5"#, 5),
      (#"traefik_service_requests_bytes_total{code="service=\"b@file\"",service="a@file"} 5"#, 5),
      (#"traefik_service_requests_bytes_total{service="a@file"} +0.5e1"#, 5),
      (#"traefik_service_requests_bytes_total{service="a@file"} 5E-1"#, 0.5),
      (#"traefik_service_requests_bytes_total{service="a@file"} 9007199254740993"#, 9_007_199_254_740_992),
      (
        #"traefik_service_requests_bytes_total{service="a@file"} 123456789012345678901234567890"#, 1.2345678901234568e29
      ),
      (#"traefik_service_requests_bytes_total{service="a@file"} 1.7976931348623157e+308"#, .greatestFiniteMagnitude),
      (#"traefik_service_requests_bytes_total{service="a@file"} 5e-324"#, .leastNonzeroMagnitude),
      (#"traefik_service_requests_bytes_total{service="a@file"} NaN"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"} +Inf"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"} 1e999999999999999999999"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"} -5"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"} 0x5"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"} 5x"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"} 5.5.5"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"} 5e"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"} 5e+"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"} ."#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"} "#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"}"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"} 5 later"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file"} 5 1 1"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file" 5"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file} 5"#, nil),
      (#"traefik_service_requests_bytes_total{service=a@file} 5"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file\"#, nil),
      (#"traefik_service_requests_bytes_total{="a",service="a@file"} 5"#, nil),
      (#"traefik_service_requests_bytes_total{code="1" service="a@file"} 5"#, nil),
      (#"traefik_service_requests_bytes_total{,service="a@file"} 5"#, nil),
      (#"traefik_service_requests_bytes_total{services="a@file"} 5"#, nil),
      (#"traefik_service_requests_bytes_total{code="a@file"} 5"#, nil),
      (#"traefik_service_requests_bytes_total{service="a"} 5"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@docker"} 5"#, nil),
      (#"traefik_service_requests_bytes_total{service="a@file2"} 5"#, nil),
      (#"traefik_service_requests_bytes_total{service="@file"} 5"#, nil),
      (#"traefik_service_requests_bytes_total{} 5"#, nil),
      (#"traefik_service_requests_bytes_total 5"#, nil),
      (#"traefik_service_requests_bytes_totals{service="a@file"} 5"#, nil),
      (#"# traefik_service_requests_bytes_total{service="a@file"} 5"#, nil),
    ] as [(String, Double?)])
  func aLineCountsIfItKeepsTheFormat(_ line: String, _ bytes: Double?) {
    #expect(Self.parse(line + "\n") == Traffic(request: bytes.map { ["a": $0] } ?? [:]))
  }

  @Test(arguments: [
    (#"a\\b@file"#, #"a\b"#), (#"a\"b@file"#, #"a"b"#), (#"a\nb@file"#, "a\nb"), (#"\\@file"#, #"\"#),
    ("a@b@file", "a@b"), ("grün@file", "grün"),
  ])
  func aNameIsReadWithItsEscapes(_ written: String, _ workload: String) {
    let line = #"traefik_service_responses_bytes_total{service="\#(written)"} 5"# + "\n"
    #expect(Self.parse(line) == Traffic(response: [workload: 5]))
  }

  @Test func aLineWithoutItsEndCountsForNothing() {
    #expect(Self.parse(#"traefik_service_requests_bytes_total{service="a@file"} 5"#) == Traffic())
  }

  @Test func namesThatAreNotUTF8AreRepaired() {
    let line = Array("traefik_service_requests_bytes_total{service=\"a?@file\"} 5\n".utf8)
    let broken = [0xff, 0xfe].flatMap { byte in line.map { $0 == UInt8(ascii: "?") ? byte : $0 } }
    #expect(Self.parse(broken) == Traffic(request: ["a\u{fffd}": 10]))
  }

  @Test(arguments: [0, 1], [1000, 65_536, 1_000_000])
  func aLineMayBe64KiBLong(_ excess: Int, _ chunk: Int) {
    let start = #"traefik_service_requests_bytes_total{service="a@file",code=""#
    let end = #""} 5"#
    let padding = ScrapeParser.longestLine - start.utf8.count - end.utf8.count + excess
    let next = #"traefik_service_requests_bytes_total{service="b@file"} 7"#
    let page = Array("\(start)\(String(repeating: "x", count: padding))\(end)\n\(next)\n".utf8)
    let chunks = stride(from: 0, to: page.count, by: chunk).map { $0..<min($0 + chunk, page.count) }
    let expected = excess == 0 ? ["a": 5.0, "b": 7] : ["b": 7]
    #expect(Self.parse(page, chunks: chunks) == Traffic(request: expected))
  }

  @Test func tenThousandWorkloadsAreToldApart() {
    var page = ""
    for code in [200, 404] {
      for workload in 0..<10_000 {
        page +=
          #"traefik_service_requests_bytes_total{code="\#(code)",service="\#(workload)@file"} \#(workload + code)"#
        page += "\n"
      }
    }
    let expected = Dictionary(uniqueKeysWithValues: (0..<10_000).map { ("\($0)", Double(2 * $0 + 604)) })
    #expect(Self.parse(page) == Traffic(request: expected))
  }

  /// The page with bytes changed, doubled and lost, in chunks of all lengths: nothing crashes, and whatever is counted is
  /// the same in one piece.
  @Test func noBytesCrashIt() {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<2000 {
      var page = Self.page
      for _ in 0..<Int.random(in: 1...20, using: &random) {
        let index = Int.random(in: page.indices, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: page[index] = UInt8.random(in: 0...255, using: &random)
        case 1: page[index] = Array("{}\",=\\ \n\t#e.+-0".utf8).randomElement(using: &random)!
        case 2: page.remove(at: index)
        default: page.insert(contentsOf: page[index...].prefix(40), at: index)
        }
      }
      var chunks: [Range<Int>] = []
      while let start = chunks.isEmpty ? 0 : chunks.last?.upperBound, start < page.count {
        chunks.append(start..<min(page.count, start + Int.random(in: 1...300, using: &random)))
      }
      #expect(Self.parse(page, chunks: chunks) == Self.parse(page))
    }
  }

  @Test func decimalsAreReadAsTheStandardLibraryReadsThem() {
    var random = SeededGenerator(seed: 2)
    for _ in 0..<20_000 {
      let digits = (0..<Int.random(in: 1...24, using: &random)).map { _ in Int.random(in: 0...9, using: &random) }
      var text = digits.map(String.init).joined()
      if Bool.random(using: &random) { text.insert(".", at: text.indices.randomElement(using: &random)!) }
      if Bool.random(using: &random) { text += "e\(Int.random(in: -320...320, using: &random))" }
      if text.first == "." { text = "0" + text }
      let read = Array(text.utf8).withUnsafeBufferPointer { Double(decimal: $0.span) }
      #expect(read == Double(text), "\(text)")
    }
  }
}
