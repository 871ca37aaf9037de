public import RPC

/// The result of `Node`: what the running gateway knows of itself, its node and Traefik.
public struct NodeInfo: Hashable, Sendable, Codable {
  /// Of the program, as `gateway --version` prints it.
  public var version: String
  /// The gateway's process, as it is numbered where it runs.
  public var pid: Int
  /// When it was started.
  public var started: Timestamp
  /// Another one for each machine and each of its starts (`/proc/sys/kernel/random/boot_id`); empty where it is not told.
  public var machine: String
  /// The machine's name.
  public var host: String
  /// `--root`.
  public var root: String
  /// The node's domain; empty when it has none, or when that is not known.
  public var domain: String
  /// The node's public addresses.
  public var publicIPs: [String]
  /// Why the public network is not known; empty when it is.
  public var networkFault: String
  /// Where Traefik is to take plain HTTP: `[IP]:PORT`.
  public var httpAddress: String
  /// Where Traefik is to take HTTPS and TLS: `[IP]:PORT`.
  public var httpsAddress: String
  /// Where Traefik's metrics are to be: `IP:PORT`.
  public var traefikAddress: String
  /// The network namespace that Traefik runs in; empty for the gateway's.
  public var netns: String
  /// The ACME directory that Traefik is to get certificates from; empty when none are asked for.
  public var certificateAuthority: String
  /// How many routes there are.
  public var routes: Int
  /// How many files are in quarantine.
  public var quarantined: Int
  /// Those files by name, the first ``quarantineLimit`` of them.
  public var quarantine: [QuarantinedFile]
  /// What it sees of Traefik.
  public var traefik: TraefikInfo
  /// How many names there are that sites want a certificate for since ``certificatePatience``, or that are on hold, and that
  /// Traefik has stored none for; nil when the gateway does not tell.
  public var withoutCertificates: Int?
  /// Those names in their order, the first ``quarantineLimit`` of them.
  public var withoutCertificate: [UncertifiedName]?
  /// How it serves names; nil where it serves none.
  public var dns: DNSInfo?
  /// What it sees of the relay; nil where there are no tunnels and pipes.
  public var relay: RelayInfo?

  /// How long Traefik may take to get a certificate, in seconds.
  public static let certificatePatience: Int64 = 120

  /// How many files in quarantine are listed by name.
  public static let quarantineLimit = 100

  /// Each parameter is the property of that name.
  public init(
    version: String,
    pid: Int,
    started: Timestamp,
    machine: String,
    host: String,
    root: String,
    domain: String,
    publicIPs: [String],
    networkFault: String,
    httpAddress: String,
    httpsAddress: String,
    traefikAddress: String,
    netns: String,
    certificateAuthority: String,
    routes: Int,
    quarantined: Int,
    quarantine: [QuarantinedFile],
    traefik: TraefikInfo,
    withoutCertificates: Int? = nil,
    withoutCertificate: [UncertifiedName]? = nil,
    dns: DNSInfo? = nil,
    relay: RelayInfo? = nil
  ) {
    self.version = version
    self.pid = pid
    self.started = started
    self.machine = machine
    self.host = host
    self.root = root
    self.domain = domain
    self.publicIPs = publicIPs
    self.networkFault = networkFault
    self.httpAddress = httpAddress
    self.httpsAddress = httpsAddress
    self.traefikAddress = traefikAddress
    self.netns = netns
    self.certificateAuthority = certificateAuthority
    self.routes = routes
    self.quarantined = quarantined
    self.quarantine = quarantine
    self.traefik = traefik
    self.withoutCertificates = withoutCertificates
    self.withoutCertificate = withoutCertificate
    self.dns = dns
    self.relay = relay
  }

  private enum CodingKeys: String, CodingKey {
    case version = "Version"
    case pid = "PID"
    case started = "Started"
    case machine = "Machine"
    case host = "Host"
    case root = "Root"
    case domain = "Domain"
    case publicIPs = "PublicIPs"
    case networkFault = "NetworkFault"
    case httpAddress = "HTTPAddress"
    case httpsAddress = "HTTPSAddress"
    case traefikAddress = "TraefikAddress"
    case netns = "Netns"
    case certificateAuthority = "CertificateAuthority"
    case routes = "Routes"
    case quarantined = "Quarantined"
    case quarantine = "Quarantine"
    case traefik = "Traefik"
    case withoutCertificates = "Uncertified"
    case withoutCertificate = "WithoutCertificate"
    case dns = "DNS"
    case relay = "Relay"
  }
}

/// What a gateway sees of the relay, by its metrics.
public struct RelayInfo: Hashable, Sendable, Codable {
  /// Where it tells of itself: `IP:PORT`.
  public var address: String
  /// Why it does not do what it is there for; empty where it does.
  public var fault = ""
  /// When it was started; missing when it does not tell.
  public var started: Timestamp?
  /// How many tunnels it serves.
  public var tunnels = 0
  /// Of how many of those a client has dialled in.
  public var connected = 0
  /// How many pipes it serves.
  public var pipes = 0
  /// How many of those take connections.
  public var listening = 0

  /// - Parameter address: where it tells of itself.
  public init(address: String) {
    self.address = address
  }

  private enum CodingKeys: String, CodingKey {
    case address = "Address"
    case fault = "Fault"
    case started = "Started"
    case tunnels = "Tunnels"
    case connected = "Connected"
    case pipes = "Pipes"
    case listening = "Listening"
  }
}

/// How a gateway serves names.
public struct DNSInfo: Hashable, Sendable, Codable {
  /// Where knotd answers: `IP:PORT`.
  public var addresses: [String]
  /// The names of the gateway's name servers, the primary's first.
  public var nameservers: [String]
  /// The name servers that follow it: `IP:PORT`.
  public var secondaries: [String]
  /// Why zones are not served as they are to be; empty when they are.
  public var fault: String

  /// Each parameter is the property of that name.
  public init(addresses: [String], nameservers: [String], secondaries: [String], fault: String) {
    self.addresses = addresses
    self.nameservers = nameservers
    self.secondaries = secondaries
    self.fault = fault
  }

  private enum CodingKeys: String, CodingKey {
    case addresses = "Addresses"
    case nameservers = "Nameservers"
    case secondaries = "Secondaries"
    case fault = "Fault"
  }
}

/// A name that sites want a certificate for, and that Traefik has stored none for.
public struct UncertifiedName: Hashable, Sendable, Codable {
  /// A domain, or `*.DOMAIN` for a wildcard.
  public let name: String
  /// When the oldest of the route files that want it was written.
  public let since: Timestamp
  /// When Traefik is to ask for it again; nil when it is not on hold.
  public let nextTry: Timestamp?

  /// - Parameters:
  ///   - name: a domain, or `*.DOMAIN` for a wildcard.
  ///   - since: when the oldest of the route files that want it was written.
  ///   - nextTry: when Traefik is to ask for it again; nil when it is not on hold.
  public init(name: String, since: Timestamp, nextTry: Timestamp? = nil) {
    self.name = name
    self.since = since
    self.nextTry = nextTry
  }

  private enum CodingKeys: String, CodingKey {
    case name = "Name"
    case since = "Since"
    case nextTry = "NextTry"
  }
}

/// A file that was moved out of Traefik's sight.
public struct QuarantinedFile: Hashable, Sendable, Codable {
  /// In `<root>/quarantine`.
  public let name: String
  /// Why it is there; empty where that is not known any more.
  public let reason: String

  /// - Parameters:
  ///   - name: in `<root>/quarantine`.
  ///   - reason: why it is there.
  public init(name: String, reason: String) {
    self.name = name
    self.reason = reason
  }

  private enum CodingKeys: String, CodingKey {
    case name = "Name"
    case reason = "Reason"
  }
}

/// What the gateway sees of Traefik, by its metrics.
public struct TraefikInfo: Hashable, Sendable, Codable {
  /// Whether its metrics can be read.
  public var isUp = false
  /// Why they cannot.
  public var fault = ""
  /// When it was started; missing when it does not tell.
  public var started: Timestamp?
  /// How often it took its routes in since then.
  public var reloads = 0.0
  /// When it last did, to the second; missing when it does not tell.
  public var lastReload: Timestamp?
  /// Whether it was started before its static configuration was last written, and so runs with an older one.
  public var isOutdated = false

  /// A Traefik of which nothing is known.
  public init() {}

  private enum CodingKeys: String, CodingKey {
    case isUp = "Up"
    case fault = "Fault"
    case started = "Started"
    case reloads = "Reloads"
    case lastReload = "LastReload"
    case isOutdated = "Outdated"
  }
}
