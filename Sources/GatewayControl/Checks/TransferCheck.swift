import GatewayModule
import ProxyConfig
import System

/// Whether Traefik runs with the local plugin that gives a request's header another time than its body.
///
/// Traefik does not tell which plugins it has. But this one answers requests for a host of its own, for anybody: 204. Without it
/// Traefik has no router for that host, and answers 404.
struct TransferCheck {
  private static let name = "transfers"
  /// How often Traefik is asked: it may just have been started.
  private static let attempts = 3

  let node: NodeView

  func check() async -> [Check] {
    guard let root = node.info?.root ?? node.root?.path, let addresses = try? node.addresses() else { return [] }
    guard LongTransfers.isPossible(in: root) else {
      return [
        .warning(
          Self.name, "Traefik cannot have the plugin 'timeouts' below \(root): a request's header may take any time",
          "move the root to a path of letters, digits and / . _ ~ - alone")
      ]
    }
    for attempt in 1... {
      if attempt > 1 { try? await Task.sleep(for: .seconds(1)) }
      let answers = [await ask(addresses.https, isSecure: true), await ask(addresses.http, isSecure: false)]
      // That nobody answers is told elsewhere.
      let statuses = answers.compactMap { $0 }
      if statuses.isEmpty { return [] }
      if statuses.allSatisfy({ $0 == 204 }) {
        return [.ok(Self.name, "Traefik has the plugin 'timeouts': bodies and streams may take any time")]
      }
      guard attempt >= Self.attempts else { continue }
      return [
        .warning(
          Self.name,
          "Traefik runs without the plugin 'timeouts' (it answers \(statuses.first { $0 != 204 } ?? 0)): requests are cut off "
            + "that take longer than --header-timeout, bodies too",
          "its log says why, behind 'plugin'; then \(Unit.traefik.remedy(.restart))")
      ]
    }
    return []
  }

  /// Returns the status, and nil when there was none.
  private func ask(_ listener: ListenAddress, isSecure: Bool) async -> Int? {
    guard let address = try? node.reach(listener), let host = try? Domain(LongTransfers.host) else { return nil }
    let request = SiteRequest(host, at: address, in: node.namespace)
    let limit = Duration.seconds(5)
    let outcome =
      try? await isSecure
      ? request.askForHead(within: limit) : request.fetch("/", within: limit, bodyLimit: 0)
    return outcome?.response?.status
  }
}
