import GatewayClient

/// Whether the relay runs and serves what the gateway has stored, by what the gateway tells of it.
enum RelayCheck {
  private static let name = "relay"

  static func check(_ info: RelayInfo?) -> [Check] {
    guard let info else { return [] }
    guard info.fault.isEmpty else {
      return [.failure(name, info.fault, "\(Unit.relay.remedy(.start)), and see its log and its --root")]
    }
    let tunnels = "of \(info.tunnels) tunnels \(info.connected) have a client"
    let pipes = "of \(info.pipes) pipes \(info.listening) take connections"
    return [
      info.listening == info.pipes
        ? .ok(name, "\(tunnels), \(pipes)") : .warning(name, "\(tunnels), \(pipes)", "gatewayctl pipe list")
    ]
  }
}
