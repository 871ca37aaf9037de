import ProxyConfig

/// What Traefik's metrics say of its taking in routes.
public struct TraefikReloads: Hashable, Sendable {
  /// How often it did since it started.
  let count: Double
  /// When it last did, in whole seconds since the epoch.
  let last: Double

  init(count: Double, last: Double) {
    self.count = count
    self.last = last
  }

  /// Reads lines of the Prometheus text format; nil when they say nothing of it.
  init?(_ metrics: String) {
    func value(_ name: String) -> Double? {
      metrics.split(separator: "\n").first { $0.hasPrefix("\(name) ") }?.split(separator: " ").last.flatMap {
        Double($0)
      }
    }
    guard let count = value("traefik_config_reloads_total"), let last = value("traefik_config_last_reload_success")
    else {
      return nil
    }
    self.init(count: count, last: last)
  }

  /// Asks Traefik; nil when it does not say.
  static func read(from address: Endpoint, of node: NodeSettings, within limit: Duration) async throws
    -> TraefikReloads?
  {
    let request = SiteRequest(nil, at: address, in: node.namespace)
    // Metrics come by name, those of the configuration before those of the services.
    let outcome = try await request.fetch("/metrics", within: limit, bodyLimit: 1 << 18)
    guard let response = outcome.response, response.status == 200 else { return nil }
    return TraefikReloads(String(decoding: response.body, as: UTF8.self))
  }
}
