public import Logging
public import ServiceLifecycle
import System

/// Reports every change of the node's public network, from the first time it is known.
public struct PublicNetworkFollower: Service {
  /// How often the network is asked for, whether or not calls need it.
  private static let interval = Duration.seconds(60)

  private let source: PublicNetworkSource
  private let onChange: @Sendable (PublicNetwork) throws -> Void
  private let logger: Logger

  /// - Parameter onChange: runs on a thread of its own, which it may block; is tried again at the next interval when it
  ///   throws.
  public init(
    _ source: PublicNetworkSource, logger: Logger, onChange: @escaping @Sendable (PublicNetwork) throws -> Void
  ) {
    self.source = source
    self.onChange = onChange
    self.logger = logger
  }

  public func run() async {
    await cancelWhenGracefulShutdown {
      var last: PublicNetwork?
      var reported: String?
      repeat {
        do {
          let network = try await source.current()
          if network != last {
            try await POSIXThread.run { [onChange] _ in try onChange(network) }
            last = network
          }
          reported = nil
        } catch {
          if !Task.isCancelled, reported != "\(error)" {
            logger.warning("cannot follow the node's public network", metadata: ["reason": "\(error)"])
            reported = "\(error)"
          }
        }
        // The sleep ends early only when the service is to end.
        try? await Task.sleep(for: last == nil ? .seconds(5) : Self.interval)
      } while !Task.isCancelled
    }
  }
}
