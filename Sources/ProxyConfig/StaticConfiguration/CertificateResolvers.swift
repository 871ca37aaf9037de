import Records
public import System

/// How Traefik gets certificates, by ACME (RFC 8555): for FQDN routes each its own by HTTP-01, for named routes one
/// wildcard by DNS-01, with an external program that puts the challenge's record into the DNS.
public struct CertificateResolvers: Hashable, Sendable {
  /// The servers whose answers Traefik waits for before it lets the certificate authority look for the challenge's record.
  public enum Propagation: String, CaseIterable, Hashable, Sendable {
    /// The resolvers', and those of every name server that is responsible for the name.
    case all
    /// The resolvers' alone: for a node that cannot reach its own public address.
    case resolvers
    /// Nobody's: for a node that cannot ask the DNS at all.
    case none
  }

  /// To whom the account at the certificate authority belongs.
  public var email: EmailAddress
  /// Who issues the certificates.
  public var authority: CertificateAuthority
  /// Where Traefik looks up the challenge's record; the system's resolvers when there are none.
  public var resolvers: [Endpoint]
  /// Who has to see the challenge's record first.
  public var propagation: Propagation
  /// Whether there is a domain to get a wildcard certificate for.
  public var hasDomain: Bool
  /// How long the authority's certificates live, in hours, from 1: by it Traefik knows when to renew one and how often to look (see
  /// ``RenewalTimes``).
  public var certificateHours = defaultCertificateHours

  /// Of certificates that live for 90 days, which is what Traefik expects unless told otherwise.
  public static let defaultCertificateHours = 2160

  /// - Parameters:
  ///   - email: whose account it is.
  ///   - authority: who issues the certificates.
  ///   - resolvers: where Traefik looks up the challenge's record; none for the system's.
  ///   - propagation: who has to see that record first.
  ///   - hasDomain: whether there is a domain to get a wildcard certificate for.
  public init(
    email: EmailAddress, authority: CertificateAuthority = .letsEncrypt, resolvers: [Endpoint] = [],
    propagation: Propagation = .all, hasDomain: Bool
  ) {
    self.email = email
    self.authority = authority
    self.resolvers = resolvers
    self.propagation = propagation
    self.hasDomain = hasDomain
  }

  /// The files in which Traefik keeps what it got, in the folder `<root>/traefik`.
  public enum Storage: String, CaseIterable, Sendable {
    /// For certificates of single domains.
    case own = "acme.json"
    /// For the wildcard certificate.
    case wildcard = "acme2.json"
  }

  func encode(root: String, to yaml: YAMLWriter) {
    encode(Route.ResolverName.own, in: .own, root: root, to: yaml) {
      yaml.mapping("httpChallenge") { yaml.field("entryPoint", StaticConfiguration.EntryPoint.web) }
    }
    guard hasDomain else { return }
    encode(Route.ResolverName.wildcard, in: .wildcard, root: root, to: yaml) {
      yaml.mapping("dnsChallenge") {
        yaml.field("provider", "exec")
        if !resolvers.isEmpty {
          yaml.sequence("resolvers") { for resolver in resolvers { yaml.text(resolver.description) } }
        }
        yaml.mapping("propagation") {
          switch propagation {
          case .all: yaml.field("requireAllRNS", true)
          case .resolvers:
            // Traefik asks name servers alone unless it is told otherwise, and without them it would ask nobody.
            yaml.field("requireAllRNS", true)
            yaml.field("disableANSChecks", true)
          case .none: yaml.field("disableChecks", true)
          }
        }
      }
    }
  }

  private func encode(
    _ name: String, in storage: Storage, root: String, to yaml: YAMLWriter, challenge: () -> Void
  ) {
    yaml.mapping(name) {
      yaml.mapping("acme") {
        yaml.field("email", email.rawValue)
        yaml.field("caServer", authority.directory)
        yaml.field("storage", "\(root)/traefik/\(storage.rawValue)")
        if certificateHours != Self.defaultCertificateHours {
          yaml.field("certificatesDuration", "\(certificateHours)")
        }
        challenge()
      }
    }
  }
}

/// An e-mail address that a certificate authority may write to: `local@domain` in ASCII, at most 254 bytes.
public struct EmailAddress: Hashable, Sendable, CustomStringConvertible {
  /// As it was given.
  public let rawValue: String

  public var description: String { rawValue }

  /// Reads an address.
  ///
  /// - Throws: `InvalidValue` for more than 254 bytes, for a text without exactly one `@` or without a domain behind it, and for a
  ///   character that no address has.
  public init(_ text: String) throws(InvalidValue) {
    func fault(_ rule: String) -> InvalidValue { InvalidValue("e-mail address", text, rule) }
    guard text.utf8.count <= 254 else { throw fault("it has more than 254 bytes") }
    let parts = text.split(separator: "@", omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, (try? Domain(parts[1])) != nil else {
      throw fault("it must be NAME@DOMAIN")
    }
    guard parts[0].utf8.allSatisfy({ ASCII.isLetterOrDigit($0) || ".!#$%&'*+/=?^_{|}~-".utf8.contains($0) })
    else { throw fault("the name has a character that no e-mail address has") }
    rawValue = text
  }
}

/// An ACME server, by the URL of its directory (RFC 8555, section 7.1.1).
public struct CertificateAuthority: Hashable, Sendable, CustomStringConvertible {
  /// The URL of its directory.
  public let directory: String

  public var description: String { directory }

  private init(directory: String) {
    self.directory = directory
  }

  /// Let's Encrypt, whose certificates browsers trust.
  public static let letsEncrypt = Self(directory: "https://acme-v02.api.letsencrypt.org/directory")
  /// For trials: its certificates are trusted by nobody, and its limits are generous.
  public static let letsEncryptStaging = Self(directory: "https://acme-staging-v02.api.letsencrypt.org/directory")

  /// The name by which CAA records allow it to issue (RFC 8659, 4.2), as its own documentation says; nil where that is not known
  /// here.
  public var issuer: String? {
    let host = directory.dropFirst("https://".count).prefix { $0 != "/" && $0 != ":" }
    return Self.issuers[host.lowercased()]
  }

  private static let issuers = [
    "acme-v02.api.letsencrypt.org": "letsencrypt.org", "acme-staging-v02.api.letsencrypt.org": "letsencrypt.org",
    "acme.zerossl.com": "sectigo.com", "api.buypass.com": "buypass.com", "acme.ssl.com": "ssl.com",
    "dv.acme-v02.api.pki.goog": "pki.goog",
  ]

  /// Reads an `https://` URL, or the word `staging` for ``letsEncryptStaging``.
  ///
  /// - Throws: `InvalidValue` for any other scheme, more than 2,048 bytes, and spaces, quotes or what is not ASCII.
  public init(_ text: String) throws(InvalidValue) {
    func fault(_ rule: String) -> InvalidValue { InvalidValue("certificate authority", text, rule) }
    if text == "staging" {
      self = .letsEncryptStaging
      return
    }
    let scheme = "https://"
    guard text.hasPrefix(scheme), text.utf8.count > scheme.utf8.count, text.utf8.count <= 2048 else {
      throw fault("it must be the https:// URL of an ACME directory, or the word staging")
    }
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "'") }) else {
      throw fault("a URL has no spaces, quotes or other characters than ASCII's")
    }
    directory = text
  }
}
