public import ArgumentParser
public import ProxyConfig
import System

/// How Traefik gets certificates.
struct ACMEOptions: ParsableArguments {
  @Option(
    help: .init(
      "The e-mail address of the account at the certificate authority. Without it no certificates are ordered.",
      valueName: "address"),
    transform: EmailAddress.init)
  var acmeEmail: EmailAddress?

  @Option(
    help: .init(
      "The ACME directory of the certificate authority, or 'staging' for Let's Encrypt's, for trials. (default: Let's Encrypt)",
      valueName: "url"),
    transform: CertificateAuthority.init)
  var acmeCA = CertificateAuthority.letsEncrypt

  @Option(
    name: .customLong("acme-resolver"), parsing: .upToNextOption,
    help: .init(
      "Where Traefik looks up the challenge's record before the certificate authority does; needed where the system's resolvers must not be used, or answer from a cache.",
      valueName: "ip:port"),
    transform: { try Endpoint($0, defaultPort: 53) })
  var acmeResolvers: [Endpoint] = []

  @Option(
    help: .init(
      "Who must serve the record before the authority looks: 'all' name servers of the zone; the 'resolvers' only, when this node cannot reach its own public addresses; 'none', when it cannot ask the DNS at all.",
      valueName: "whom"))
  var acmePropagation = CertificateResolvers.Propagation.all

  @Option(
    help: .init(
      "How long the authority's certificates live, in hours, from 1 to 87600, so that they are renewed in time: 24 for those of a day, 160 for Let's Encrypt's of six days.",
      valueName: "n"))
  var acmeCertificateHours = CertificateResolvers.defaultCertificateHours

  @Option(
    help: .init(
      "How long Traefik may take to get a certificate, in seconds, from 1 to 3600. Then the name is on hold, and is tried again after 12 times as long, twice that, and so on, at most 288 times.",
      valueName: "seconds"))
  var acmePatience = 300

  var certificates: CertificateResolvers? {
    acmeEmail.map {
      var resolvers = CertificateResolvers(
        email: $0, authority: acmeCA, resolvers: acmeResolvers, propagation: acmePropagation, hasDomain: true)
      resolvers.certificateHours = acmeCertificateHours
      return resolvers
    }
  }

  func validate() throws {
    try checkRange(acmeCertificateHours, 1...87600, of: "--acme-certificate-hours")
    try checkRange(acmePatience, 1...3600, of: "--acme-patience")
  }
}

extension CertificateResolvers.Propagation: ExpressibleByArgument {}
