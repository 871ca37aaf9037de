/// Which addresses may serve as a backend.
public enum AddressPolicy: Hashable, Sendable {
  /// A backend somebody asks for: no unspecified, link-local, multicast or broadcast address, no loopback one unless
  /// `allowLoopback`, and none of `nodeAddresses`, the node's own public ones, which would make Traefik call itself.
  case requested(nodeAddresses: Set<IPAddress>, allowLoopback: Bool = false)

  /// A backend read back from a route file: it passed when it was asked for, and the node's addresses may have changed since.
  case alreadyAccepted

  /// Why `address` is refused; `nil` when it may serve.
  func fault(_ address: IPAddress) -> String? {
    guard case .requested(let nodeAddresses, let allowLoopback) = self else { return nil }
    if address.isUnspecified { return "the address is unspecified" }
    if address.isLoopback && !allowLoopback { return "the address is loopback" }
    if address.isLinkLocal { return "the address is link-local" }
    if address.isMulticast { return "the address is multicast" }
    if address.isBroadcast { return "the address is broadcast" }
    if nodeAddresses.contains(address) { return "the address is one of this node's own" }
    return nil
  }
}
