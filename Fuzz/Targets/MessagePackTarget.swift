import GatewayClient
import GatewayModule

@testable import RPC

/// MessagePack into a value with a field of every kind.
///
/// - Skipping ends inside the bytes, and nothing decodes that cannot be skipped.
/// - Where the bytes stand in a larger array makes no difference.
/// - What was decoded, encoded and decoded again is the same, and its encoding ends where skipping it ends. So is an answer of
///   `Node`.
@c(fuzz_messagepack)
public func fuzzMessagePack(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = bytes(start, count)
  var reader = MessagePackReader(input[...])
  let isWellFormed = (try? reader.skip()) != nil
  expect(0...count ~= reader.position, "the cursor stays in the bytes")

  if let node = try? MessagePackDecoder().decode(NodeInfo.self, from: input) {
    expect(isWellFormed, "a node that decodes is well formed")
    let encoded = try? MessagePackEncoder().encode(node)
    let again = encoded.flatMap { try? MessagePackDecoder().decode(NodeInfo.self, from: $0) }
    expect(try again.map { try MessagePackEncoder().encode($0) } == encoded, "a node's round trip is the identity")
  }

  let value = try? MessagePackDecoder().decode(Everything.self, from: input)
  let framed = [0xc1] + input + [0xc1]
  let elsewhere = try? MessagePackDecoder().decode(Everything.self, from: framed[1..<count + 1])
  expect((value == nil) == (elsewhere == nil), "it decodes wherever it stands")
  guard let value, let elsewhere else { return 0 }
  expect(isWellFormed, "what decodes is well formed")

  do {
    // Compared as bytes: some floating-point numbers differ from themselves.
    let encoded = try MessagePackEncoder().encode(value)
    let once = try sorted(encoded)
    expect(try sorted(MessagePackEncoder().encode(elsewhere)) == once, "it is the same wherever it stands")
    let again = try MessagePackDecoder().decode(Everything.self, from: encoded)
    expect(try sorted(MessagePackEncoder().encode(again)) == once, "a round trip is the identity")
  } catch let error as MessagePackError where error.reason == .tooDeep {
    // A structure that the input leaves out, at the greatest depth, is written as one of zeros, which is deeper.
    return 0
  } catch {
    fatalError("what was decoded cannot be encoded and decoded again: \(error)")
  }
  return 0
}

/// An encoding with the entries of its maps in the order of their keys: equal dictionaries have them in any.
private func sorted(_ encoding: [UInt8]) throws -> [UInt8] {
  var reader = MessagePackReader(encoding[...])

  func value() throws -> [UInt8] {
    let start = reader.position
    let head = try reader.readHead()
    let headBytes = encoding[start..<reader.position]
    switch head {
    case .array(let count):
      return try (0..<count).reduce(into: Array(headBytes)) { bytes, _ in bytes += try value() }
    case .map(let count):
      let entries = try (0..<count).map { _ in (key: try value(), value: try value()) }
      return entries.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        .reduce(into: Array(headBytes)) { bytes, entry in bytes += entry.key + entry.value }
    case .string(let length), .binary(let length), .extension(_, let length):
      return Array(headBytes + reader.readBytes(length))
    case .null, .boolean, .unsigned, .signed, .float:
      return Array(headBytes)
    }
  }

  let sorted = try value()
  expect(reader.remaining == 0, "an encoding is one value")
  return sorted
}

/// A field of every kind. The keys are short, so that the fuzzer hits on them.
private struct Everything: Codable {
  let a: Bool
  let b: Int8
  let c: Int16
  let d: Int32
  let e: Int64
  let f: Int
  let g: UInt8
  let h: UInt16
  let i: UInt32
  let j: UInt64
  let k: UInt
  let l: Float
  let m: Double
  let n: String
  let o: Binary
  let p: Timestamp
  let q: String?
  let r: [Int]
  let s: [[String]]
  let t: [String: Double]
  let u: Inner
  let v: Inner?
  let w: [Inner]
  let x: Tree
  let y: Kind?
  let z: Derived
  let ca: [Int: String]
  let cb: [Double?]
  let cc: NestedByHand

  struct Inner: Codable {
    let a: UInt8
    let b: [Binary]
    let c: [String: [Timestamp]]
  }

  /// As deep as the input is.
  struct Tree: Codable {
    let a: [Tree]
    let b: [String: Tree]
  }

  enum Kind: String, Codable {
    case one
    case two
  }

  class Base: Codable {
    let a: String
  }

  final class Derived: Base {
    let b: Int

    private enum CodingKeys: String, CodingKey { case b }

    required init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      b = try container.decode(Int.self, forKey: .b)
      try super.init(from: container.superDecoder())
    }

    override func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(b, forKey: .b)
      try super.encode(to: container.superEncoder())
    }
  }

  /// A struct in an array in a struct, without types of their own.
  struct NestedByHand: Codable {
    let numbers: [Int]

    private enum CodingKeys: String, CodingKey { case a }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      var elements = try container.nestedUnkeyedContainer(forKey: .a)
      var numbers: [Int] = []
      while !elements.isAtEnd {
        if try elements.decodeNil() { continue }
        let element = try elements.nestedContainer(keyedBy: CodingKeys.self)
        numbers.append(try element.decodeIfPresent(Int.self, forKey: .a) ?? -1)
      }
      self.numbers = numbers
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      var elements = container.nestedUnkeyedContainer(forKey: .a)
      for number in numbers {
        var element = elements.nestedContainer(keyedBy: CodingKeys.self)
        try element.encode(number, forKey: .a)
      }
    }
  }
}
