import COpenSSL
import FoundationEssentials
import GatewayModule
import Glibc
import ProxyConfig
import Records
import System

/// Whether the certificates that Traefik got are renewed in time.
struct RenewalCheck {
  private static let name = "renewal"

  /// A certificate in Traefik's storage.
  struct Stored: Hashable {
    /// Of its domain, the first one.
    let name: String
    /// In seconds, how long it is good for in all.
    let lifetime: Int
    /// In seconds, how long it still is; negative when it is not any more.
    let remaining: Int
  }

  let root: GatewayRoot

  /// Returns nothing for a node that gets no certificates, or is none.
  func check() -> [Check] {
    let configuration = root.traefikConfiguration
    do {
      let bytes = try FileSystem.read(configuration, limit: 1 << 20).bytes
      guard let hours = try CertificateResolvers.certificateHours(in: bytes) else { return [] }
      var certificates: [Stored] = []
      for storage in CertificateResolvers.Storage.allCases {
        certificates += try Self.certificates(in: "\(root.traefik)/\(storage.rawValue)")
      }
      return [Self.check(certificates, toldHours: hours)]
    } catch let fault as UnreadableFile {
      return [.failure(Self.name, "\(configuration): \(fault)")]
    } catch let error as FileError where error.code == ENOENT {
      // No Traefik, no certificates; others tell of that.
      return []
    } catch let error as FileError where error.code == EACCES {
      return [.warning(Self.name, "\(error)", "run this as root")]
    } catch {
      return [.failure(Self.name, "\(error)")]
    }
  }

  /// - Parameter hours: how long Traefik is told that certificates live.
  static func check(_ certificates: [Stored], toldHours hours: Int) -> Check {
    guard let next = certificates.min(by: { $0.remaining < $1.remaining }),
      let shortest = certificates.min(by: { $0.lifetime < $1.lifetime })
    else { return .ok(name, "no certificate yet") }
    let times = RenewalTimes(certificateHours: hours)
    if shortest.lifetime <= times.beforeEnd {
      let finding =
        "certificates live for \(span(shortest.lifetime)), and Traefik expects \(span(hours * 3600)): "
        + "it renews them only every \(span(times.interval))"
      // As many as there are, but for the second that some leave out.
      let remedy =
        "start the gateway with --acme-certificate-hours \((shortest.lifetime + 1800) / 3600), restart Traefik"
      return shortest.lifetime <= times.interval
        ? .failure(name, finding + ", when they have run out", remedy)
        : .warning(name, finding + ", whether they are old or new", remedy)
    }
    let log = "see Traefik's log for the domain, and docs/certificates.md"
    if next.remaining <= 0 {
      return .failure(name, "the certificate of \(next.name) ran out \(span(-next.remaining)) ago", log)
    }
    if next.remaining < times.beforeEnd - 2 * times.interval {
      return .warning(
        name, "the certificate of \(next.name) runs out in \(span(next.remaining)) and is not renewed", log)
    }
    return .ok(name, "\(certificates.count) certificates, of which the first runs out in \(span(next.remaining))")
  }

  private static func span(_ seconds: Int) -> String {
    switch seconds {
    case 172_800...: "\((seconds + 43_200) / 86_400) days"
    case 7_200...: "\((seconds + 1_800) / 3_600) h"
    default: "\((seconds + 30) / 60) min"
    }
  }

  // MARK: Traefik's storage

  /// By the name of the resolver.
  private typealias StoredAccounts = [String: ACMEAccount]

  private struct ACMEAccount: Decodable {
    let certificates: [CertificateEntry]?

    private enum CodingKeys: String, CodingKey {
      case certificates = "Certificates"
    }
  }

  private struct CertificateEntry: Decodable {
    struct CertificateDomain: Decodable {
      let main: String?
    }
    let domain: CertificateDomain
    /// PEM, in base 64.
    let certificate: Data
  }

  private static func certificates(in path: String) throws -> [Stored] {
    guard let bytes = try FileSystem.content(of: path, limit: CertificateStorage.largest) else { return [] }
    // It is made empty.
    guard !bytes.isEmpty else { return [] }
    let accounts: StoredAccounts
    do {
      accounts = try JSONDecoder().decode(StoredAccounts.self, from: Data(bytes))
    } catch {
      throw UnreadableStorage(path: path)
    }
    return accounts.values.flatMap { $0.certificates ?? [] }.compactMap { entry in
      times(Array(entry.certificate)).map {
        Stored(name: entry.domain.main ?? "?", lifetime: $0.lifetime, remaining: $0.remaining)
      }
    }
  }

  private struct UnreadableStorage: Error, CustomStringConvertible {
    let path: String
    var description: String { "\(path) is not what Traefik writes" }
  }

  /// Returns nil for what is no certificate.
  private static func times(_ pem: [UInt8]) -> (lifetime: Int, remaining: Int)? {
    pem.withUnsafeBytes { bytes in
      guard let memory = BIO_new_mem_buf(bytes.baseAddress, CInt(clamping: bytes.count)) else { return nil }
      defer { BIO_free(memory) }
      guard let certificate = PEM_read_bio_X509(memory, nil, nil, nil) else {
        ERR_clear_error()
        return nil
      }
      defer { X509_free(certificate) }
      guard
        let lifetime = difference(X509_get0_notBefore(certificate), X509_get0_notAfter(certificate)),
        let remaining = difference(nil, X509_get0_notAfter(certificate))
      else { return nil }
      return (lifetime, remaining)
    }
  }

  /// In seconds; from now where there is no start.
  private static func difference(_ start: UnsafePointer<ASN1_TIME>?, _ end: UnsafePointer<ASN1_TIME>?) -> Int? {
    var (days, seconds): (CInt, CInt) = (0, 0)
    guard ASN1_TIME_diff(&days, &seconds, start, end) == 1 else { return nil }
    return Int(days) * 86_400 + Int(seconds)
  }
}
