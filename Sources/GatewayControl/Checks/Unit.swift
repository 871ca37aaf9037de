import Glibc

/// A service of the node, as the package and the units for zinit name it.
enum Unit {
  case gateway
  case traefik

  /// The command that starts or restarts it on this machine (sd_booted(3)).
  func command(_ verb: String) -> String {
    let hasSystemd = access("/run/systemd/system", F_OK) == 0
    return switch self {
    case .gateway: hasSystemd ? "systemctl \(verb) gateway" : "zinit \(verb) gateway"
    case .traefik: hasSystemd ? "systemctl \(verb) gateway-traefik" : "zinit \(verb) traefik"
    }
  }
}
