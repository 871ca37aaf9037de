import GatewayModule
import ProxyConfig
import Records
import System

/// Checks which processes have the ports that Traefik and the DNS-01 hook need.
struct PortCheck {
  let node: NodeView

  func checkAll() -> [Check] {
    var checks: [Check] = []
    if let addresses = try? node.addresses() {
      for address in [addresses.http, addresses.https] { checks.append(checkTraefiksPort(address)) }
    }
    if let zone = try? node.zone(), zone.domain != nil { checks.append(checkChallengePort(zone)) }
    return checks
  }

  private func checkTraefiksPort(_ address: ListenAddress) -> Check {
    let name = "port \(address.port)"
    do {
      guard let owners = try node.owners(of: address) else {
        return .failure(name, "nobody listens at \(address)", Unit.traefik.remedy(.start))
      }
      if owners.isEmpty {
        return .warning(name, "a process that cannot be seen listens at \(address)", "run this as root")
      }
      let strangers = owners.filter { !$0.name.hasPrefix("traefik") }
      return strangers.isEmpty
        ? .ok(name, "\(NodeCheck.list(owners)) listens at \(address)")
        : .failure(name, "\(NodeCheck.list(strangers)) listens at \(address)", "stop it; the port is Traefik's")
    } catch {
      return .failure(name, "\(error)")
    }
  }

  private func checkChallengePort(_ zone: ChallengeZone) -> Check {
    guard zone.knot.isEmpty else { return checkKnot(zone.knot) }
    let name = "port \(zone.port)"
    do {
      let (local, owners) = try node.inNamespace {
        let local = zone.addresses.filter(Port.isLocal)
        return (local, local.compactMap { Port(address: $0, number: zone.port).owners })
      }
      guard !local.isEmpty else {
        return .failure(
          name, "none of the node's public addresses is one of this machine's: \(NodeCheck.list(zone.addresses))",
          "ip address; challenges cannot be answered here")
      }
      if owners.isEmpty { return .ok(name, "free, for as long as no challenge is pending") }
      let all = Set(owners.joined()).sorted { $0.pid < $1.pid }
      if all.isEmpty { return .warning(name, "a process that cannot be seen listens there", "run this as root") }
      let strangers = all.filter { owner in
        !ProcessTable.arguments(of: owner.pid).contains { argument in
          node.root.map { argument.contains($0.acme) } ?? false
        }
      }
      return strangers.isEmpty
        ? .ok(name, "\(NodeCheck.list(all)) answers a challenge")
        : .failure(
          name, "\(NodeCheck.list(strangers)) listens there",
          "stop it, or have it listen at other addresses; challenges are answered there")
    } catch {
      return .failure(name, "\(error)")
    }
  }

  private func checkKnot(_ addresses: [Endpoint]) -> Check {
    let name = "port \(addresses[0].port)"
    for address in addresses {
      guard let owners = Port(address: address.address, number: address.port).owners else {
        return .failure(name, "nobody listens at \(address)", Unit.knot.remedy(.start))
      }
      let strangers = owners.filter { $0.name != "knotd" }
      guard strangers.isEmpty else {
        return .failure(name, "\(NodeCheck.list(strangers)) listens at \(address)", "stop it; the port is knotd's")
      }
    }
    return .ok(name, "knotd listens at \(NodeCheck.list(addresses))")
  }
}
