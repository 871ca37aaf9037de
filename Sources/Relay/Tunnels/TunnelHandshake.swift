import NIOCore

/// What a client says first, on its first stream: a magic number, the length of the secret, both in two bytes, big-endian, and
/// the secret. It may come byte by byte.
struct TunnelHandshake {
  enum Version: UInt16 {
    /// tcprouter's, which gets no answer.
    case first = 0x1111
    /// Which gets one.
    case second = 0x1112

    /// As lists show it.
    var number: Int { self == .first ? 1 : 2 }
  }

  struct Outcome {
    let version: Version
    let secret: TunnelSecret
  }

  /// Why a client is sent away; what it is told in version 2.
  enum Answer: UInt8 {
    case accepted
    case unknownSecret
    case tooManySessions
    case goingAway

    var text: String {
      switch self {
      case .accepted: ""
      case .unknownSecret: "there is no tunnel with this secret"
      case .tooManySessions: "the tunnel has as many sessions as it may have"
      case .goingAway: "this relay is being stopped"
      }
    }

    /// One byte, the text's length and the text.
    var bytes: ByteBuffer {
      var buffer = ByteBuffer()
      buffer.writeMultipleIntegers(rawValue, UInt8(text.utf8.count))
      buffer.writeString(text)
      return buffer
    }
  }

  struct Malformed: Error, CustomStringConvertible {
    let description: String
  }

  private var bytes = ByteBuffer()

  /// - Returns: nil while there is more to come.
  mutating func receive(_ data: ByteBuffer) throws(Malformed) -> Outcome? {
    bytes.writeImmutableBuffer(data)
    guard let magic: UInt16 = bytes.getInteger(at: bytes.readerIndex) else { return nil }
    guard let version = Version(rawValue: magic) else { throw Malformed(description: "not a client of a tunnel") }
    guard let length: UInt16 = bytes.getInteger(at: bytes.readerIndex + 2) else { return nil }
    guard TunnelSecret.length.contains(Int(length)) else {
      throw Malformed(description: "a secret of \(length) bytes: it has 16 to 512")
    }
    guard bytes.readableBytes >= 4 + Int(length) else { return nil }
    guard bytes.readableBytes == 4 + Int(length) else { throw Malformed(description: "more than the handshake") }
    guard let secret = try? TunnelSecret(bytes.readableBytesView.dropFirst(4)) else {
      throw Malformed(description: "a secret of \(length) bytes: it has 16 to 512")
    }
    return Outcome(version: version, secret: secret)
  }

  /// What a client says.
  static func bytes(_ version: Version, _ secret: TunnelSecret) -> ByteBuffer {
    var buffer = ByteBuffer()
    buffer.writeMultipleIntegers(version.rawValue, UInt16(secret.bytes.count))
    buffer.writeBytes(secret.bytes)
    return buffer
  }
}
