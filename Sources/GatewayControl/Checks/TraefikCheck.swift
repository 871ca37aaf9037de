import GatewayClient
import GatewayModule
import Glibc
import ProxyConfig
import RPC
import System

/// Whether Traefik runs, and with the static configuration that the gateway wrote.
struct TraefikCheck {
  private static let name = "traefik"

  let node: NodeView

  /// By what the gateway tells of a Traefik whose process cannot be seen.
  static func check(_ info: NodeInfo) -> Check {
    let traefik = info.traefik
    guard traefik.isUp else { return .failure(name, traefik.fault, "start Traefik on \(info.host)") }
    let since = traefik.lastReload.map { ", and took routes in at \(UTCTime($0))" } ?? ""
    return traefik.isOutdated
      ? .warning(name, "it runs with an older static configuration than the gateway wrote", "restart Traefik there")
      : .ok(name, "the gateway sees it at \(info.traefikAddress)\(since)")
  }

  /// By its process.
  func check() -> Check {
    let name = Self.name
    guard let file = node.root?.traefikConfiguration else { return .warning(name, "its files cannot be seen") }
    do {
      let address = try node.addresses().https
      guard let owners = try node.owners(of: address) else {
        return .failure(name, "nobody listens at \(address)", "\(Unit.traefik.remedy(.start)), and see its log")
      }
      guard let traefik = owners.first(where: { $0.name.hasPrefix("traefik") }) else {
        if !owners.isEmpty {
          return .failure(name, "not Traefik but \(NodeCheck.list(owners)) listens at \(address)", "stop that")
        }
        // Its process is another user's. The gateway may know.
        if let info = node.info, info.traefik.isUp {
          return info.traefik.isOutdated
            ? older("it", file) : .ok(name, "the gateway sees it at \(info.traefikAddress)")
        }
        return .warning(name, "who listens at \(address) cannot be seen", "run this as root")
      }
      guard Self.runs(traefik.pid, with: file) else {
        return .failure(name, "\(traefik) does not run with \(file)", "start it with --configfile \(file)")
      }
      let written = Double(try FileSystem.status(file).stamp.modified) / 1e9
      // The start is known to the tick, and the boot to the second.
      if let start = ProcessTable.start(of: traefik.pid), TraefikReloads.isOlder(start, than: written) {
        return older("\(traefik)", file)
      }
      return .ok(name, "\(traefik) runs with \(file)")
    } catch {
      return .failure(name, "\(error)", Unit.gateway.remedy(.start))
    }
  }

  private func older(_ who: String, _ file: String) -> Check {
    .warning(Self.name, "\(who) runs with an older \(file)", Unit.traefik.remedy(.restart))
  }

  /// Whether a Traefik reads this file: by its option, of which Traefik takes any case, by its environment, or by its name
  /// in the directory that it was started in.
  private static func runs(_ pid: pid_t, with file: String) -> Bool {
    guard let wanted = try? FileSystem.status(file).stamp.inode else { return false }
    for path in configurations(ProcessTable.arguments(of: pid), ProcessTable.environment(of: pid)) {
      if path == file { return true }
      // As the process sees it: by the directory it is in, and below its own root. Links are followed, as Traefik does.
      let seen = path.hasPrefix("/") ? "/proc/\(pid)/root\(path)" : "/proc/\(pid)/cwd/\(path)"
      var status = stat()
      if stat(seen, &status) == 0 { return UInt64(status.st_ino) == wanted }
    }
    return false
  }

  /// The files of which Traefik reads the first one that is there.
  static func configurations(_ arguments: [String], _ environment: [String]) -> [String] {
    var found: [String] = []
    for (index, argument) in arguments.enumerated() {
      guard argument.hasPrefix("-") else { continue }
      let option = argument.drop { $0 == "-" }
      let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.first?.lowercased() == "configfile" else { continue }
      if parts.count == 2 {
        found.append(String(parts[1]))
      } else if index + 1 < arguments.count {
        found.append(arguments[index + 1])
      }
    }
    if let last = found.last { return [last] }
    for variable in environment where variable.uppercased().hasPrefix("TRAEFIK_CONFIGFILE=") {
      return [String(variable.drop { $0 != "=" }.dropFirst())]
    }
    return ["/etc/traefik/traefik.yaml", "traefik.yaml"]
  }
}
