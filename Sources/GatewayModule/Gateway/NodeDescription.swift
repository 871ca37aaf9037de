import GatewayClient
import Glibc
import NIOPosix
public import ProxyConfig
import RPC
public import Records
public import System

/// What a gateway was started with, as far as others may know, and what it can see of Traefik.
public struct NodeDescription: Sendable {
  private let root: GatewayRoot
  private let http: ListenAddress
  private let https: ListenAddress
  private let metrics: Endpoint
  private let namespace: NetworkNamespace?
  private let authority: CertificateAuthority?
  private let certificates: CertificateWatch?
  private let started = Timestamp.now

  /// - Parameters:
  ///   - http: where Traefik is to take plain HTTP.
  ///   - https: where Traefik is to take HTTPS and TLS.
  ///   - metrics: where Traefik's metrics are to be.
  ///   - namespace: the one that Traefik runs in; nil for this process's own.
  ///   - authority: where Traefik is to get certificates; nil for none.
  ///   - certificates: knows of which names Traefik has none; nil when it is to get none.
  public init(
    root: GatewayRoot, http: ListenAddress, https: ListenAddress, metrics: Endpoint, namespace: NetworkNamespace?,
    authority: CertificateAuthority?, certificates: CertificateWatch?
  ) {
    self.root = root
    self.http = http
    self.https = https
    self.metrics = metrics
    self.namespace = namespace
    self.authority = authority
    self.certificates = certificates
  }

  /// Where Traefik is to take requests.
  var listeners: [ListenAddress] { [http, https] }

  /// All that is told, with what others know.
  func info(_ network: Result<PublicNetwork, PublicNetworkUnknown>, _ store: RouteStore) async -> NodeInfo {
    async let traefik = traefik()
    let quarantine = try? await NIOThreadPool.singleton.runIfActive {
      store.quarantine(limit: NodeInfo.quarantineLimit)
    }
    var domain = ""
    var addresses: [String] = []
    var fault = ""
    switch network {
    case .success(let network):
      domain = network.domain?.rawValue ?? ""
      addresses = network.addresses.map(\.description)
    case .failure(let error): fault = "\(error)"
    }
    let limit = Timestamp.now.seconds - NodeInfo.certificatePatience
    let missing = certificates.map { certificates in
      let nextTries = certificates.nextTries
      return certificates.missing.filter { $0.value / 1_000_000_000 < limit || nextTries[$0.key] != nil }
        .sorted { $0.key < $1.key }.map { (name: $0.key, since: $0.value, nextTry: nextTries[$0.key]) }
    }
    return NodeInfo(
      version: ProgramVersion.text, pid: Int(getpid()), started: started, machine: BootClock.bootID,
      host: Self.hostName, root: root.path, domain: domain, publicIPs: addresses, networkFault: fault,
      httpAddress: "\(http)", httpsAddress: "\(https)", traefikAddress: "\(metrics)", netns: namespace?.name ?? "",
      certificateAuthority: authority?.directory ?? "", routes: store.count, quarantined: quarantine?.count ?? 0,
      quarantine: (quarantine?.files ?? []).map { QuarantinedFile(name: $0.name, reason: $0.reason) },
      traefik: await traefik,
      withoutCertificates: missing?.count,
      withoutCertificate: missing.map { missing in
        missing.prefix(NodeInfo.quarantineLimit).map { name, written, nextTry in
          UncertifiedName(
            name: name,
            since: Timestamp(seconds: written / 1_000_000_000, nanoseconds: UInt32(max(0, written % 1_000_000_000))),
            nextTry: nextTry)
        }
      })
  }

  private func traefik() async -> TraefikInfo {
    var info = TraefikInfo()
    do throws(ScrapeError) {
      let reloads = try await TraefikScrape(address: metrics, namespace: namespace).reloads(within: .seconds(2))
      info.isUp = true
      guard let reloads else { return info }
      info.reloads = reloads.count
      info.lastReload = Self.time(reloads.last)
      info.started = reloads.started.flatMap(Self.time)
      let written = try? await NIOThreadPool.singleton.runIfActive { [root] in
        try FileSystem.status(root.traefikConfiguration).stamp.modified
      }
      info.isOutdated = written.map { reloads.isOlder(than: Double($0) / 1e9) } ?? false
    } catch {
      info.fault = "\(error)"
    }
    return info
  }

  /// nil for what is no time, or none that anything happened at.
  private static func time(_ seconds: Double) -> Timestamp? {
    guard seconds > 0, let whole = Int64(exactly: seconds.rounded(.down)) else { return nil }
    return Timestamp(seconds: whole, nanoseconds: UInt32((seconds - seconds.rounded(.down)) * 1e9))
  }

  private static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "" }
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
