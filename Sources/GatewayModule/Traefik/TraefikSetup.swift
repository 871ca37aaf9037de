public import Logging
public import ProxyConfig
public import Records
public import ServiceLifecycle
import Synchronization
public import System

/// Keeps Traefik's static configuration as the command line and the node's public network ask for it, and has a running
/// Traefik take it in.
public final class TraefikSetup: Service {
  private let root: GatewayRoot
  private let configuration: StaticConfiguration
  private let restartCommand: String?
  private let logger: Logger

  private struct WrittenState {
    /// What was written last.
    var written: StaticConfiguration?
    /// How often a running Traefik had to take in another configuration.
    var changes = 0
  }

  /// Held while files are written.
  private let state = Mutex(WrittenState())
  private let restarts: AsyncStream<Void>
  private let restart: AsyncStream<Void>.Continuation

  /// How long the restart command may take.
  private static let restartLimit = Duration.seconds(60)

  /// - Parameters:
  ///   - configuration: what does not depend on the public network.
  ///   - restartCommand: given to `/bin/sh` when a running Traefik has to take a change in.
  public init(root: GatewayRoot, configuration: StaticConfiguration, restartCommand: String?, logger: Logger) {
    self.root = root
    self.configuration = configuration
    self.restartCommand = restartCommand
    self.logger = logger
    // One that was not begun sees all changes there were.
    (restarts, restart) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Writes the configuration for a node with this public network, if it is not there already; blocks the thread. What
  /// then has to be restarted is by ``run()``.
  ///
  /// - Parameter network: nil while it is not known. What a configuration from an earlier start says of the node's domain
  ///   then stays; without one the node is expected to have a domain.
  public func apply(_ network: PublicNetwork?) throws(FileError) {
    try state.withLock { state throws(FileError) in
      var configuration = configuration
      configuration.domain = network?.domain
      configuration.isWithoutDomain = network != nil && network?.domain == nil
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
      // Durable with the configuration itself, and there before it.
      if restartCommand != nil, try configuration.isReplacing(in: root) {
        try FileSystem.create(root.restartDue, mode: 0o644)
        state.changes += 1
      }
      let installation = try configuration.install(in: root)
      state.written = configuration
      let file: Logger.Metadata = ["file": "\(root.traefikConfiguration)"]
      switch installation {
      case .unchanged: logger.debug("Traefik's static configuration is as it was", metadata: file)
      case .created: logger.info("Traefik's static configuration written", metadata: file)
      case .replaced:
        logger.notice(
          "Traefik's static configuration changed; Traefik takes it in when it is restarted",
          metadata: file.merging(restartCommand.map { ["command": "\($0)"] } ?? [:]) { $1 })
      }
    }
    if restartCommand != nil, (try? FileSystem.status(root.restartDue)) != nil { restart.yield() }
  }

  /// Writes what was written last again where somebody has changed or removed it; blocks the thread. Traefik is not
  /// restarted: it has read what was there when it started.
  public func repair() throws(FileError) {
    try state.withLock { state throws(FileError) in
      guard let written = state.written else { return }
      switch try written.install(in: root) {
      case .unchanged: break
      case .created, .replaced:
        logger.notice(
          "Traefik's static configuration was changed by somebody else: written again",
          metadata: ["file": "\(root.traefikConfiguration)"])
      }
    }
  }

  /// Runs the restart command whenever it is due. One that still runs when the service is to end is killed with all it
  /// started, and run again at the next start.
  public func run() async {
    await cancelWhenGracefulShutdown { [self] in
      for await _ in restarts {
        if let restartCommand { await runRestart(restartCommand) }
      }
    }
  }

  private func runRestart(_ command: String) async {
    let changes = state.withLock(\.changes)
    let outcome: String?
    do throws(FileError) {
      outcome = try await ShellCommand(command).run(within: Self.restartLimit)
    } catch {
      outcome = "\(error)"
    }
    if outcome != nil, Task.isCancelled {
      logger.notice("Traefik's restart was cut off; the next start runs it again", metadata: ["command": "\(command)"])
      return
    }
    if let outcome {
      logger.error("Traefik's restart failed", metadata: ["command": "\(command)", "reason": "\(outcome)"])
    } else {
      logger.notice("Traefik restarted", metadata: ["command": "\(command)"])
    }
    do {
      try await POSIXThread.run { [self] _ in
        try state.withLock { state throws(FileError) in
          // Otherwise it is due again.
          if state.changes == changes { try FileSystem.remove(root.restartDue) }
        }
      }
    } catch {
      logger.debug("Traefik will be restarted again at the next start", metadata: ["reason": "\(error)"])
    }
  }
}
