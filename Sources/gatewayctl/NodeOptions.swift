import ArgumentParser
import GatewayControl
import GatewayModule
import Glibc
import RPC

/// Where on this node Traefik and its files are, for what the running gateway does not tell.
struct NodeOptions: ParsableArguments {
  @Option(
    help: .init(
      "The gateway's directory; also given by GATEWAY_ROOT. (default: what the running gateway tells, or else /var/cache/modules/gateway)",
      valueName: "dir"))
  var root: String?

  @Option(
    help: .init(
      "The network namespace Traefik runs in, as 'ip netns' names it; also given by GATEWAY_NETNS. (default: what the running gateway tells)",
      valueName: "name"))
  var netns: String?

  /// What was given for the root, if anything was.
  var givenRoot: String? { root ?? Self.variable("GATEWAY_ROOT") }

  var namespace: NetworkNamespace? {
    get throws {
      do {
        return try (netns ?? Self.variable("GATEWAY_NETNS")).map(NetworkNamespace.init)
      } catch {
        throw ValidationError("--netns: \(error)")
      }
    }
  }

  func validate() throws {
    if let root = givenRoot, !root.hasPrefix("/") {
      throw ValidationError("--root must be an absolute path, not '\(root)'")
    }
    _ = try namespace
  }

  func view(asking gateway: Client.RemoteObject) async throws -> NodeView {
    await NodeView(asking: gateway, root: givenRoot, namespace: try namespace)
  }

  static func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }
}
