import Foundation

/// Two network namespaces with a wire between them: a node, and the world that it is connected to.
///
/// Programs in the node's namespace find names by the resolver at ``resolver``, as the machine they stand for would.
public struct Uplink: Sendable {
  /// The node's namespace.
  public let node: String
  /// The rest of the world's namespace.
  public let world: String

  /// The node's public address.
  public static let address = "203.0.113.7"
  /// Addresses in the world.
  public static let (resolver, nameServer, authority) = ("198.51.100.1", "198.51.100.53", "198.51.100.80")

  /// Makes both, runs `body` and removes them. Takes root.
  @discardableResult
  public static func withUplink<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: (Uplink) async throws -> Result
  ) async throws -> Result {
    try await TemporaryNetworkNamespace.withNamespace { node in
      try await TemporaryNetworkNamespace.withNamespace { world in
        try await connect(node, to: world)
        return try await using(ResolverSettings(of: node, to: resolver)) { _ in
          try await body(Uplink(node: node, world: world))
        }
      }
    }
  }

  private static func connect(_ node: String, to world: String) async throws {
    func ip(_ namespace: String, _ arguments: String...) async throws {
      try await Command.succeed("ip", ["-n", namespace] + arguments)
    }
    try await ip(node, "link", "add", "uplink", "type", "veth", "peer", "name", "node", "netns", world)
    try await ip(node, "address", "add", address, "dev", "uplink")
    for address in [resolver, nameServer, authority] { try await ip(world, "address", "add", address, "dev", "node") }
    try await ip(node, "link", "set", "uplink", "up")
    try await ip(world, "link", "set", "node", "up")
    try await ip(node, "route", "add", "default", "dev", "uplink")
    try await ip(world, "route", "add", address, "dev", "node")
  }
}

/// The `/etc/resolv.conf` that programs find which `ip netns exec` runs in a namespace.
private struct ResolverSettings: Fixture {
  private let directory: String

  init(of namespace: String, to resolver: String) throws {
    directory = "/etc/netns/\(namespace)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try Data("nameserver \(resolver)\n".utf8).write(to: URL(filePath: "\(directory)/resolv.conf"))
  }

  func stop() async {
    try? FileManager.default.removeItem(atPath: directory)
    // Goes only when nobody else has anything there.
    rmdir("/etc/netns")
  }
}
