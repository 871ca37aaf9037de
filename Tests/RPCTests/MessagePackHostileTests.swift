import TestSupport
import Testing

@testable import RPC

/// What no well-meaning caller sends: it is refused before it costs anything, and crashes nothing.
@Suite(.timeLimit(.minutes(5)))
struct MessagePackHostileTests {
  static let cutShort = "the MessagePack value is cut short"

  @Test(arguments: ["90", "80"]) func depthIsBounded(innermost: String) {
    func nested(_ depth: Int) -> [UInt8] { hex(String(repeating: "91", count: depth - 1) + innermost) }
    #expect(refusal(nested(32)) == nil)
    #expect(refusal(nested(33)) == "arrays and maps are nested deeper than 32")
    #expect(refusal(nested(100_000)) == "arrays and maps are nested deeper than 32")
    let maps = hex(String(repeating: "81 a0", count: 32) + innermost)
    #expect(refusal(maps) == "arrays and maps are nested deeper than 32")
  }

  @Test(arguments: [
    "dd ffffffff", "dd 7fffffff 00", "dc ffff", "dc 0002 00", "92 00", "9f",
    "df ffffffff", "df 7fffffff 00 00", "de ffff", "de 0001 00", "81 00", "8f",
    "db ffffffff", "da ffff", "d9 01", "a1", "bf",
    "c6 ffffffff", "c5 ffff", "c4 01",
    "c9 ffffffff 00", "c8 ffff 00", "c7 01 00", "d4 00", "d8 00 00", "d6 ff 000000",
    "cc", "cd 00", "ce 000000", "cf 00000000000000", "d0", "d1 00", "d2 000000", "d3 00000000000000",
    "ca 000000", "cb 00000000000000", "c7", "c8 00", "c9 000000", "d9", "da 00", "db 000000", "dd 000000", "",
    // The outer array has its bytes, the inner one has not.
    "92 dd ffffffff 00",
  ])
  func announcingMoreThanFollowsIsRefused(bytes: String) {
    #expect(refusal(hex(bytes)) == Self.cutShort)
    #expect(throws: (any Error).self) { try MessagePackDecoder().decode([String].self, from: hex(bytes)) }
    #expect(throws: (any Error).self) { try MessagePackDecoder().decode([String: Int].self, from: hex(bytes)) }
  }

  @Test func reservedByteIsRefusedWhereverItStands() {
    for bytes in ["c1", "91 c1", "81 c1 00", "81 a161 c1"] {
      #expect(refusal(hex(bytes)) == "the byte 0xc1 is never used in MessagePack")
    }
  }

  @Test(arguments: Vector.all) func vectorCutShortAnywhereDoesNotDecode(vector: Vector) {
    for length in vector.bytes.indices {
      let bytes = Array(vector.bytes[..<length])
      #expect(refusal(bytes) == Self.cutShort, "\(length) of \(vector.bytes.count) bytes")
      decodeAsEverything(bytes)
    }
  }

  @Test func randomBytesNeverCrash() async {
    var random = SeededGenerator(seed: 1)
    for round in 0..<85_000 {
      await others(round)
      decodeAsEverything((0..<Int.random(in: 0...32, using: &random)).map { _ in .random(in: 0...255, using: &random) })
    }
  }

  @Test func vectorsWithAFewBytesChangedNeverCrash() async {
    var random = SeededGenerator(seed: 2)
    for round in 0..<15_000 {
      await others(round)
      var bytes = Vector.all.randomElement(using: &random)!.bytes
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
      }
      decodeAsEverything(bytes)
    }
  }

  @Test func everyGeneratedValueRoundTrips() async throws {
    var random = SeededGenerator(seed: 3)
    for round in 0..<2_000 {
      await others(round)
      let value = AnyValue.random(depth: 4, using: &random)
      let bytes = try MessagePackEncoder().encode(value)
      #expect(refusal(bytes) == nil)
      #expect(try MessagePackDecoder().decode(AnyValue.self, from: bytes) == value)
    }
  }

  /// Lets other tests run now and then: they share two threads with this one, and their limits are in seconds.
  private func others(_ round: Int) async {
    if round.isMultiple(of: 256) { await Task.yield() }
  }

  /// Why the bytes are no MessagePack value; nil when they are one.
  private func refusal(_ bytes: [UInt8]) -> String? {
    var reader = MessagePackReader(bytes[...])
    do throws(MessagePackError) {
      try reader.skip()
      return nil
    } catch {
      return error.description
    }
  }

  /// Reads bytes as everything the bus reads bytes as.
  private func decodeAsEverything(_ bytes: [UInt8]) {
    let decoder = MessagePackDecoder()
    _ = try? Request(bytes)
    _ = try? Response(bytes)
    _ = try? decoder.decode(MessagePackDecodingTests.Everything.self, from: bytes)
    _ = try? decoder.decode([String: [String]].self, from: bytes)
    _ = try? decoder.decode(Timestamp.self, from: bytes)
    _ = try? decoder.decode(AnyValue.self, from: bytes)
  }
}

/// A value of any shape that tells which one it is: an array of a type's name and the value.
private enum AnyValue: Codable, Hashable {
  case absent
  case bool(Bool)
  case int(Int)
  case uint8(UInt8)
  case uint64(UInt64)
  case int16(Int16)
  case double(Double)
  case string(String)
  case binary(Binary)
  case time(Timestamp)
  case array([AnyValue])
  case dictionary([String: AnyValue])

  static func random(depth: Int, using random: inout SeededGenerator) -> AnyValue {
    let length = Int.random(in: 0...Int.random(in: 0...40, using: &random), using: &random)
    switch Int.random(in: 0..<(depth > 0 ? 12 : 10), using: &random) {
    case 0: return .absent
    case 1: return .bool(.random(using: &random))
    case 2: return .int(.random(in: .min ... .max, using: &random))
    case 3: return .uint8(.random(in: .min ... .max, using: &random))
    case 4: return .uint64(.random(in: .min ... .max, using: &random))
    case 5: return .int16(.random(in: .min ... .max, using: &random))
    case 6: return .double(.random(in: -1e300...1e300, using: &random))
    case 7: return .string(String((0..<length).map { _ in "aä€😀\0\n".randomElement(using: &random)! }))
    case 8: return .binary(Binary((0..<length * 8).map { _ in .random(in: 0...255, using: &random) }))
    case 9:
      return .time(
        Timestamp(
          seconds: .random(in: .min ... .max, using: &random),
          nanoseconds: .random(in: 0..<1_000_000_000, using: &random)))
    case 10: return .array((0..<length / 2).map { _ in .random(depth: depth - 1, using: &random) })
    default:
      return .dictionary(
        Dictionary((0..<length / 2).map { ("\($0)", .random(depth: depth - 1, using: &random)) }) { $1 })
    }
  }

  init(from decoder: any Decoder) throws {
    var values = try decoder.unkeyedContainer()
    switch try values.decode(String.self) {
    case "absent": self = try values.decodeNil() ? .absent : .bool(false)
    case "bool": self = .bool(try values.decode(Bool.self))
    case "int": self = .int(try values.decode(Int.self))
    case "uint8": self = .uint8(try values.decode(UInt8.self))
    case "uint64": self = .uint64(try values.decode(UInt64.self))
    case "int16": self = .int16(try values.decode(Int16.self))
    case "double": self = .double(try values.decode(Double.self))
    case "string": self = .string(try values.decode(String.self))
    case "binary": self = .binary(try values.decode(Binary.self))
    case "time": self = .time(try values.decode(Timestamp.self))
    case "array": self = .array(try values.decode([AnyValue].self))
    case "dictionary": self = .dictionary(try values.decode([String: AnyValue].self))
    case let other: throw CallError("no type \(other)")
    }
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.unkeyedContainer()
    func write(_ name: String, _ value: some Encodable) throws {
      try values.encode(name)
      try values.encode(value)
    }
    switch self {
    case .absent: try write("absent", Int?.none)
    case .bool(let value): try write("bool", value)
    case .int(let value): try write("int", value)
    case .uint8(let value): try write("uint8", value)
    case .uint64(let value): try write("uint64", value)
    case .int16(let value): try write("int16", value)
    case .double(let value): try write("double", value)
    case .string(let value): try write("string", value)
    case .binary(let value): try write("binary", value)
    case .time(let value): try write("time", value)
    case .array(let value): try write("array", value)
    case .dictionary(let value): try write("dictionary", value)
    }
  }
}
