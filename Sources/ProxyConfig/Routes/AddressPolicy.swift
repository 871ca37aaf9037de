import Records
import System

/// Which addresses may serve as a backend.
public enum AddressPolicy: Hashable, Sendable {
  /// A backend somebody asks for: no unspecified, link-local, multicast or broadcast address, no loopback one unless
  /// `allowLoopback`, and none of `nodeAddresses`, the node's own public ones, which would make Traefik call itself. On an
  /// allowed loopback only `traefik`, where Traefik listens, would do that.
  case requested(nodeAddresses: Set<IPAddress>, allowLoopback: Bool = false, traefik: [ListenAddress] = [])

  /// A backend read back from a route file: it passed when it was asked for, and the node's addresses may have changed since.
  case alreadyAccepted

  /// Why `endpoint` is refused; `nil` when it may serve.
  package func fault(_ endpoint: Endpoint) -> String? {
    guard case .requested(let nodeAddresses, let allowLoopback, let traefik) = self else { return nil }
    let address = endpoint.address
    if let fault = address.faultAsTarget(allowsLoopback: allowLoopback) { return fault }
    if address.isLoopback {
      let isTraefik = traefik.contains { listener in
        listener.port == endpoint.port
          && listener.address.map { $0.isUnspecified || $0 == address } ?? true
      }
      return isTraefik ? "it is where Traefik listens" : nil
    }
    if nodeAddresses.contains(address) { return "the address is one of this node's own" }
    return nil
  }
}
