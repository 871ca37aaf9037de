import ArgumentParser
import GatewayClient
import GatewayControl
import GatewayModule
import Glibc
import RPC
import System

/// Where on this node the gateway's files are, for what the running gateway does not tell.
struct RootOption: ParsableArguments {
  @Option(
    help: .init(
      "The gateway's directory; also given by GATEWAY_ROOT. (default: that of the running gateway, or else /var/cache/modules/gateway)",
      valueName: "dir"))
  var root: String?

  /// What was given, if anything was.
  var given: String? { root ?? NodeOptions.variable("GATEWAY_ROOT") }

  func validate() throws {
    if let given, !given.hasPrefix("/") {
      throw ValidationError("--root must be an absolute path, not '\(given)'")
    }
  }
}

/// Where on this node Traefik and its files are, for what the running gateway does not tell.
struct NodeOptions: ParsableArguments {
  @OptionGroup var root: RootOption

  @Option(
    help: .init(
      "The network namespace Traefik runs in, as 'ip netns' names it; also given by GATEWAY_NETNS. (default: that of the running gateway)",
      valueName: "name"))
  var netns: String?

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
    _ = try namespace
  }

  func view(asking gateway: GatewayClient) async throws -> NodeView {
    await NodeView(asking: gateway, root: root.given, namespace: try namespace)
  }

  static func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }
}
