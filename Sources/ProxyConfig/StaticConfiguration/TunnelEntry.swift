import Records
import System

/// By which Traefik lets clients of tunnels in: it ends their TLS under a name in the node's domain and hands the rest on to the relay,
/// with who they are (PROXY protocol, version 2).
public struct TunnelEntry: Hashable, Sendable {
  /// The name in the node's domain under which clients dial in, which no workload can have.
  public static let label = "tunnel"
  /// The file in Traefik's directory, which no workload's file can be.
  public static let fileName = ".gateway-tunnels.yaml"
  /// What it names its router, service and transport; no workload is called so.
  private static let name = ".gateway-tunnels"

  /// Where the relay takes them.
  let door: Endpoint
  /// The node's.
  let domain: Domain
  /// Whether Traefik asks for the wildcard certificate of the node's domain.
  let hasCertificate: Bool

  /// The file's path below the root.
  static var path: String { "proxy/\(fileName)" }

  var bytes: [UInt8] {
    YAMLWriter.document { yaml in
      yaml.mapping("tcp") {
        yaml.mapping("routers") {
          yaml.mapping(Self.name) {
            yaml.field("rule", "HostSNI(`\(Self.label).\(domain)`)")
            yaml.field("service", Self.name)
            yaml.mapping("tls") {
              guard hasCertificate else { return }
              yaml.field("certResolver", Route.ResolverName.wildcard)
              yaml.sequence("domains") { yaml.mapping { yaml.sequence("sans") { yaml.text("*.\(domain)") } } }
            }
          }
        }
        yaml.mapping("services") {
          yaml.mapping(Self.name) {
            yaml.mapping("loadBalancer") {
              yaml.field("serversTransport", Self.name)
              yaml.sequence("servers") { yaml.mapping { yaml.field("address", "\(door)") } }
            }
          }
        }
        yaml.mapping("serversTransports") {
          yaml.mapping(Self.name) { yaml.mapping("proxyProtocol") { yaml.field("version", 2) } }
        }
      }
    }
  }
}

extension StaticConfiguration {
  /// What lets clients of tunnels in; nil where there are no tunnels, or the node's domain is not known.
  public var tunnelEntry: TunnelEntry? {
    guard let tunnelDoor, let domain else { return nil }
    return TunnelEntry(door: tunnelDoor, domain: domain, hasCertificate: certificates?.hasDomain == true)
  }

  /// The files beside the configuration itself, by their paths below the root; without content those that must not be there.
  public var companions: [(path: String, bytes: [UInt8]?)] {
    var files: [(path: String, bytes: [UInt8]?)] = (longTransfers?.files ?? []).map { ($0.path, $0.bytes) }
    if let tunnelEntry {
      files.append((TunnelEntry.path, tunnelEntry.bytes))
    } else if tunnelDoor == nil || isWithoutDomain {
      files.append((TunnelEntry.path, nil))
    }
    return files
  }
}
