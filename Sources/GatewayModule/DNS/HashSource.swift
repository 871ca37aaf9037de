public import DNSZones
public import RPC

/// The Redis server whose hashes of coredns-redis are served too, and which of its keys they are under.
public struct HashSource: Sendable {
  public let server: BrokerURL
  public let keys: HashKeys

  public init(server: BrokerURL, keys: HashKeys) {
    self.server = server
    self.keys = keys
  }
}
