import GatewayModule
import ProxyConfig
import Testing

@testable import GatewayControl

/// What Traefik's answers say of how far a route has come.
@Suite(.timeLimit(.minutes(5)))
struct ServingStateTests {
  private static let domain = try! Domain("shop.example.org")
  private static let default404 = SiteRequest.HTTPResponse(
    status: 404, header: "Content-Length: 19\r\nX-Content-Type-Options: nosniff\r\n\r\n")
  private static let traefiksOwn = PeerCertificate(
    subject: "CN=TRAEFIK DEFAULT CERT", isForName: false, fingerprint: [1])
  private static let traefiksNext = PeerCertificate(
    subject: "CN=TRAEFIK DEFAULT CERT", isForName: false, fingerprint: [4])
  private static let right = PeerCertificate(
    subject: "CN=shop", issuer: "CN=authority", isForName: true, end: "Feb 19", isTrusted: true, fingerprint: [2])

  private static func sighting(
    _ certificate: PeerCertificate?, _ response: SiteRequest.HTTPResponse? = nil, failure: String? = nil,
    isConnected: Bool = true, reloads: TraefikReloads? = .init(count: 7, last: 1000), fileChanged: Double? = 1000.9,
    hasTraffic: Bool = false, asksForCertificates: Bool = true,
    strangers: [PeerCertificate?] = [traefiksOwn, traefiksOwn]
  ) -> ServingState.SiteView {
    var outcome = SiteRequest.Fetched()
    outcome.isConnected = isConnected
    outcome.certificate = certificate
    outcome.response = response
    outcome.failure = failure
    return ServingState.SiteView(
      site: outcome, start: .init(time: 1000.5, reloads: .init(count: 6, last: 1000)), reloads: reloads,
      fileChanged: fileChanged, hasTraffic: hasTraffic,
      asksForCertificates: asksForCertificates, strangersCertificates: strangers)
  }

  private static func ok(_ status: Int = 200) -> SiteRequest.HTTPResponse { .init(status: status) }

  static let terminated: [(ServingState.SiteView, ServingState)] = [
    (
      sighting(nil, failure: "connection refused", isConnected: false),
      .waiting(.traefik, reason: "Traefik does not listen: connection refused")
    ),
    (
      sighting(right, ok(), reloads: .init(count: 7, last: 999)),
      .waiting(.traefik, reason: "Traefik has not read its routes since the file was written")
    ),
    // In the same second, but before.
    (
      sighting(right, ok(), reloads: .init(count: 6, last: 1000)),
      .waiting(.traefik, reason: "Traefik has not read its routes since the file was written")
    ),
    // The file is the one that was there; or Traefik has been restarted.
    (
      sighting(right, ok(), reloads: .init(count: 6, last: 1000), fileChanged: 1000.1),
      .serving("status 200, certificate of CN=authority, valid until Feb 19")
    ),
    (
      sighting(right, ok(), reloads: .init(count: 1, last: 1001)),
      .serving("status 200, certificate of CN=authority, valid until Feb 19")
    ),
    (sighting(nil, failure: "TLS handshake: no"), .waiting(.traefik, reason: "TLS handshake: no")),
    (
      sighting(traefiksOwn, default404, asksForCertificates: false),
      .waiting(.traefik, reason: "Traefik knows no route for shop.example.org")
    ),
    // Where no certificates are asked for, none is waited for; one that is there all the same counts.
    (
      sighting(traefiksOwn, ok(), asksForCertificates: false),
      .serving("status 200, with 'CN=TRAEFIK DEFAULT CERT', which is not for shop.example.org")
    ),
    (
      sighting(traefiksOwn, ok(502), asksForCertificates: false),
      .waiting(.backend, reason: "Traefik answers 502: the backends do not")
    ),
    (
      sighting(
        PeerCertificate(subject: "CN=shop", isForName: true, isCurrent: false, end: "Feb 19"),
        asksForCertificates: false),
      .waiting(.certificate, reason: "the certificate is not valid now; it ends Feb 19")
    ),
    // Without a look at the file, the count tells; the start is then known to have been before.
    (
      sighting(right, ok(), reloads: .init(count: 6, last: 1000), fileChanged: nil),
      .waiting(.traefik, reason: "Traefik has not read its routes since the file was written")
    ),
    (
      sighting(right, ok(), reloads: .init(count: 6, last: 1000, started: 5), fileChanged: nil),
      .serving("status 200, certificate of CN=authority, valid until Feb 19")
    ),
    (sighting(right, default404), .waiting(.traefik, reason: "Traefik knows no route for shop.example.org")),
    // A backend that answers the very same.
    (
      sighting(right, default404, hasTraffic: true),
      .serving("status 404, certificate of CN=authority, valid until Feb 19")
    ),
    (
      sighting(traefiksOwn, ok(502)),
      .waiting(.certificate, reason: "Traefik shows 'CN=TRAEFIK DEFAULT CERT', which is not for shop.example.org")
    ),
    (
      sighting(PeerCertificate(subject: "CN=shop", isForName: true, isCurrent: false, end: "Feb 19"), ok()),
      .waiting(.certificate, reason: "the certificate is not valid now; it ends Feb 19")
    ),
    (sighting(right, ok(502)), .waiting(.backend, reason: "Traefik answers 502: the backends do not")),
    (sighting(right, ok(504)), .waiting(.backend, reason: "Traefik answers 504: the backends do not")),
    (sighting(right, failure: "receive: no answer in time"), .waiting(.backend, reason: "receive: no answer in time")),
    (sighting(right, ok(500)), .serving("status 500, certificate of CN=authority, valid until Feb 19")),
    // What cannot be known does not count.
    (
      sighting(right, ok(), reloads: nil, fileChanged: nil),
      .serving("status 200, certificate of CN=authority, valid until Feb 19")
    ),
    (
      sighting(PeerCertificate(subject: "", issuer: "CN=own", isForName: true, end: "Feb 19"), ok(301)),
      .serving("status 301, certificate of CN=own, which this machine does not trust, valid until Feb 19")
    ),
  ]

  /// What was seen, and what is made of it, which is its name.
  struct Case: CustomTestStringConvertible {
    let sighting: ServingState.SiteView
    let state: ServingState

    var testDescription: String {
      switch state {
      case .waiting(let step, let reason): "\(step): \(reason)"
      case .serving(let text): text
      }
    }
  }

  @Test(arguments: terminated.map(Case.init))
  func judgesTerminatedTLS(_ given: Case) {
    #expect(ServingState(given.sighting, domain: Self.domain, passesTLSThrough: false) == given.state)
  }

  static let passedThrough: [(ServingState.SiteView, ServingState)] = [
    (
      sighting(traefiksOwn, default404),
      .waiting(.traefik, reason: "Traefik does not pass TLS through for shop.example.org")
    ),
    (
      sighting(nil, failure: "TLS handshake: the connection was closed"),
      .waiting(.backend, reason: "no TLS from a backend: TLS handshake: the connection was closed")
    ),
    // Traefik has made itself another certificate, before or after it was asked for the site's.
    (
      sighting(traefiksOwn, strangers: [traefiksOwn, traefiksNext]),
      .waiting(.traefik, reason: "Traefik does not pass TLS through for shop.example.org")
    ),
    (
      sighting(traefiksNext, strangers: [traefiksOwn, traefiksNext]),
      .waiting(.traefik, reason: "Traefik does not pass TLS through for shop.example.org")
    ),
    (
      sighting(right, strangers: [traefiksOwn, traefiksNext]),
      .waiting(.traefik, reason: "Traefik is taking routes in")
    ),
    // Its certificate is its own matter, and so is what it speaks.
    (
      sighting(PeerCertificate(subject: "CN=other", isForName: false, isCurrent: false, fingerprint: [3])),
      .serving("certificate 'CN=other' of the backend")
    ),
  ]

  @Test(arguments: passedThrough.map(Case.init))
  func judgesTLSThatIsPassedThrough(_ given: Case) {
    #expect(ServingState(given.sighting, domain: Self.domain, passesTLSThrough: true) == given.state)
  }

  @Test func reloadsAreReadFromMetrics() {
    let text = """
      # TYPE traefik_config_last_reload_success gauge
      traefik_config_last_reload_success 1.763735043e+09
      # TYPE traefik_config_reloads_total counter
      traefik_config_reloads_total 3

      """
    #expect(TraefikReloads(text) == TraefikReloads(count: 3, last: 1_763_735_043))
    #expect(TraefikReloads("") == nil)
  }

  @Test func stepsAreInOrder() {
    #expect(ServingStep.allCases.sorted() == [.file, .traefik, .certificate, .backend])
    #expect(ServingStep.steps(passesTLSThrough: true) == [.file, .traefik, .backend])
  }
}
