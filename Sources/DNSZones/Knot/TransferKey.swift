import Glibc
import Records
import System

/// The secret by which name servers that follow this one are known (TSIG, RFC 8945), in a file such as keymgr(8) of Knot DNS 3.2
/// prints, which every knotd takes into its configuration:
///
///     key:
///       - id: gateway-transfer
///         algorithm: hmac-sha256
///         secret: 3LB8E+hMkXP5…
public struct TransferKey: Hashable, Sendable {
  /// The name by which both sides know it.
  public let name: String
  let algorithm: String
  /// In base64 (RFC 4648, 4).
  let secret: String

  private static let algorithms: Set = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"]
  private static let maximumSize = 1 << 16

  /// Reads the key in a file, or makes one where there is no file, readable by its owner alone.
  ///
  /// - Throws: `InvalidValue` for a file that is no key, or `FileError`.
  public init(at path: String) throws {
    if let bytes = try FileSystem.content(of: path, limit: Self.maximumSize) {
      do throws(FileMismatch) {
        self = try Self(file: bytes.span)
      } catch {
        throw InvalidValue("transfer key", path, "\(error)")
      }
      return
    }
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    (name, algorithm, secret) = ("gateway-transfer", "hmac-sha256", Self.base64(bytes))
    try FileSystem.replace(path, with: encoded(), mode: 0o600)
  }

  init(file: Span<UInt8>) throws(FileMismatch) {
    let root = try YAMLNode(document: file)
    let keys = try root.members(["key"])[0].required("key", in: root)
    let elements = try keys.elements
    guard elements.count == 1 else { throw keys.mismatch("one key is needed, there are \(elements.count)") }
    let key = elements[0]
    let fields = try key.members(["id", "algorithm", "secret"])
    name = try fields[0].required("id", in: key).string
    algorithm = try fields[1].required("algorithm", in: key).string
    secret = try fields[2].required("secret", in: key).string
    let values = [name, algorithm, secret]
    try key.checked(
      Result { () throws(InvalidValue) in
        guard (try? Domain("\(values[0]).test")) != nil else {
          throw InvalidValue("id", values[0], "it is a domain name")
        }
        guard Self.algorithms.contains(values[1]) else {
          throw InvalidValue("algorithm", values[1], "it is one of \(Self.algorithms.sorted().joined(separator: ", "))")
        }
        let digits = values[2].utf8.reversed().drop { $0 == UInt8(ascii: "=") }
        guard digits.count >= 22, values[2].utf8.count.isMultiple(of: 4),
          digits.allSatisfy({ ASCII.isLetterOrDigit($0) || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/") })
        // What it is, is nobody's business.
        else { throw InvalidValue("secret", "…", "it is base64 of at least 16 bytes") }
      })
  }

  private func encoded() -> [UInt8] {
    Array("key:\n  - id: \(name)\n    algorithm: \(algorithm)\n    secret: \(secret)\n".utf8)
  }

  private static func base64(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for place in 0..<4 {
        text.append(place > group.count ? UInt8(ascii: "=") : digits[bits >> (18 - 6 * place) & 63])
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}
