public import Files
public import Logging
import NIOPosix
public import ProxyConfig

/// Keeps Traefik's static configuration as the command line and the node's public network ask for it.
public struct TraefikSetup: Sendable {
  private let root: GatewayRoot
  private let configuration: StaticConfiguration
  private let restartCommand: String?
  private let logger: Logger

  /// - Parameters:
  ///   - configuration: what does not depend on the public network.
  ///   - restartCommand: given to `/bin/sh` when a running Traefik has to take a change in.
  public init(root: GatewayRoot, configuration: StaticConfiguration, restartCommand: String?, logger: Logger) {
    self.root = root
    self.configuration = configuration
    self.restartCommand = restartCommand
    self.logger = logger
  }

  /// Writes the configuration for a node with this public network, if it is not there already.
  ///
  /// - Parameter network: nil while it is not known. What a configuration from an earlier start says of the node's domain
  ///   then stays; without one the node is expected to have a domain.
  public func apply(_ network: PublicNetwork?) async throws(FileError) {
    var configuration = configuration
    if configuration.certificates != nil, network?.domain == nil {
      var withoutWildcard = configuration
      withoutWildcard.certificates?.hasDomain = false
      if network != nil {
        logger.warning("no wildcard certificate will be asked for: this node has no domain")
        configuration = withoutWildcard
      } else if try withoutWildcard.isInstalled(in: root) {
        configuration = withoutWildcard
      }
    }
    let installation = try configuration.install(in: root)
    let file: Logger.Metadata = ["file": "\(root.traefikConfiguration)"]
    switch installation {
    case .unchanged: logger.debug("Traefik's static configuration is as it was", metadata: file)
    case .created: logger.info("Traefik's static configuration written", metadata: file)
    case .replaced:
      logger.notice(
        "Traefik's static configuration changed; Traefik takes it in when it is restarted",
        metadata: file.merging(restartCommand.map { ["command": "\($0)"] } ?? [:]) { $1 })
      if let restartCommand { await restart(restartCommand) }
    }
  }

  private func restart(_ command: String) async {
    let outcome: String?
    do {
      outcome = try await NIOThreadPool.singleton.runIfActive { try ShellCommand(command).run(within: .seconds(60)) }
    } catch {
      outcome = "\(error)"
    }
    if let outcome {
      logger.error("Traefik's restart failed", metadata: ["command": "\(command)", "reason": "\(outcome)"])
    } else {
      logger.notice("Traefik restarted", metadata: ["command": "\(command)"])
    }
  }
}
