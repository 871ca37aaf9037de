import GatewayModule
import ProxyConfig

/// What has to happen, in this order, before the world sees a route.
public enum ServingStep: String, Hashable, Sendable, CaseIterable, Codable {
  /// The gateway acknowledged the route: its file is on disk.
  case file
  /// Traefik has taken the route in.
  case traefik
  /// Traefik shows a certificate that is for the domain and valid now. With TLS passed through it is not Traefik's matter.
  case certificate
  /// A backend answers, or completes the TLS handshake that is passed through to it.
  case backend

  /// The steps of a route.
  public static func steps(passesTLSThrough: Bool) -> [ServingStep] {
    passesTLSThrough ? [.file, .traefik, .backend] : allCases
  }
}

/// How far a route has come, by what Traefik answers for its domain.
public enum ServingState: Hashable, Sendable {
  /// It goes no further than this step, so far.
  case waiting(ServingStep, reason: String)
  /// The world sees it; this is what it sees.
  case serving(String)

  /// What Traefik has to be asked before its answer can be judged.
  struct SiteView: Sendable {
    /// The answer to a request for the domain.
    var site: SiteRequest.Fetched
    /// What was known before the route was set.
    var start = ServingWait.Start(time: 0, reloads: nil)
    var reloads: TraefikReloads?
    /// When the route's file was put in place, in seconds since the epoch.
    var fileChanged: Double?
    /// Whether Traefik has counted something for the workload since the time before.
    var hasTraffic = false
    /// Whether Traefik is to get certificates. Where it is not, it shows one of its own.
    var asksForCertificates = true
    /// What Traefik showed for names that no route has, before and after the site was asked: it makes itself another one
    /// whenever it takes routes in.
    var strangersCertificates: [PeerCertificate?] = []

    /// Whether Traefik is known not to have taken its routes in since the file was put in place.
    var isBeforeReload: Bool {
      guard let reloads else { return false }
      guard let fileChanged else {
        return !start.isKnown && reloads.count == start.reloads?.count && reloads.started == start.reloads?.started
      }
      // Traefik tells whole seconds. Within one, and of a file that was just written, its count tells.
      return reloads.last < fileChanged.rounded(.down)
        || fileChanged >= start.time && reloads.count == start.reloads?.count
    }
  }

  init(_ sighting: SiteView, domain: Domain, passesTLSThrough: Bool) {
    let site = sighting.site
    guard site.isConnected else {
      self = .waiting(.traefik, reason: "Traefik does not listen: \(site.failure ?? "no connection")")
      return
    }
    if sighting.isBeforeReload {
      self = .waiting(.traefik, reason: "Traefik has not read its routes since the file was written")
      return
    }
    self = passesTLSThrough ? Self.passedThrough(sighting, domain) : Self.terminated(sighting, domain)
  }

  private static func terminated(_ sighting: SiteView, _ domain: Domain) -> ServingState {
    let site = sighting.site
    guard let certificate = site.certificate else {
      return .waiting(.traefik, reason: site.failure ?? "no certificate was shown")
    }
    if sighting.asksForCertificates || certificate.isForName {
      guard certificate.isForName else {
        return .waiting(.certificate, reason: "Traefik shows \(quotedSubject(certificate)), which is not for \(domain)")
      }
      guard certificate.isCurrent else {
        return .waiting(.certificate, reason: "the certificate is not valid now; it ends \(certificate.end)")
      }
    }
    // A backend may answer the very same; but then Traefik counts it for the workload.
    if site.response?.isTraefiksNotFound == true, !sighting.hasTraffic {
      return .waiting(.traefik, reason: "Traefik knows no route for \(domain)")
    }
    guard let response = site.response else {
      return .waiting(.backend, reason: site.failure ?? "no answer")
    }
    if [502, 503, 504].contains(response.status) {
      return .waiting(.backend, reason: "Traefik answers \(response.status): the backends do not")
    }
    guard certificate.isForName else {
      return .serving("status \(response.status), with \(quotedSubject(certificate)), which is not for \(domain)")
    }
    let trust = certificate.isTrusted ? "" : ", which this machine does not trust"
    let from = "certificate of \(certificate.issuer)\(trust)"
    return .serving("status \(response.status), \(from), valid until \(certificate.end)")
  }

  private static func passedThrough(_ sighting: SiteView, _ domain: Domain) -> ServingState {
    // Without a route Traefik ends TLS itself, with the certificate that it has for names it does not know.
    guard let certificate = sighting.site.certificate else {
      return .waiting(.backend, reason: "no TLS from a backend: \(sighting.site.failure ?? "no certificate was shown")")
    }
    let strangers = Set(sighting.strangersCertificates.map { $0?.fingerprint })
    if strangers.contains(certificate.fingerprint) {
      return .waiting(.traefik, reason: "Traefik does not pass TLS through for \(domain)")
    }
    guard strangers.count <= 1 else { return .waiting(.traefik, reason: "Traefik is taking routes in") }
    return .serving("certificate \(quotedSubject(certificate)) of the backend")
  }

  private static func quotedSubject(_ certificate: PeerCertificate) -> String {
    certificate.subject.isEmpty ? "a certificate" : "'\(certificate.subject)'"
  }
}

extension SiteRequest.HTTPResponse {
  /// Whether it is what Traefik answers for a name that it does not know, to a request for the head: as many bytes as
  /// `404 page not found` has, which Go's own HTTP server writes.
  var isTraefiksNotFound: Bool {
    let fields = header.lowercased().split(whereSeparator: \.isNewline)
    return status == 404 && fields.contains("content-length: 19") && fields.contains("x-content-type-options: nosniff")
  }
}
