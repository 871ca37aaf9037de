/// Where Traefik listens: `:port` on every address of the machine, or `IP:port` on one, with IPv6 in brackets.
public struct ListenAddress: Hashable, Sendable {
  /// `nil` for every address.
  public let address: IPAddress?
  /// 1 to 65535.
  public let port: UInt16

  /// Reads `:port` or `IP:port`.
  ///
  /// - Throws: `InvalidValue` for a host that is no IP address, IPv6 without brackets, and a port that is not from 1 to 65535.
  public init(_ text: String) throws(InvalidValue) {
    let bytes = text.utf8[...]
    do throws(Endpoint.SyntaxFault) {
      if bytes.first == UInt8(ascii: ":"), !bytes.dropFirst().contains(UInt8(ascii: ":")) {
        address = nil
        port = try Endpoint.port(bytes)
      } else {
        let endpoint = try Endpoint(bytes, defaultPort: nil)
        address = endpoint.address
        port = endpoint.port
      }
    } catch {
      throw InvalidValue("listen address", text, error.rule)
    }
  }
}

extension ListenAddress: CustomStringConvertible {
  public var description: String {
    address.map { Endpoint(address: $0, port: port).description } ?? ":\(port)"
  }
}
