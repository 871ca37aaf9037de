import Glibc

/// A service of the node, as the package and the units for zinit name it.
enum Unit {
  case gateway
  case traefik
  case knot
  case relay

  enum Verb: String {
    case start
    case restart
  }

  /// What starts the services of a machine.
  enum InitSystem {
    case systemd
    case zinit
    /// Neither of those that there are units for.
    case other

    /// That of this machine: as sd_booted(3) looks for systemd, and by the socket that zinit's own commands use.
    static var here: InitSystem {
      if access("/run/systemd/system", F_OK) == 0 { return .systemd }
      return access("/var/run/zinit.sock", F_OK) == 0 ? .zinit : .other
    }
  }

  /// How it is started or restarted on this machine.
  func remedy(_ verb: Verb, under system: InitSystem = .here) -> String {
    switch (system, self) {
    case (.systemd, .gateway): "systemctl \(verb.rawValue) gateway"
    case (.systemd, .traefik): "systemctl \(verb.rawValue) gateway-traefik"
    case (.systemd, .knot): "systemctl \(verb.rawValue) gateway-knot"
    case (.systemd, .relay): "systemctl \(verb.rawValue) gateway-relay"
    case (.zinit, .gateway): "zinit \(verb.rawValue) gateway"
    case (.zinit, .traefik): "zinit \(verb.rawValue) traefik"
    case (.zinit, .knot): "zinit \(verb.rawValue) knot"
    case (.zinit, .relay): "zinit \(verb.rawValue) relay"
    case (.other, .gateway): "\(verb.rawValue) the gateway"
    case (.other, .traefik): "\(verb.rawValue) Traefik"
    case (.other, .knot): "\(verb.rawValue) knotd"
    case (.other, .relay): "\(verb.rawValue) gateway-relay"
    }
  }
}
