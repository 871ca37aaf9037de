import ArgumentParser
import Files
import GatewayControl
import GatewayModule
import Glibc

/// Where on this node Traefik and its files are.
struct NodeOptions: ParsableArguments {
  @Option(help: .init("The gateway's directory; also given by GATEWAY_ROOT.", valueName: "dir"))
  var root = variable("GATEWAY_ROOT") ?? GatewayRoot.standardPath

  @Option(
    help: .init(
      "The network namespace Traefik runs in, as 'ip netns' names it; also given by GATEWAY_NETNS.", valueName: "name"))
  var netns: String?

  private var namespace: NetworkNamespace? {
    get throws {
      do {
        return try (netns ?? Self.variable("GATEWAY_NETNS")).map(NetworkNamespace.init)
      } catch {
        throw ValidationError("--netns: \(error)")
      }
    }
  }

  func validate() throws {
    guard root.hasPrefix("/") else { throw ValidationError("--root must be an absolute path, not '\(root)'") }
    _ = try namespace
  }

  var settings: NodeSettings {
    get throws { NodeSettings(root: GatewayRoot(root), namespace: try namespace) }
  }

  static func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }
}
