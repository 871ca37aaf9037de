/// What stands in a file in which Traefik keeps certificates: for which names it has one. A value of one JSON object.
package struct StoredCertificates: Equatable, Sendable {
  /// In any order, wildcards as `*.DOMAIN`.
  package private(set) var names: Set<String> = []

  /// Returns nil for anything but one whole JSON object: for a file that was cut off, say, or one of zeros.
  package init?(_ bytes: [UInt8]) {
    var reader = JSONReader(bytes: bytes)
    guard reader.object(into: &names) else { return nil }
  }

  /// Finds the ends of strings, objects and arrays; what else stands between them is Traefik's affair.
  private struct JSONReader {
    let bytes: [UInt8]
    private var index = 0
    /// What each object or array that is open ends with.
    private var open: [UInt8] = []

    init(bytes: [UInt8]) {
      self.bytes = bytes
    }

    mutating func object(into names: inout Set<String>) -> Bool {
      skipBlanks()
      guard index < bytes.count, bytes[index] == UInt8(ascii: "{") else { return false }
      /// The last string that a colon followed.
      var key = ""
      repeat {
        skipBlanks()
        guard index < bytes.count else { return false }
        let byte = bytes[index]
        index += 1
        switch byte {
        case UInt8(ascii: "{"): open.append(UInt8(ascii: "}"))
        case UInt8(ascii: "["): open.append(UInt8(ascii: "]"))
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
          guard open.popLast() == byte else { return false }
          key = ""
        case UInt8(ascii: "\""):
          guard let text = string() else { return false }
          skipBlanks()
          if index < bytes.count, bytes[index] == UInt8(ascii: ":") {
            key = String(decoding: text, as: UTF8.self)
          } else if key == "main" || key == "sans" {
            names.insert(String(decoding: text, as: UTF8.self))
          }
        case 0..<0x20: return false
        default: break
        }
      } while !open.isEmpty
      skipBlanks()
      return index == bytes.count
    }

    /// What stands before the closing quote, with its escapes; nil when there is none.
    private mutating func string() -> ArraySlice<UInt8>? {
      let start = index
      while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
        guard bytes[index] >= 0x20 else { return nil }
        index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
      }
      guard index < bytes.count else { return nil }
      defer { index += 1 }
      return bytes[start..<index]
    }

    private mutating func skipBlanks() {
      while index < bytes.count, [0x20, 0x0a, 0x0d, 0x09].contains(bytes[index]) { index += 1 }
    }
  }
}
