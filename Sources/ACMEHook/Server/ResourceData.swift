import Records
import System

/// The data of a DNS record, in the form it has in a message (RFC 1035, section 3.3).
struct ResourceData: Hashable {
  private(set) var bytes: [UInt8]

  /// A domain name: each label after its length, and the root.
  init(_ name: Domain) {
    bytes = []
    for label in name.rawValue.split(separator: ".") {
      bytes.append(UInt8(label.utf8.count))
      bytes += label.utf8
    }
    appendRoot()
  }

  init(_ address: IPAddress) {
    bytes = SocketAddress(address, port: 0).addressBytes
  }

  mutating func appendRoot() {
    bytes.append(0)
  }

  mutating func append(_ number: UInt32) {
    withUnsafeBytes(of: number.bigEndian) { bytes += $0 }
  }

  var hexadecimal: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
