public import Files
public import GatewayModule
import Glibc
public import ProxyConfig

/// Where a node keeps what concerns Traefik.
public struct NodeSettings: Sendable {
  public let root: GatewayRoot
  /// The network namespace that Traefik runs in; nil for that of this process.
  public let namespace: NetworkNamespace?

  public init(root: GatewayRoot, namespace: NetworkNamespace? = nil) {
    self.root = root
    self.namespace = namespace
  }

  /// Where Traefik listens, by its static configuration.
  ///
  /// - Throws: ``NodeSettingsError``.
  public func addresses() throws(NodeSettingsError) -> StaticConfiguration.Addresses {
    let path = root.traefikConfiguration
    do {
      return try StaticConfiguration.addresses(in: FileSystem.read(path, limit: 1 << 20).bytes)
    } catch let error as FileError {
      throw NodeSettingsError("\(error)" + (error.code == ENOENT ? "; the gateway writes it when it starts" : ""))
    } catch {
      throw NodeSettingsError("\(path): \(error)")
    }
  }
}

/// What is not known of a node.
public struct NodeSettingsError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

extension ListenAddress {
  /// Where a process of the same machine connects to.
  var local: Endpoint {
    guard let address, !address.isUnspecified else { return try! Endpoint("127.0.0.1:\(port)") }
    return Endpoint(address: address, port: port)
  }
}
