import Testing

@testable import RPC

/// How values are read: by the rules of the bus, which are Go's.
@Suite(.timeLimit(.minutes(5)))
struct MessagePackDecodingTests {
  /// The forms in which an integer can stand, narrowest first.
  static let integerForms: [(bytes: String, value: Int128)] = [
    ("00", 0), ("7f", 127), ("e0", -32), ("ff", -1),
    ("cc 00", 0), ("cc ff", 255), ("cd 0001", 1), ("cd ffff", 65_535), ("ce 00000001", 1),
    ("ce ffffffff", 4_294_967_295), ("cf 0000000000000001", 1), ("cf ffffffffffffffff", 18_446_744_073_709_551_615),
    ("d0 80", -128), ("d0 7f", 127), ("d1 8000", -32_768), ("d1 0001", 1), ("d2 80000000", -2_147_483_648),
    ("d2 7fffffff", 2_147_483_647), ("d3 8000000000000000", -9_223_372_036_854_775_808),
    ("d3 7fffffffffffffff", 9_223_372_036_854_775_807), ("d3 ffffffffffffffff", -1),
  ]

  static let integerTypes: [any (FixedWidthInteger & Decodable & Sendable).Type] = [
    Int.self, Int8.self, Int16.self, Int32.self, Int64.self, UInt.self, UInt8.self, UInt16.self, UInt32.self,
    UInt64.self,
  ]

  @Test(arguments: integerForms)
  func integerOfAnyWidthFitsEveryTypeThatCanHoldIt(bytes: String, value: Int128) throws {
    for type in Self.integerTypes { try expectInteger(type, bytes, value) }
  }

  private func expectInteger<Value: FixedWidthInteger & Decodable>(
    _ type: Value.Type, _ bytes: String, _ value: Int128
  ) throws {
    if let expected = Value(exactly: value) {
      #expect(try decode(type, bytes) == expected)
      #expect(try decode([String: Value].self, "81 a161" + bytes) == ["a": expected])
      #expect(try decode([Value].self, "91" + bytes) == [expected])
    } else {
      #expect(failure(type, bytes) == "expecting \(type) got \(value), which is out of its range")
    }
  }

  @Test(arguments: integerForms)
  func integerIsANumberWhereAFloatIsExpected(bytes: String, value: Int128) throws {
    #expect(try decode(Double.self, bytes) == Double(value))
    #expect(try decode(Float.self, bytes) == Float(value))
  }

  @Test func floatsOfBothWidthsFitBothTypes() throws {
    #expect(try decode(Double.self, "ca 3fc00000") == 1.5)
    #expect(try decode(Double.self, "cb 3ff8000000000000") == 1.5)
    #expect(try decode(Float.self, "ca 3fc00000") == 1.5)
    #expect(try decode(Float.self, "cb 3ff8000000000000") == 1.5)
    #expect(try decode(Float.self, "cb 7fefffffffffffff") == .infinity)
    #expect(try decode(Double.self, "cb 7ff8000000000000").isNaN)
  }

  @Test(arguments: [
    ("a0", ""), ("a3 616263", "abc"), ("d9 03 616263", "abc"), ("da 0003 616263", "abc"), ("db 00000003 616263", "abc"),
    ("c4 03 616263", "abc"), ("c5 0003 616263", "abc"), ("c6 00000003 616263", "abc"), ("c0", ""),
    ("a5 c3a4 e282ac", "ä€"), ("a4 f09f9880", "😀"), ("a1 00", "\0"),
  ])
  func stringAndBinaryStandForEachOther(bytes: String, text: String) throws {
    #expect(try decode(String.self, bytes) == text)
    #expect(try decode(Binary.self, bytes) == Binary(text.utf8))
  }

  @Test(arguments: [
    ("d6 ff 6553f100", 1_700_000_000, 0),
    ("d6 ff ffffffff", 4_294_967_295, 0),
    ("d7 ff 1d6f3454 6553f100", 1_700_000_000, 123_456_789),
    ("d7 ff 00000003 ffffffff", 17_179_869_183, 0),
    // A nanosecond too many for a second is carried over.
    ("d7 ff ee6b2800 00000000", 1, 0),
    ("c7 0c ff 00000001 ffffffffffffffff", -1, 1),
    ("c7 0c ff 00000000 8000000000000000", Int64.min, 0),
    ("c7 0c ff ffffffff 7fffffffffffffff", Int64.max, 294_967_295),
    ("c7 04 ff 6553f100", 1_700_000_000, 0),
    ("c8 0008 ff 1d6f3454 6553f100", 1_700_000_000, 123_456_789),
    ("c0", 0, 0),
  ])
  func timeComesInThreeForms(bytes: String, seconds: Int64, nanoseconds: UInt32) throws {
    #expect(try decode(Timestamp.self, bytes) == Timestamp(seconds: seconds, nanoseconds: nanoseconds))
  }

  // MARK: Zero values

  struct Everything: Codable, Hashable {
    struct Inner: Codable, Hashable {
      var text = ""
      var numbers: [Int] = []
    }

    var int = 0
    var byte: UInt8 = 0
    var double = 0.0
    var float: Float = 0
    var bool = false
    var string = ""
    var binary = Binary()
    var time = Timestamp(seconds: 0)
    var array: [String] = []
    var dictionary: [String: Int] = [:]
    var inner = Inner()
    var inners: [Inner] = []
    var optional: Int?
    var optionalInner: Inner?
  }

  static let everyField = [
    "int", "byte", "double", "float", "bool", "string", "binary", "time", "array", "dictionary", "inner", "inners",
    "optional", "optionalInner",
  ]

  @Test func missingKeysReadAsZeroValues() throws {
    #expect(try decode(Everything.self, "80") == Everything())
  }

  @Test func nilReadsAsTheZeroValueOfEachType() throws {
    let nils = everyKey { _ in "c0" }
    #expect(try decode(Everything.self, nils) == Everything())
    #expect(try decode(Everything.self, "c0") == Everything())
    #expect(try decode(Everything.Inner.self, "82 a474657874 c0 a76e756d62657273 c0") == Everything.Inner())
    #expect(try decode([Int].self, "93 01 c0 03") == [1, 0, 3])
    #expect(try decode([Everything.Inner].self, "92 c0 80") == [.init(), .init()])
    #expect(try decode([String: [Int]].self, "81 a161 c0") == ["a": []])
    #expect(try decode([Int?].self, "93 01 c0 03") == [1, nil, 3])
  }

  @Test func zeroValueOfATypeIsWhatAnAbsentValueReadsAs() throws {
    #expect(try MessagePackDecoder().zero(Everything.self) == Everything())
    #expect(try MessagePackDecoder().zero(String.self) == "")
    #expect(try MessagePackDecoder().zero([Int].self) == [])
    #expect(try MessagePackDecoder().zero(Int?.self) == nil)
  }

  @Test func unknownKeysAreIgnored() throws {
    let inner = Everything.Inner(text: "x", numbers: [1])
    let unknown = "a3 6e6577 82 a161 92 01 02 c0 c7 02 05 0102"
    #expect(try decode(Everything.Inner.self, "83 \(unknown) a474657874 a178 a76e756d62657273 91 01") == inner)
    #expect(try decode(Everything.Inner.self, "83 a474657874 a178 \(unknown) a76e756d62657273 91 01") == inner)
    #expect(try decode(Everything.Inner.self, "83 a76e756d62657273 91 01 a474657874 a178 \(unknown)") == inner)
  }

  @Test(arguments: ["01", "cb 3ff0000000000000", "90", "80", "c0", "c3", "d6 ff 00000000"])
  func keyThatIsNoStringIsAnUnknownOne(key: String) throws {
    #expect(try decode(Everything.Inner.self, "82 \(key) 05 a474657874 a178") == .init(text: "x"))
  }

  @Test func firstOfTwoEqualKeysCounts() throws {
    #expect(try decode(Everything.Inner.self, "82 a474657874 a178 a474657874 a179").text == "x")
  }

  @Test func keysAreExactlyCased() throws {
    #expect(try decode(Everything.Inner.self, "81 a454657874 a178") == Everything.Inner())
  }

  // MARK: Structs as arrays

  @Test(arguments: [
    ("92 a178 92 01 02", Everything.Inner(text: "x", numbers: [1, 2])),
    ("91 a178", Everything.Inner(text: "x")),
    ("90", Everything.Inner()),
    ("92 c0 c0", Everything.Inner()),
    ("94 a178 91 01 c3 80", Everything.Inner(text: "x", numbers: [1])),
    ("dc 0002 a178 91 01", Everything.Inner(text: "x", numbers: [1])),
  ])
  func structMayBeAnArrayOfItsFieldsInOrder(bytes: String, inner: Everything.Inner) throws {
    #expect(try decode(Everything.Inner.self, bytes) == inner)
    #expect(try decode([Everything.Inner].self, "91" + bytes) == [inner])
    #expect(try decode(Everything.self, "81 a5696e6e6572" + bytes).inner == inner)
  }

  @Test func objectIDMayBeAnArray() throws {
    #expect(try decode(ObjectID.self, "92 a161 a162") == ObjectID("a", version: "b"))
  }

  // MARK: Mismatches

  @Test(arguments: [
    ("a161", "integer", "string"), ("c3", "integer", "boolean"), ("cb 3ff0000000000000", "integer", "float"),
    ("90", "integer", "array"), ("80", "integer", "map"), ("c4 00", "integer", "binary"),
    ("d6 ff 00000000", "integer", "time"), ("d4 05 00", "integer", "extension"),
  ])
  func valueOfAnotherTypeIsNoInteger(bytes: String, expected: String, found: String) {
    #expect(failure(Int.self, bytes) == "expecting \(expected) got \(found)")
  }

  @Test func valueOfAnotherTypeIsNamedInTheError() {
    #expect(failure(String.self, "0c") == "expecting string got integer")
    #expect(failure(Binary.self, "0c") == "expecting string got integer")
    #expect(failure(Bool.self, "01") == "expecting boolean got integer")
    #expect(failure(Double.self, "a0") == "expecting float got string")
    #expect(failure([Int].self, "80") == "expecting array got map")
    #expect(failure([Int].self, "c4 01 01") == "expecting array got binary")
    #expect(failure(Everything.self, "a0") == "expecting map got string")
    #expect(failure([String: Int].self, "05") == "expecting map got integer")
    #expect(failure(Timestamp.self, "05") == "expecting time got integer")
    #expect(failure(Timestamp.self, "d6 05 00000000") == "expecting time got extension")
    #expect(failure(Timestamp.self, "c7 05 ff 0000000000") == "expecting time got time of 5 bytes")
    #expect(failure(Everything.self, "81 a3696e74 a178") == "expecting integer got string")
  }

  @Test(arguments: ["a1 ff", "a2 c328", "a3 eda080", "a4 f4908080", "a2 c080"])
  func stringThatIsNotUTF8IsRefused(bytes: String) throws {
    #expect(failure(String.self, bytes) == "expecting string got bytes that are not UTF-8")
    #expect(try decode(Binary.self, bytes).bytes == Array(hex(bytes).dropFirst()))
  }

  // MARK: Codable's other ways

  class Base: Decodable {
    let name: String
    private enum Keys: String, CodingKey { case name }

    required init(from decoder: any Decoder) throws {
      name = try decoder.container(keyedBy: Keys.self).decode(String.self, forKey: .name)
    }
  }

  final class Derived: Base {
    let count: Int
    private enum Keys: String, CodingKey { case count }

    required init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Keys.self)
      count = try container.decode(Int.self, forKey: .count)
      try super.init(from: container.superDecoder())
    }
  }

  @Test func superclassIsReadFromItsKey() throws {
    let derived = try decode(Derived.self, "82 a5636f756e74 02 a57375706572 81 a46e616d65 a178")
    #expect((derived.name, derived.count) == ("x", 2))
  }

  struct Nested: Decodable {
    let x: Int
    let list: [Int]

    private enum Keys: String, CodingKey { case outer, x, list }

    init(from decoder: any Decoder) throws {
      let outer = try decoder.container(keyedBy: Keys.self).nestedContainer(keyedBy: Keys.self, forKey: .outer)
      x = try outer.decode(Int.self, forKey: .x)
      var list = try outer.nestedUnkeyedContainer(forKey: .list)
      var numbers: [Int] = []
      while !list.isAtEnd {
        var pair = try list.nestedUnkeyedContainer()
        while !pair.isAtEnd { numbers.append(try pair.decode(Int.self)) }
      }
      self.list = numbers
    }
  }

  @Test func nestedContainersReadWhatIsThere() throws {
    let nested = try decode(Nested.self, "81 a56f75746572 82 a178 07 a46c697374 92 92 01 02 91 03")
    #expect(nested.x == 7 && nested.list == [1, 2, 3])
    let absent = try decode(Nested.self, "80")
    #expect(absent.x == 0 && absent.list == [])
  }

  @Test func tooFewElementsAreAnErrorOfTheTypeThatWantsMore() {
    struct Pair: Decodable {
      init(from decoder: any Decoder) throws {
        var values = try decoder.unkeyedContainer()
        _ = try (values.decode(Int.self), values.decode(Int.self))
      }
    }
    #expect(throws: DecodingError.self) { try decode(Pair.self, "91 01") }
    #expect(throws: Never.self) { try decode(Pair.self, "92 01 02") }
  }

  @Test func bytesBehindTheValueAreIgnored() throws {
    #expect(try decode(Int.self, "05 c1 ff") == 5)
  }

  @Test func valueInTheMiddleOfOtherBytesIsReadFromThere() throws {
    let bytes = hex("ffff 82 a161 01 a162 02 ffff")
    #expect(try MessagePackDecoder().decode([String: Int].self, from: bytes[2...]) == ["a": 1, "b": 2])
  }

  private func everyKey(_ value: (String) -> String) -> String {
    let fields = Self.everyField.map { "a\(String($0.utf8.count, radix: 16))" + Array($0.utf8).hex + value($0) }
    return "8" + String(fields.count, radix: 16) + fields.joined()
  }

  private func decode<Value: Decodable>(_ type: Value.Type, _ bytes: String) throws -> Value {
    try MessagePackDecoder().decode(type, from: hex(bytes))
  }

  /// The text of the error with which bytes are refused; nil when they are not.
  private func failure<Value: Decodable>(_ type: Value.Type, _ bytes: String) -> String? {
    do {
      _ = try decode(type, bytes)
      return nil
    } catch {
      return "\(error)"
    }
  }
}
