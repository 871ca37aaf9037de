@testable import GatewayModule

extension TrafficLedger {
  /// Takes in what Traefik shows, where nothing is known of the wire.
  mutating func take(_ reading: Traffic, start: Double?) {
    var backends = BackendTraffic()
    take(reading, start: start, &backends) { _ in nil }
  }
}
