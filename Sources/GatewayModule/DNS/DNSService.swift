public import ServiceLifecycle

/// Keeps what is served in step with the files, and knotd in step with that.
public struct DNSService: Service {
  private let dns: DNS

  public init(_ dns: DNS) {
    self.dns = dns
  }

  public func run() async {
    await cancelWhenGracefulShutdown { [dns] in
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await dns.followFiles() }
        group.addTask { await dns.keepServing() }
        group.addTask { await dns.followDelegations() }
        group.addTask { await dns.followHashes() }
      }
    }
  }
}
