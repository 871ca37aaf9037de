import Foundation
import Testing

/// Bytes that the reference implementation of the bus produced, from `zbus.tsv`.
struct Vector: Sendable, CustomTestStringConvertible {
  let name: String
  let bytes: [UInt8]

  var testDescription: String { name }

  static let all: [Vector] = {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "zbus.tsv")
    let text = try! String(contentsOf: file, encoding: .utf8)
    return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
      let columns = line.split(separator: "\t")
      return Vector(name: String(columns[0]), bytes: hex(String(columns[1])))
    }
  }()

  /// The bytes of one vector.
  static func bytes(_ name: String) throws -> [UInt8] {
    try #require(all.first { $0.name == name }, "no vector \(name)").bytes
  }
}
