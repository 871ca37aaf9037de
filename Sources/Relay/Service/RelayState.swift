import Records
public import System

/// What the relay tells of itself: in the form that Prometheus reads (text, version 0.0.4), which ``init(metrics:)`` reads back.
public struct RelayState: Sendable {
  /// A client that is connected.
  public struct Session: Hashable, Sendable {
    /// In seconds since the epoch.
    public let since: Int
    public let remote: Endpoint
    /// Of its handshake.
    public let version: Int
  }

  public struct Tunnel: Hashable, Sendable {
    public var sessions: [Session] = []
    /// Streams that are open.
    public var streams = 0
    /// From the client, in bytes, since the relay began.
    public var received: UInt64 = 0
    /// To it.
    public var sent: UInt64 = 0

    /// One that nobody has dialled in for.
    public init() {}
  }

  /// By workload.
  public var tunnels: [String: Tunnel] = [:]
  /// When the relay began, in seconds since the epoch.
  public var start = 0

  private enum Name {
    static let start = "gateway_relay_start_time_seconds"
    static let connections = "gateway_relay_connections"
    static let streams = "gateway_relay_streams"
    static let received = "gateway_relay_received_bytes_total"
    static let sent = "gateway_relay_sent_bytes_total"
    static let session = "gateway_relay_session_start_time_seconds"
  }

  static func metrics(of table: TunnelTable, connections: Int, start: Int) -> String {
    var text = """
      # TYPE \(Name.start) gauge
      \(Name.start) \(start)
      # TYPE \(Name.connections) gauge
      \(Name.connections) \(connections)

      """
    let tunnels = table.overview
    func write(_ name: String, _ type: String, _ value: (StreamCounters) -> String) {
      text += "# TYPE \(name) \(type)\n"
      // No workload has a character that would have to be escaped.
      for (tunnel, counters, _) in tunnels { text += "\(name){tunnel=\"\(tunnel.workload)\"} \(value(counters))\n" }
    }
    write(Name.streams, "gauge") { "\($0.streams.load(ordering: .relaxed))" }
    write(Name.received, "counter") { "\($0.received.load(ordering: .relaxed))" }
    write(Name.sent, "counter") { "\($0.sent.load(ordering: .relaxed))" }
    text += "# TYPE \(Name.session) gauge\n"
    for (tunnel, _, sessions) in tunnels {
      for session in sessions {
        text += """
          \(Name.session){tunnel="\(tunnel.workload)",session="\(session.number)",remote="\(session.remote)",\
          version="\(session.version.number)"} \(Int(session.since.seconds))

          """
      }
    }
    return text
  }

  /// - Throws: `InvalidValue` for a line that no relay writes.
  init(metrics: String) throws(InvalidValue) {
    for line in metrics.split(separator: "\n") where !line.hasPrefix("#") {
      let invalid = InvalidValue("metric of the relay", line, "it is not what a relay writes")
      guard let space = line.lastIndex(of: " ") else { throw invalid }
      let value = line[line.index(after: space)...]
      let series = line[..<space].split(separator: "{", maxSplits: 1)
      guard let name = series.first, let number = UInt64(value) else { throw invalid }
      var labels: [Substring: String] = [:]
      if series.count == 2 {
        for label in series[1].dropLast().split(separator: ",") {
          let parts = label.split(separator: "=", maxSplits: 1)
          guard parts.count == 2 else { throw invalid }
          labels[parts[0]] = String(parts[1].dropFirst().dropLast())
        }
      }
      if name == Name.start { start = Int(number) }
      guard let workload = labels["tunnel"] else { continue }
      switch name {
      case Name.streams: tunnels[workload, default: Tunnel()].streams = Int(number)
      case Name.received: tunnels[workload, default: Tunnel()].received = number
      case Name.sent: tunnels[workload, default: Tunnel()].sent = number
      case Name.session:
        guard let version = labels["version"].flatMap({ Int($0) }), let remote = labels["remote"] else { throw invalid }
        tunnels[workload, default: Tunnel()].sessions.append(
          Session(since: Int(number), remote: try Endpoint(remote), version: version))
      default: continue
      }
    }
  }
}
