import COpenSSL
import Glibc
import ProxyConfig
import RPC
import System

/// The certificate that a TLS server showed for a name.
public struct PeerCertificate: Hashable, Sendable {
  /// What it is for, as RFC 2253 writes it, such as `CN=app.example.com`; may be empty.
  public let subject: String
  public let issuer: String
  /// Whether it is for the name that was asked for (RFC 6125), by one of its subject alternative names.
  public let isForName: Bool
  /// Whether its time has come and is not over, by this machine's clock.
  public let isCurrent: Bool
  /// When its time is over, in UTC: `2027-02-19T10:12:13.000Z`.
  public let end: String
  /// Whether it leads to an authority that this machine trusts (`SSL_CERT_FILE`, `SSL_CERT_DIR`).
  public let isTrusted: Bool
  /// Its SHA-256 hash.
  let fingerprint: [UInt8]

  /// The one that the other side showed on a connection whose handshake is done; nil when it showed none.
  init?(_ connection: OpaquePointer, name: Domain) {
    guard let certificate = SSL_get1_peer_certificate(connection) else { return nil }
    defer { X509_free(certificate) }
    subject = Self.text { X509_NAME_print_ex($0, X509_get_subject_name(certificate), 0, COPENSSL_NAME_RFC2253) }
    issuer = Self.text { X509_NAME_print_ex($0, X509_get_issuer_name(certificate), 0, COPENSSL_NAME_RFC2253) }
    var parts = tm()
    let isTime = ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1
    end = isTime ? UTCTime(seconds: timegm(&parts), milliseconds: 0).description : ""
    let name = name.rawValue
    isForName =
      X509_check_host(certificate, name, name.utf8.count, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT), nil) == 1
    isCurrent =
      X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0
      && X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0
    isTrusted = SSL_get_verify_result(connection) == X509_V_OK
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    X509_digest(certificate, EVP_sha256(), &digest, &length)
    fingerprint = Array(digest.prefix(Int(length)))
  }

  init(
    subject: String, issuer: String = "", isForName: Bool, isCurrent: Bool = true, end: String = "",
    isTrusted: Bool = false, fingerprint: [UInt8] = []
  ) {
    self.subject = subject
    self.issuer = issuer
    self.isForName = isForName
    self.isCurrent = isCurrent
    self.end = end
    self.isTrusted = isTrusted
    self.fingerprint = fingerprint
  }

  private static func text(_ print: (OpaquePointer) -> CInt) -> String {
    guard let memory = BIO_new(BIO_s_mem()) else { return "" }
    defer { BIO_free(memory) }
    guard print(memory) >= 0 else { return "" }
    var bytes = [UInt8](repeating: 0, count: 1024)
    let count = BIO_read(memory, &bytes, CInt(bytes.count))
    return String(decoding: bytes.prefix(Int(max(count, 0))), as: UTF8.self)
  }
}
