public import RPC

/// A pipe that is asked for: the argument of `SetPipe`.
public struct PipeRequest: Hashable, Sendable, Codable {
  /// Where it listens: `IP:PORT`, IPv6 in brackets. `0.0.0.0` and `[::]` stand for all addresses of their kind.
  public var listen: String
  /// The private network in which it listens, one of the workload's user; nil or empty for the node itself.
  public var network: String?
  /// Where it leads: `IP:PORT`, `HOST:PORT`, which is looked up for each connection, or `tunnel:WORKLOAD`.
  public var remote: String
  /// The private network in which that is; nil or empty for the node itself.
  public var remoteNetwork: String?

  /// Each parameter is the property of that name.
  public init(listen: String, network: String? = nil, remote: String, remoteNetwork: String? = nil) {
    self.listen = listen
    self.network = network
    self.remote = remote
    self.remoteNetwork = remoteNetwork
  }

  private enum CodingKeys: String, CodingKey {
    case listen = "Listen"
    case network = "Network"
    case remote = "Remote"
    case remoteNetwork = "RemoteNetwork"
  }
}

/// A pipe, of the list of `Pipes`.
public struct PipeInfo: Hashable, Sendable, Codable {
  /// The workload that has it.
  public var workload: String
  /// Where it listens.
  public var listen: String
  /// The private network in which it listens; empty for the node itself.
  public var network: String
  /// Where it leads.
  public var remote: String
  /// The private network in which that is; empty for the node itself.
  public var remoteNetwork: String
  /// Whether it takes connections; nil when the relay does not tell.
  public var listening: Bool?
  /// How many connections it carries.
  public var streams: Int
  /// Bytes from where it leads since the relay began.
  public var received: UInt64
  /// Bytes to there.
  public var sent: UInt64
  /// Why it does not listen, or why the last connection that failed did; empty where nothing has.
  public var error: String
  /// When that connection failed, to the second; nil where none has.
  public var errorTime: Timestamp?

  /// Each parameter is the property of that name.
  public init(
    workload: String, listen: String, network: String, remote: String, remoteNetwork: String, listening: Bool?,
    streams: Int, received: UInt64, sent: UInt64, error: String, errorTime: Timestamp?
  ) {
    self.workload = workload
    self.listen = listen
    self.network = network
    self.remote = remote
    self.remoteNetwork = remoteNetwork
    self.listening = listening
    self.streams = streams
    self.received = received
    self.sent = sent
    self.error = error
    self.errorTime = errorTime
  }

  private enum CodingKeys: String, CodingKey {
    case workload = "Workload"
    case listen = "Listen"
    case network = "Network"
    case remote = "Remote"
    case remoteNetwork = "RemoteNetwork"
    case listening = "Listening"
    case streams = "Streams"
    case received = "Received"
    case sent = "Sent"
    case error = "Error"
    case errorTime = "ErrorTime"
  }
}
