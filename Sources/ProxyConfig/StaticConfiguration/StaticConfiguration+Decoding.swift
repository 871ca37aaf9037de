import Records
public import System

extension StaticConfiguration {
  /// What of a static configuration others go by: where Traefik listens with it.
  public struct Addresses: Hashable, Sendable {
    /// Where plain HTTP comes in.
    public let http: ListenAddress
    /// Where HTTPS and passed-through TLS come in.
    public let https: ListenAddress
    /// Where the Prometheus metrics are.
    public let metrics: ListenAddress

    /// - Parameters:
    ///   - http: where plain HTTP comes in.
    ///   - https: where HTTPS and passed-through TLS come in.
    ///   - metrics: where the Prometheus metrics are.
    public init(http: ListenAddress, https: ListenAddress, metrics: ListenAddress) {
      (self.http, self.https, self.metrics) = (http, https, metrics)
    }
  }

  /// Reads what ``encoded()`` wrote: whether Traefik is to get certificates.
  ///
  /// - Throws: `UnreadableFile` for anything else.
  public static func asksForCertificates(in bytes: [UInt8]) throws(UnreadableFile) -> Bool {
    let root = try root(of: bytes)
    do throws(FileMismatch) {
      return try root.field("certificatesResolvers") != nil
    } catch {
      throw UnreadableFile(line: error.line, problem: "\(error)")
    }
  }

  private static func root(of bytes: [UInt8]) throws(UnreadableFile) -> YAMLNode {
    var reader = YAMLDocumentReader()
    try reader.read(bytes.span)
    guard !reader.nodes.isEmpty else { throw UnreadableFile(line: nil, problem: "it is empty") }
    return YAMLDocument(nodes: reader.nodes, text: reader.text).root
  }

  /// Reads what ``encoded()`` wrote, for the addresses in it.
  ///
  /// - Throws: `UnreadableFile` for anything else.
  public static func addresses(in bytes: [UInt8]) throws(UnreadableFile) -> Addresses {
    let root = try root(of: bytes)
    func address(_ entryPoint: String) throws(UnreadableFile) -> ListenAddress {
      do {
        let entryPoints = try root.field("entryPoints")
        guard let address = try entryPoints?.field(entryPoint)?.field("address") else {
          throw UnreadableFile(line: nil, problem: "the entry point \(quoted(entryPoint)) has no address")
        }
        return try ListenAddress(address.string)
      } catch let fault as UnreadableFile {
        throw fault
      } catch {
        throw UnreadableFile(line: (error as? FileMismatch)?.line, problem: "\(error)")
      }
    }
    return Addresses(
      http: try address(EntryPoint.web), https: try address(EntryPoint.webSecure),
      metrics: try address(EntryPoint.metrics))
  }
}
