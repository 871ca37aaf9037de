import NIOCore
import System

/// The header that Traefik puts before a client's bytes (the PROXY protocol, version 2): who the client is.
struct ProxyHeader {
  struct Malformed: Error, CustomStringConvertible {
    var description: String { "it does not begin with a PROXY protocol header, version 2" }
  }

  private static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
  /// The signature, version and command, family, and the length of what follows.
  private static let fixedSize = 16
  /// Of what follows, in bytes; Traefik says no more than addresses.
  private static let limit = 536

  /// Takes the header off the front of what has come; nil while it is not all there.
  ///
  /// - Returns: where the client is, in which nothing is when the proxy itself asks.
  static func take(from bytes: inout ByteBuffer) throws(Malformed) -> (client: Endpoint?, Void)? {
    let view = bytes.readableBytesView
    guard zip(view, signature).allSatisfy({ $0 == $1 }) else { throw Malformed() }
    guard view.count >= fixedSize else { return nil }
    let start = bytes.readerIndex
    guard let command: UInt8 = bytes.getInteger(at: start + 12), let family: UInt8 = bytes.getInteger(at: start + 13),
      let length: UInt16 = bytes.getInteger(at: start + 14), command >> 4 == 2, Int(length) <= limit
    else { throw Malformed() }
    guard view.count >= fixedSize + Int(length) else { return nil }
    let size: Int? =
      switch family >> 4 {
      case 1: 4
      case 2: 16
      default: nil
      }
    var client: Endpoint?
    if command & 15 == 1, let size {
      guard Int(length) >= 2 * size + 4,
        let address = bytes.getBytes(at: start + fixedSize, length: size).flatMap({ IPAddress(bytes: $0) }),
        let port: UInt16 = bytes.getInteger(at: start + fixedSize + 2 * size)
      else { throw Malformed() }
      client = Endpoint(address: address, port: port)
    }
    bytes.moveReaderIndex(forwardBy: fixedSize + Int(length))
    return (client, ())
  }
}
