public import GatewayClient
import GatewayModule
import Glibc
public import ProxyConfig
import RPC
public import Records
public import System

/// What is known of the node whose gateway is asked: from the running gateway, and where it does not answer, from its files.
public struct NodeView: Sendable {
  public enum Source: Sendable {
    /// The running gateway. Its files, processes and ports can be seen only when it runs on this machine.
    case gateway(NodeInfo, isHere: Bool)
    /// Its files, for this reason.
    case files(reason: String)
  }

  public let source: Source
  /// The gateway's directory; nil on another machine.
  public let root: GatewayRoot?
  /// The directory that was given and is not the gateway's; nil for none.
  public let wrongRoot: String?
  /// The network namespace that Traefik runs in; nil for that of this process.
  public let namespace: NetworkNamespace?
  private let gateway: GatewayClient?

  /// How long the gateway may take to tell.
  public static let patience = Duration.seconds(8)

  /// - Parameters:
  ///   - gateway: the running one.
  ///   - root: the directory that was given; nil for the gateway's own, or where that is not known the standard one.
  ///   - namespace: the one that was given; nil for the gateway's own.
  public init(asking gateway: GatewayClient, root: String?, namespace: NetworkNamespace?) async {
    let answer: Result<NodeInfo, any Error>
    do {
      answer = .success(try await gateway.node())
    } catch {
      answer = .failure(error)
    }
    self.init(answer, gateway, root: root, namespace: namespace)
  }

  /// A node whose gateway does not answer, and is known by its files.
  ///
  /// - Parameters:
  ///   - root: the directory that was given; nil for the standard one.
  ///   - silence: why the gateway does not tell.
  public init(root: String?, silence: any Error) {
    self.init(.failure(silence), nil, root: root, namespace: nil)
  }

  init(
    _ answer: Result<NodeInfo, any Error>, _ gateway: GatewayClient?, root: String?, namespace: NetworkNamespace?
  ) {
    self.gateway = gateway
    let given = root.map { GatewayRoot($0) }
    switch answer {
    case .success(let info):
      let isHere = !info.machine.isEmpty && info.machine == BootClock.bootID
      source = .gateway(info, isHere: isHere)
      self.root = isHere ? GatewayRoot(info.root) : nil
      wrongRoot = given.flatMap { $0.path == info.root ? nil : $0.path }
      self.namespace = isHere ? namespace ?? (try? NetworkNamespace(info.netns)) : namespace
    case .failure(let error):
      source = .files(reason: "\(error)")
      self.root = given ?? GatewayRoot(GatewayRoot.standardPath)
      wrongRoot = nil
      self.namespace = namespace
    }
  }

  /// What the gateway told; nil when it did not.
  public var info: NodeInfo? {
    if case .gateway(let info, _) = source { info } else { nil }
  }

  /// Where all else comes from, in words.
  public var origin: String {
    switch source {
    case .gateway(let info, true): "asked the gateway: version \(info.version), pid \(info.pid), root \(info.root)"
    case .gateway(let info, false):
      "asked the gateway: version \(info.version), on another machine, \(info.host); what takes its files, processes and "
        + "ports is left out"
    case .files(let reason): "read the files below \(root?.path ?? ""), since the gateway does not tell: \(reason)"
    }
  }

  /// What is wrong with the directory that was given, in words; nil for nothing.
  public var complaint: String? {
    wrongRoot.map { "the gateway's root is \(info?.root ?? ""), not \($0), which is not used" }
  }

  /// Where a process of this machine reaches Traefik, and where it is meant to listen.
  ///
  /// - Throws: ``NodeError``.
  public func addresses() throws(NodeError) -> StaticConfiguration.Addresses {
    do {
      if let info {
        return StaticConfiguration.Addresses(
          http: try ListenAddress(info.httpAddress), https: try ListenAddress(info.httpsAddress),
          metrics: try ListenAddress(info.traefikAddress))
      }
      return try StaticConfiguration.addresses(in: staticConfiguration())
    } catch let error as NodeError {
      throw error
    } catch {
      throw NodeError(info == nil ? "\(root?.traefikConfiguration ?? ""): \(error)" : "\(error)")
    }
  }

  /// Where to connect to for what Traefik takes at an address.
  ///
  /// - Throws: ``NodeError`` when the node is another machine whose public address is not known.
  func reach(_ address: ListenAddress) throws(NodeError) -> Endpoint {
    guard case .gateway(let info, false) = source else { return address.local }
    if let specific = address.address, !specific.isUnspecified, !specific.isLoopback {
      return Endpoint(address: specific, port: address.port)
    }
    guard let first = info.publicIPs.lazy.compactMap({ try? IPAddress($0) }).first else {
      throw NodeError("the gateway runs on another machine, \(info.host), whose public address it does not know")
    }
    return Endpoint(address: first, port: address.port)
  }

  /// Whether Traefik is to get certificates.
  ///
  /// - Throws: ``NodeError``.
  func asksForCertificates() throws(NodeError) -> Bool {
    if let info { return !info.certificateAuthority.isEmpty }
    do {
      return try StaticConfiguration.asksForCertificates(in: staticConfiguration())
    } catch let error as NodeError {
      throw error
    } catch {
      throw NodeError("\(root?.traefikConfiguration ?? ""): \(error)")
    }
  }

  /// The node's domain and public addresses.
  ///
  /// - Throws: ``NodeError`` when they are not known.
  func zone() throws(NodeError) -> ChallengeZone {
    do {
      if let info {
        guard info.networkFault.isEmpty else { throw NodeError(info.networkFault) }
        return ChallengeZone(
          domain: try info.domain.isEmpty ? nil : Domain(info.domain),
          addresses: try info.publicIPs.map(IPAddress.init),
          knot: try (info.dns?.addresses ?? []).map { try Endpoint($0) })
      }
      guard let root else { throw NodeError("nothing is known of the node") }
      return try ChallengeZone.read(from: root)
    } catch let error as NodeError {
      throw error
    } catch {
      throw NodeError("\(error)")
    }
  }

  /// When Traefik is to ask again for the certificate of a domain; nil when that is not on hold, or not told.
  func nextTry(for domain: Domain) async -> Timestamp? {
    let names = (try? await gateway?.node())?.withoutCertificate ?? []
    let wildcard = domain.parent.map { "*.\($0)" }
    return names.first { $0.name == domain.rawValue || $0.name == wildcard }?.nextTry
  }

  // MARK: Traefik's metrics

  /// What Traefik says of its taking in routes; nil when it does not, or cannot be asked.
  func reloads(within limit: Duration) async -> TraefikReloads? {
    if case .gateway(_, false) = source {
      guard let traefik = (try? await gateway?.node())?.traefik, let last = traefik.lastReload
      else { return nil }
      return TraefikReloads(
        count: traefik.reloads, last: Double(last.seconds), started: traefik.started.map { Double($0.seconds) })
    }
    guard let address = try? addresses().metrics.local else { return nil }
    return (try? await TraefikScrape(address: address, namespace: namespace).reloads(within: limit)) ?? nil
  }

  /// How many requests for a workload Traefik has counted since it started; nil when that cannot be asked.
  func requests(for workload: String, within limit: Duration) async -> Double? {
    if case .gateway(_, false) = source { return nil }
    guard let address = try? addresses().metrics.local,
      let metrics = try? await SiteRequest(nil, at: address, in: namespace).fetch(
        "/metrics", within: limit, bodyLimit: 1 << 26), metrics.response?.status == 200
    else { return nil }
    let lines = (metrics.response?.body ?? []).split(separator: UInt8(ascii: "\n"))
    return lines.filter { $0.starts(with: "traefik_service_requests_total{".utf8) }
      .map { String(decoding: $0, as: UTF8.self) }.filter { $0.contains("service=\"\(workload)@file\"") }
      .reduce(0) { $0 + ($1.split(separator: " ").last.flatMap { Double($0) } ?? 0) }
  }

  private func staticConfiguration() throws(NodeError) -> [UInt8] {
    guard let root else { throw NodeError("nothing is known of the node") }
    do throws(FileError) {
      return try FileSystem.read(root.traefikConfiguration, limit: 1 << 20).bytes
    } catch {
      throw NodeError("\(error)" + (error.code == ENOENT ? "; the gateway writes it when it starts" : ""))
    }
  }
}

/// What is not known of a node.
public struct NodeError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

extension ListenAddress {
  /// Where a process of the same machine connects to.
  var local: Endpoint {
    guard let address, !address.isUnspecified else { return try! Endpoint("127.0.0.1:\(port)") }
    return Endpoint(address: address, port: port)
  }
}
