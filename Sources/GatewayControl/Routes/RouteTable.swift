public import GatewayClient
import GatewayModule

/// Routes for people to read, a line each.
public struct RouteTable: Sendable {
  private let routes: [RouteInfo]

  /// - Parameter routes: in any order; they are shown by workload.
  public init(_ routes: [RouteInfo]) {
    self.routes = routes.sorted { $0.workload < $1.workload }
  }

  /// On a terminal that is too narrow for a route's backends the first ones are shown, and how many more there are.
  public func text(for terminal: Terminal) -> String {
    let header = ["WORKLOAD", "KIND", "DOMAIN", "TLS", "BACKENDS"]
    let starts = routes.map { route in
      [route.workload, route.kind.rawValue, route.fqdn, route.passesTLSThrough ? "passthrough" : "terminated"]
    }
    let room =
      terminal.isInteractive ? terminal.width - Table.indent([header] + starts.map { $0 + [""] }) : Int.max
    let rows = zip(starts, routes).map { start, route in start + [Self.backends(route.allBackends, room: room)] }
    return Table(header: header, rows: rows).description
  }

  private static func backends(_ backends: [String], room: Int) -> String {
    let all = backends.joined(separator: " ")
    guard all.count > room, backends.count > 1 else { return all }
    var shown = backends.count - 1
    func text() -> String { "\(backends.prefix(shown).joined(separator: " ")) +\(backends.count - shown) more" }
    // At least one, even if the line then wraps.
    while shown > 1, text().count > room { shown -= 1 }
    return text()
  }
}

extension RouteInfo {
  /// Those for plain HTTP at the end.
  fileprivate var allBackends: [String] { backends + httpBackends.map { "http://\($0)" } }
}
