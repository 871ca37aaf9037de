import COpenSSL
import Records
public import System

/// What the client of a tunnel proves itself by: 16 to 512 bytes, of any kind.
public struct TunnelSecret: Sendable {
  /// How many bytes a secret has.
  public static let length = 16...512

  let bytes: [UInt8]

  /// - Throws: `InvalidValue`, which does not repeat the secret, for another length.
  public init(_ bytes: some Sequence<UInt8>) throws(InvalidValue) {
    self.bytes = Array(bytes)
    guard Self.length.contains(self.bytes.count) else {
      throw InvalidValue("invalid secret of \(self.bytes.count) bytes: it must have 16 to 512")
    }
  }

  /// A new one: 32 random bytes in base64url (RFC 4648, section 5), as text of 43 characters.
  public static func random() -> (secret: TunnelSecret, text: String) {
    var generator = SystemRandomNumberGenerator()
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for place in 0...group.count { text.append(alphabet[bits >> (18 - 6 * place) & 63]) }
    }
    guard let secret = try? TunnelSecret(text) else { preconditionFailure("43 bytes are enough") }
    return (secret, String(decoding: text, as: UTF8.self))
  }

  public var digest: Digest { Digest(bytes) }

  /// The SHA-256 (FIPS 180-4) of a secret: all that is kept of it. To look one up in a table tells by the time it takes nothing of a
  /// secret, but something of a digest at most.
  public struct Digest: Hashable, Sendable, CustomStringConvertible {
    /// 64 hexadecimal digits, in lower case.
    public let text: String

    /// Not the whole of it.
    public var description: String { "sha256:\(text.prefix(12))" }

    init(_ bytes: [UInt8]) {
      var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
      SHA256(bytes, bytes.count, &digest)
      let digits = Array("0123456789abcdef".utf8)
      text = String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// - Throws: `InvalidValue` for what is not 64 hexadecimal digits.
    init(_ text: String) throws(InvalidValue) {
      guard text.utf8.count == 64, text.utf8.allSatisfy(ASCII.isHexDigit) else {
        throw InvalidValue("SHA-256", text, "it has 64 hexadecimal digits")
      }
      self.text = text.lowercased()
    }
  }
}
