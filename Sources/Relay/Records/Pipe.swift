public import Records
public import System

/// A pipe: what comes to a listening address is carried to a target. Either may be in a private network. Its file:
///
///     listen:
///       address: 0.0.0.0:12000
///     remote:
///       address: 10.1.2.3:22
///       network: production
///       namespace: m-7Kqhn3vLcwbS9
public struct Pipe: StoredRecord {
  /// A private network of the workload's user.
  public struct Network: Hashable, Sendable {
    /// What the user calls it.
    public let name: String
    /// Where it is.
    public let namespace: NetworkNamespace

    public init(name: String, namespace: NetworkNamespace) {
      self.name = name
      self.namespace = namespace
    }
  }

  /// Where it listens.
  public struct Listener: Hashable, Sendable, CustomStringConvertible {
    /// Of which the address may be unspecified, for all of its family.
    public let endpoint: Endpoint
    /// nil for the node itself.
    public let network: Network?

    public init(endpoint: Endpoint, network: Network?) {
      self.endpoint = endpoint
      self.network = network
    }

    public var description: String { network.map { "\(endpoint) in \($0.name)" } ?? "\(endpoint)" }

    /// Whether the one would be in the way of the other: all addresses of a kind are also each of them.
    public func overlaps(_ other: Listener) -> Bool {
      let (one, two) = (endpoint.address, other.endpoint.address)
      return network?.namespace == other.network?.namespace && endpoint.port == other.endpoint.port
        && one.isIPv4 == two.isIPv4 && (one == two || one.isUnspecified || two.isUnspecified)
    }
  }

  /// Where it leads.
  public enum Target: Hashable, Sendable, CustomStringConvertible {
    case address(Endpoint)
    /// Looked up whenever somebody comes.
    case host(Domain, port: UInt16)
    /// The client of a tunnel.
    case tunnel(WorkloadID)

    private static let tunnelPrefix = "tunnel:"

    /// - Throws: `InvalidValue` for what is none of `IP:PORT`, with IPv6 in brackets, `HOST:PORT` and `tunnel:WORKLOAD`.
    public init(_ text: String) throws(InvalidValue) {
      if text.hasPrefix(Self.tunnelPrefix) {
        self = .tunnel(try WorkloadID(String(text.dropFirst(Self.tunnelPrefix.count))))
        return
      }
      let host = text.prefix { $0 != ":" }
      guard host.contains(where: { !($0.isASCII && ($0.isNumber || $0 == ".")) }), !host.hasPrefix("[") else {
        self = .address(try Endpoint(text))
        return
      }
      let digits = text.dropFirst(host.count)
      guard digits.hasPrefix(":"), digits.dropFirst().utf8.allSatisfy(ASCII.isDigit),
        let port = UInt16(digits.dropFirst()), port > 0
      else {
        throw InvalidValue("remote", text, "it must be HOST:PORT, with a port from 1 to 65535, or tunnel:WORKLOAD")
      }
      self = .host(try Domain(String(host)), port: port)
    }

    public var description: String {
      switch self {
      case .address(let endpoint): "\(endpoint)"
      case .host(let name, let port): "\(name):\(port)"
      case .tunnel(let workload): "\(Self.tunnelPrefix)\(workload)"
      }
    }
  }

  public static var claimKind: String { "listening address" }

  public let workload: WorkloadID
  public let listener: Listener
  public let target: Target
  /// Where the target is; nil for the node itself, or for a tunnel.
  public let targetNetwork: Network?

  public var claim: Listener { listener }

  /// - Throws: `InvalidValue` for a tunnel in a network.
  public init(workload: WorkloadID, listener: Listener, target: Target, targetNetwork: Network?) throws(InvalidValue) {
    if case .tunnel = target, let targetNetwork {
      throw InvalidValue("remote network", targetNetwork.name, "a tunnel is in no network")
    }
    self.workload = workload
    self.listener = listener
    self.target = target
    self.targetNetwork = targetNetwork
  }

  public func encoded() -> [UInt8] {
    YAMLWriter.document { yaml in
      func place(_ key: String, _ address: String, _ network: Network?) {
        yaml.mapping(key) {
          yaml.field("address", address)
          guard let network else { return }
          yaml.field("network", network.name)
          yaml.field("namespace", network.namespace.name)
        }
      }
      place("listen", "\(listener.endpoint)", listener.network)
      place("remote", "\(target)", targetNetwork)
    }
  }

  public init(file: Span<UInt8>, of workload: WorkloadID) throws(FileMismatch) {
    let root = try YAMLNode(document: file)
    let fields = try root.members(["listen", "remote"])
    let listen = try Place(fields[0].required("listen", in: root))
    let remote = try Place(fields[1].required("remote", in: root))
    let endpoint = try listen.address { text throws(InvalidValue) in try Endpoint(text) }
    let target = try remote.address { text throws(InvalidValue) in try Target(text) }
    self = try root.checked(
      Result { () throws(InvalidValue) in
        try Pipe(
          workload: workload, listener: Listener(endpoint: endpoint, network: listen.network), target: target,
          targetNetwork: remote.network)
      })
  }

  /// An address in a network, as the file has it.
  private struct Place {
    private let node: YAMLNode
    let network: Network?

    init(_ node: YAMLNode) throws(FileMismatch) {
      let fields = try node.members(["address", "network", "namespace"])
      self.node = try fields[0].required("address", in: node)
      if let namespace = fields[2] {
        let name = try fields[1].required("network", in: node).string
        let text = try namespace.string
        network = Network(
          name: name,
          namespace: try namespace.checked(
            Result { () throws(InvalidValue) in
              do throws(NetworkNamespaceError) { return try NetworkNamespace(text) } catch {
                throw InvalidValue("\(error)")
              }
            }))
      } else if let name = fields[1] {
        throw name.mismatch("a network has a namespace")
      } else {
        network = nil
      }
    }

    func address<Value>(_ read: (String) throws(InvalidValue) -> Value) throws(FileMismatch) -> Value {
      let text = try node.string
      return try node.checked(Result { () throws(InvalidValue) in try read(text) })
    }
  }
}
