import Records
import System
import TestSupport
import Testing

@testable import DNSZones

/// What records may say, and that their files say the same.
@Suite(.timeLimit(.minutes(5)))
struct RecordSetTests {
  private func set(_ records: (RecordType, String)...) throws -> RecordSet {
    try RecordSet(
      workload: WorkloadID("37-1-w"), name: RecordName("w.example.test"),
      records: records.map { try RecordSet.Record($0.0, value: $0.1) })
  }

  @Test(arguments: [
    (RecordType.a, "192.0.2.7", "c0000207"), (.aaaa, "2001:db8::7", "20010db8000000000000000000000007"),
    (.cname, "Web.Example.test", "03776562076578616d706c65047465737400"), (.cname, ".", "00"), (.cname, "@", "00"),
    (.mx, "65 A.b", "00410161016200"), (.srv, "1 65 3 A.", "000100410003016100"),
    (.txt, #"ab "c d""#, "02616203632064"), (.txt, #""\065\"""#, "024122"), (.txt, "\"\"", "00"),
    (.caa, #"0 issue "CA.test""#, "0005697373756543412e74657374"),
    (.https, "1 A.b alpn=h2", "0001016101620000010003026832"),
    (.a, "\\# 4 c0000207", "c0000207"),
  ])
  func dataIsWhatGoesOverTheWire(type: RecordType, value: String, hex: String) throws {
    let data = try RecordSet.Record(type, value: value).data
    #expect(data.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == hex)
    #expect(data.generic == "\\# \(hex.count / 2) \(hex)")
  }

  @Test func fileSaysTheSame() throws {
    let all = try set(
      (.a, "192.0.2.7"), (.txt, #""yes" "a: [b" "\195\188""#), (.mx, "10 mail.example.test."), (.caa, #"0 issue ";""#))
    let text = String(decoding: all.encoded(), as: UTF8.self)
    #expect(text.hasPrefix("name: w.example.test\nrecords:\n- type: A\n  ttl: 3600\n  value: 192.0.2.7\n- type: TXT\n"))
    #expect(try RecordSet(file: all.encoded().span, of: all.workload) == all)
    let wild = try RecordSet(
      workload: WorkloadID("w"), name: RecordName("*.Example.test."),
      records: [RecordSet.Record(.a, ttl: 30, value: "192.0.2.7")])
    #expect(try RecordSet(file: wild.encoded().span, of: wild.workload) == wild)
  }

  @Test(arguments: [
    ("", "it is empty"), ("name: [\n", "line 2: did not find expected node content"),
    ("name: w.example.test\n", #"line 1: "records" is missing"#),
    ("name: w.example.test\nrecords: {}\n", "line 2: a sequence is needed"),
    ("name: w.example.test\nrecords: [{type: A}]\n", #"line 2: "value" is missing"#),
    ("name: w.example.test\nrecords: [{type: A, value: 192.0.2.7, ttl: x}]\n", "line 2: a whole number is needed"),
    (
      "name: w.example.test\nrecords: [{type: A, value: 192.0.2.7, class: CH}]\n", #"line 2: "class" is not known here"#
    ),
    (
      "name: w.example.test\nrecords: []\n",
      #"line 1: invalid records of "w.example.test": at least one is needed; DeleteRecords takes them away"#
    ),
  ])
  func fileThatIsNoneSaysWhy(text: String, reason: String) {
    let error = #expect(throws: FileMismatch.self) {
      try RecordSet(file: Array(text.utf8).span, of: WorkloadID("w"))
    }
    #expect(error?.description == reason)
  }

  /// Names as long as they may be, and one byte longer.
  @Test func namesAreBounded() throws {
    let label = String(repeating: "a", count: 61)
    let longest = "\(label).\(label).\(label).\(label).test"
    #expect(longest.utf8.count == 252)
    #expect(try RecordName("x\(longest)").description.utf8.count == 253)
    #expect(throws: InvalidValue.self) { try RecordName("xy\(longest)") }
    #expect(throws: InvalidValue.self) { try RecordName("*.\(longest)") }
    #expect(try RecordName("*.\(longest.dropFirst())").description.utf8.count == 253)
    for text in [
      "", ".", "*", "*.test", "a..test", "a.*.test", "a*.test", "**.a.test", "a\n.test", "a b.test", "-.-.0",
    ] {
      #expect(throws: InvalidValue.self, "\(text)") { try RecordName(text) }
    }
  }
}
