public import GatewayClient
import GatewayModule
public import RPC
import System

/// What `gatewayctl status` shows: the module's objects and workers, and what the gateway tells of itself.
public struct StatusReport: Encodable, Sendable {
  private let status: ModuleStatus
  /// nil when it does not tell.
  private let node: NodeInfo?

  public init(_ status: ModuleStatus, _ node: NodeInfo?) {
    self.status = status
    self.node = node
  }

  /// For people.
  public var lines: [String] {
    let busy = status.workers.filter { $0.state == .busy }
    var lines: [String] = []
    if let node {
      let quarantined = node.quarantined > 0 ? ", \(node.quarantined) files in quarantine" : ""
      lines.append("gateway  \(node.version), pid \(node.pid) since \(UTCTime(node.started)), root \(node.root)")
      lines.append("routes   \(node.routes)\(quarantined)")
      lines.append("traefik  \(Self.text(node.traefik))")
      if let relay = node.relay { lines.append("relay    \(Self.text(relay))") }
      if let missing = MissingCertificates(node) {
        lines.append("certs    \(missing.finding)")
        if missing.count > 0 { lines.append("         \(MissingCertificates.remedy)") }
      }
    }
    lines.append("objects  \(status.objects.map(\.description).joined(separator: " "))")
    lines.append("workers  \(status.workers.count), of which busy \(busy.count)")
    for worker in busy {
      lines.append("         \(worker.action) for \(max(0, Timestamp.now.seconds - worker.startTime.seconds)) s")
    }
    return lines
  }

  private static func text(_ traefik: TraefikInfo) -> String {
    guard traefik.isUp else { return "down: \(traefik.fault)" }
    let started = traefik.started.map { " since \(UTCTime($0))" } ?? ""
    let reload = traefik.lastReload.map { ", took routes in at \(UTCTime($0))" } ?? ""
    return "up\(started)\(reload)" + (traefik.isOutdated ? ", with an older static configuration: restart it" : "")
  }

  private static func text(_ relay: RelayInfo) -> String {
    guard relay.fault.isEmpty else { return "down: \(relay.fault)" }
    let started = relay.started.map { " since \(UTCTime($0))" } ?? ""
    return "up\(started), \(relay.connected) of \(relay.tunnels) tunnels with a client, "
      + "\(relay.listening) of \(relay.pipes) pipes listening"
  }

  private enum CodingKeys: String, CodingKey {
    case objects = "Objects"
    case workers = "Workers"
    case node = "Node"
  }

  /// As on the bus, but for the times, which are text (RFC 3339).
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(status.objects, forKey: .objects)
    try container.encode(status.workers, forKey: .workers)
    try container.encodeIfPresent(node, forKey: .node)
  }
}
