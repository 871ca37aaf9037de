/// A certificate and its key, in PEM files.
public struct Certificate: Sendable {
  public let file: String
  public let key: String

  /// Makes a self-signed certificate for a name, valid for a day.
  public static func selfSigned(for name: String, in directory: TemporaryDirectory) async throws -> Certificate {
    let certificate = Certificate(
      file: directory.file("\(name).crt"), key: directory.file("\(name).key"))
    try await Command.succeed(
      Repository.program("openssl"),
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "1",
        "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name)",
        "-keyout", certificate.key, "-out", certificate.file,
      ])
    return certificate
  }
}
