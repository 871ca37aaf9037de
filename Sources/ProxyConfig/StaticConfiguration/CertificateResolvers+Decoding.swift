import Records
import System

extension CertificateResolvers {
  /// Reads from a static configuration how long Traefik is told that certificates live, in hours; nil where it gets none.
  ///
  /// - Throws: `UnreadableFile` for what no ``StaticConfiguration`` wrote.
  public static func certificateHours(in bytes: [UInt8]) throws(UnreadableFile) -> Int? {
    var reader = YAMLDocumentReader()
    try reader.read(bytes.span)
    guard !reader.nodes.isEmpty else { throw UnreadableFile(line: nil, problem: "it is empty") }
    do {
      let root = YAMLDocument(nodes: reader.nodes, text: reader.text).root
      guard let acme = try root.field("certificatesResolvers")?.field(Route.ResolverName.own)?.field("acme") else {
        return nil
      }
      guard let hours = try acme.field("certificatesDuration")?.string else { return defaultCertificateHours }
      guard let number = Int(hours), number > 0 else {
        throw UnreadableFile(line: nil, problem: "\(quoted(hours)) hours are no time for a certificate")
      }
      return number
    } catch let fault as UnreadableFile {
      throw fault
    } catch {
      throw UnreadableFile(line: (error as? FileMismatch)?.line, problem: "\(error)")
    }
  }
}
