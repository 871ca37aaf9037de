public import ServiceLifecycle

/// Keeps what is known of tunnels in step with the files.
public struct TunnelService: Service {
  private let tunnels: Tunnels

  public init(_ tunnels: Tunnels) {
    self.tunnels = tunnels
  }

  public func run() async { await cancelWhenGracefulShutdown { [tunnels] in await tunnels.followFiles() } }
}
