public import RPC

/// A tunnel that is asked for: the argument of `SetTunnel`.
public struct TunnelRequest: Hashable, Sendable, Codable {
  /// By which the tunnel's clients prove themselves, 16 to 512 bytes. Where it is left out, one is made, or the one that the workload's
  /// tunnel has stays.
  public var secret: String?

  /// - Parameter secret: 16 to 512 bytes; nil to have one made.
  public init(secret: String? = nil) {
    self.secret = secret
  }

  private enum CodingKeys: String, CodingKey {
    case secret = "Secret"
  }
}

/// How the clients of a tunnel get in: the answer of `SetTunnel`.
public struct TunnelAccess: Hashable, Sendable, Codable {
  /// Where they may dial: `tls://tunnel.DOMAIN:PORT` and `tcp://IP:PORT`, the better first.
  public var servers: [String]
  /// The secret, where one was made: it is told this once. Empty otherwise.
  public var secret: String

  /// Each parameter is the property of that name.
  public init(servers: [String], secret: String) {
    self.servers = servers
    self.secret = secret
  }

  private enum CodingKeys: String, CodingKey {
    case servers = "Servers"
    case secret = "Secret"
  }
}

/// A tunnel, of the list of `Tunnels`.
public struct TunnelInfo: Hashable, Sendable, Codable {
  /// A client that has dialled in.
  public struct Session: Hashable, Sendable, Codable {
    /// When it did, to the second.
    public var since: Timestamp
    /// From where: `IP:PORT`.
    public var remote: String
    /// Of its handshake: 1 for one of tcprouter's clients, 2 for `gateway-tunnel`.
    public var version: Int

    /// Each parameter is the property of that name.
    public init(since: Timestamp, remote: String, version: Int) {
      self.since = since
      self.remote = remote
      self.version = version
    }

    private enum CodingKeys: String, CodingKey {
      case since = "Since"
      case remote = "Remote"
      case version = "Version"
    }
  }

  /// The workload that has it.
  public var workload: String
  /// Whether there is a session; nil when the relay does not tell.
  public var connected: Bool?
  /// The clients that have dialled in.
  public var sessions: [Session]
  /// How many connections it carries.
  public var streams: Int
  /// Bytes from its clients since the relay began.
  public var received: UInt64
  /// Bytes to them.
  public var sent: UInt64

  /// Each parameter is the property of that name.
  public init(
    workload: String, connected: Bool?, sessions: [Session], streams: Int, received: UInt64, sent: UInt64
  ) {
    self.workload = workload
    self.connected = connected
    self.sessions = sessions
    self.streams = streams
    self.received = received
    self.sent = sent
  }

  private enum CodingKeys: String, CodingKey {
    case workload = "Workload"
    case connected = "Connected"
    case sessions = "Sessions"
    case streams = "Streams"
    case received = "Received"
    case sent = "Sent"
  }
}
