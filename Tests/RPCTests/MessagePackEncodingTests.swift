import Testing

@testable import RPC

/// How values are written: as Go writes them.
@Suite(.timeLimit(.minutes(5)))
struct MessagePackEncodingTests {
  @Test func numbersAreWrittenAtTheirFullWidth() throws {
    #expect(try encode(12) == "d3000000000000000c")
    #expect(try encode(Int64(-1)) == "d3ffffffffffffffff")
    #expect(try encode(Int32(12)) == "d20000000c")
    #expect(try encode(Int16(-2)) == "d1fffe")
    #expect(try encode(Int8(12)) == "d00c")
    #expect(try encode(UInt(12)) == "cf000000000000000c")
    #expect(try encode(UInt64.max) == "cfffffffffffffffff")
    #expect(try encode(UInt32(12)) == "ce0000000c")
    #expect(try encode(UInt16(12)) == "cd000c")
    #expect(try encode(UInt8(200)) == "ccc8")
    #expect(try encode(1.5) == "cb3ff8000000000000")
    #expect(try encode(Float(1.5)) == "ca3fc00000")
    #expect(try encode(true) == "c3")
    #expect(try encode(false) == "c2")
    #expect(try encode(Int?.none) == "c0")
  }

  @Test(arguments: [
    (0, "a0"), (31, "bf"), (32, "d920"), (255, "d9ff"), (256, "da0100"), (65_535, "daffff"), (65_536, "db00010000"),
  ])
  func stringHeadIsTheShortest(length: Int, head: String) throws {
    let text = String(repeating: "x", count: length)
    let bytes = try MessagePackEncoder().encode(text)
    #expect(bytes == hex(head) + text.utf8)
    #expect(try MessagePackDecoder().decode(String.self, from: bytes) == text)
  }

  @Test(arguments: [(0, "c400"), (255, "c4ff"), (256, "c50100"), (65_535, "c5ffff"), (65_536, "c600010000")])
  func binaryHeadIsTheShortest(length: Int, head: String) throws {
    let binary = Binary(repeatElement(7, count: length))
    let bytes = try MessagePackEncoder().encode(binary)
    #expect(bytes == hex(head) + binary.bytes)
    #expect(try MessagePackDecoder().decode(Binary.self, from: bytes) == binary)
  }

  @Test(arguments: [
    (0, "90"), (15, "9f"), (16, "dc0010"), (65_535, "dcffff"), (65_536, "dd00010000"), (70_000, "dd00011170"),
  ])
  func arrayGrowsOverEveryHead(count: Int, head: String) throws {
    let numbers = (0..<count).map { UInt16(truncatingIfNeeded: $0) }
    let bytes = try MessagePackEncoder().encode(numbers)
    #expect(bytes.prefix(hex(head).count).elementsEqual(hex(head)))
    #expect(bytes.count == hex(head).count + 3 * count)
    #expect(try MessagePackDecoder().decode([UInt16].self, from: bytes) == numbers)
  }

  @Test(arguments: [(0, "80"), (15, "8f"), (16, "de0010"), (65_535, "deffff"), (65_536, "df00010000")])
  func mapGrowsOverEveryHead(count: Int, head: String) throws {
    let numbers = Dictionary(uniqueKeysWithValues: (0..<count).map { ("\($0)", $0) })
    let bytes = try MessagePackEncoder().encode(numbers)
    #expect(bytes.prefix(hex(head).count).elementsEqual(hex(head)))
    #expect(try MessagePackDecoder().decode([String: Int].self, from: bytes) == numbers)
  }

  @Test func innerContainersMayGrowPastTheirHeadsToo() throws {
    let lists = ["a": Array(0..<20), "b": Array(0..<66_000), "c": []]
    let bytes = try MessagePackEncoder().encode([lists])
    #expect(try MessagePackDecoder().decode([[String: [Int]]].self, from: bytes) == [lists])
  }

  struct Fields: Encodable {
    let first: String
    let absent: String?
    let absentNumber: Int?
    let absentFlag: Bool?
    let absentList: [Int]?
    let last: Bool
  }

  @Test func structIsAMapOfAllItsFieldsAndAbsentOnesAreNil() throws {
    let fields = Fields(
      first: "x", absent: nil, absentNumber: nil, absentFlag: nil, absentList: nil, last: true)
    let names = ["absent", "absentNumber", "absentFlag", "absentList"].map { key($0) + "c0" }.joined()
    #expect(try encode(fields) == "86" + key("first") + "a178" + names + key("last") + "c3")
  }

  @Test(arguments: [
    (0, 0, "d6ff00000000"), (4_294_967_295, 0, "d6ffffffffff"), (4_294_967_296, 0, "d7ff0000000100000000"),
    (1, 1, "d7ff0000000400000001"), (17_179_869_183, 999_999_999, "d7ffee6b27ffffffffff"),
    (17_179_869_184, 0, "c70cff000000000000000400000000"), (-1, 999_999_999, "c70cff3b9ac9ffffffffffffffffff"),
    (Int64.min, 0, "c70cff000000008000000000000000"),
  ])
  func timeTakesTheShortestForm(seconds: Int64, nanoseconds: UInt32, bytes: String) throws {
    let time = Timestamp(seconds: seconds, nanoseconds: nanoseconds)
    #expect(try encode(time) == bytes)
    #expect(try MessagePackDecoder().decode(Timestamp.self, from: hex(bytes)) == time)
  }

  @Test func timesAreOrderedAndTooManyNanosecondsCarryOver() {
    #expect(Timestamp(seconds: 1, nanoseconds: 2_500_000_000) == Timestamp(seconds: 3, nanoseconds: 500_000_000))
    #expect(Timestamp(seconds: -2, nanoseconds: 999_999_999) < Timestamp(seconds: -1))
    #expect(Timestamp(seconds: 1, nanoseconds: 1) < Timestamp(seconds: 1, nanoseconds: 2))
  }

  @Test func valueThatWritesNothingIsAnEmptyMap() throws {
    struct Nothing: Encodable { func encode(to encoder: any Encoder) {} }
    #expect(try encode(Nothing()) == "80")
    #expect(try encode([Nothing(), Nothing()]) == "928080")
  }

  @Test func severalValuesAreAnArray() throws {
    let bytes = try MessagePackEncoder().encode(tuple: (true, "x", UInt8(1)))
    #expect(bytes.hex == "93c3a178cc01")
  }

  // MARK: Codable's other ways

  class Base: Encodable {
    private enum Keys: String, CodingKey { case name }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Keys.self)
      try container.encode("x", forKey: .name)
    }
  }

  final class Derived: Base {
    private enum Keys: String, CodingKey { case count, base }
    let shared: Bool

    init(shared: Bool) { self.shared = shared }

    override func encode(to encoder: any Encoder) throws {
      if shared { try super.encode(to: encoder) }
      var container = encoder.container(keyedBy: Keys.self)
      try container.encode(true, forKey: .count)
      if !shared {
        try super.encode(to: container.superEncoder())
        try super.encode(to: container.superEncoder(forKey: .base))
      }
    }
  }

  @Test func superclassIsWrittenBesideOrUnderAKey() throws {
    let base = "81" + key("name") + "a178"
    #expect(
      try encode(Derived(shared: false)) == "83" + key("count") + "c3" + key("super") + base + key("base") + base)
    #expect(try encode(Derived(shared: true)) == "82" + key("name") + "a178" + key("count") + "c3")
  }

  enum Keys: String, CodingKey { case a, b }

  struct Nested: Encodable {
    func encode(to encoder: any Encoder) throws {
      var outer = encoder.container(keyedBy: Keys.self)
      var list = outer.nestedUnkeyedContainer(forKey: .a)
      try list.encode(true)
      var map = list.nestedContainer(keyedBy: Keys.self)
      try map.encode("x", forKey: .a)
      try map.encodeNil(forKey: .b)
      var innermost = list.nestedUnkeyedContainer()
      try innermost.encodeNil()
      try list.encode(false)
      var rest = outer.nestedContainer(keyedBy: Keys.self, forKey: .b)
      try rest.encode([true], forKey: .a)
    }
  }

  @Test func nestedContainersAreWrittenWhereTheyStand() throws {
    #expect(try encode(Nested()) == "82 a161 94 c3 82a161a178a162c0 91c0 c2 a162 81a16191c3".filter { $0 != " " })
  }

  struct Interleaved: Encodable {
    func encode(to encoder: any Encoder) throws {
      var outer = encoder.container(keyedBy: Keys.self)
      var list = outer.nestedUnkeyedContainer(forKey: .a)
      try outer.encode(1, forKey: .b)
      try list.encode(2)
    }
  }

  @Test func containerWrittenToAfterItsParentWentOnIsAnError() {
    #expect(throws: EncodingError.self) { try encode(Interleaved()) }
  }

  @Test func errorOfTheValueItselfIsPassedOn() {
    struct Refusing: Encodable {
      func encode(to encoder: any Encoder) throws { throw CallError("not me") }
    }
    #expect(throws: CallError("not me")) { try encode([Refusing()]) }
  }

  private func encode(_ value: some Encodable) throws -> String {
    try MessagePackEncoder().encode(value).hex
  }

  private func key(_ name: String) -> String {
    "a" + String(name.utf8.count, radix: 16) + Array(name.utf8).hex
  }
}
