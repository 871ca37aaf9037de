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

  /// What goes through a tunnel or a pipe.
  public struct Traffic: Hashable, Sendable {
    /// Streams that are open.
    public var streams = 0
    /// From the client, or from where a pipe leads, in bytes, since the relay began.
    public var received: UInt64 = 0
    /// To it.
    public var sent: UInt64 = 0
  }

  public struct Tunnel: Hashable, Sendable {
    public var sessions: [Session] = []
    public var traffic = Traffic()

    /// One that nobody has dialled in for.
    public init() {}
  }

  /// Why something was not carried, and when that was.
  public struct Problem: Hashable, Sendable {
    public let reason: String
    /// In seconds since the epoch.
    public let time: Int
  }

  public struct Pipe: Hashable, Sendable {
    public var traffic = Traffic()
    /// Whether it takes connections.
    public var isListening = false
    /// Why its file is not served as it is; nil where it is.
    public var fault: String?
    /// Of the last connection that was not carried; nil where there was none.
    public var problem: Problem?

    /// One that the relay does not know.
    public init() {}
  }

  /// By workload.
  public var tunnels: [String: Tunnel] = [:]
  /// By workload.
  public var pipes: [String: Pipe] = [:]
  /// Of which it serves the files.
  public var root = ""
  /// When the relay began, in seconds since the epoch, to the millisecond: another one has another start.
  public var start = 0.0

  fileprivate enum Name {
    static let start = "gateway_relay_start_time_seconds"
    static let info = "gateway_relay_info"
    static let connections = "gateway_relay_connections"
    static let session = "gateway_relay_session_start_time_seconds"
    static let listening = "gateway_relay_pipe_listening"
    static let fault = "gateway_relay_pipe_fault"
    static let problem = "gateway_relay_pipe_problem_time_seconds"
    static let streams = "gateway_relay_streams"
    static let received = "gateway_relay_received_bytes_total"
    static let sent = "gateway_relay_sent_bytes_total"
  }

  static func metrics(
    tunnels: [(tunnel: TunnelRecord, counters: StreamCounters, sessions: [SessionHandle])],
    pipes: [PipeServer.State], faults: [WorkloadID: String], connections: Int, root: String, start: UTCTime
  ) -> String {
    var text = ""
    func family(_ name: String, _ type: String, _ samples: [(labels: [(String, String)], value: String)]) {
      text += "# TYPE \(name) \(type)\n"
      for sample in samples { text += Sample(name: name, labels: sample.labels, value: sample.value).line }
    }
    let traffic =
      tunnels.map { (("tunnel", $0.tunnel.workload.rawValue), $0.counters) }
      + pipes.map { (("pipe", $0.pipe.workload.rawValue), $0.counters) }
    family(Name.start, "gauge", [([], "\(Double(start.seconds) + Double(start.milliseconds) / 1000)")])
    family(Name.info, "gauge", [([("root", root), ("version", ProgramVersion.text)], "1")])
    family(Name.connections, "gauge", [([], "\(connections)")])
    family(Name.streams, "gauge", traffic.map { ([$0], "\($1.streams.count)") })
    family(Name.received, "counter", traffic.map { ([$0], "\($1.received.load(ordering: .relaxed))") })
    family(Name.sent, "counter", traffic.map { ([$0], "\($1.sent.load(ordering: .relaxed))") })
    family(
      Name.session, "gauge",
      tunnels.flatMap { tunnel, _, sessions in
        sessions.map { session in
          (
            [
              ("tunnel", tunnel.workload.rawValue), ("session", "\(session.number)"), ("remote", "\(session.remote)"),
              ("version", "\(session.version.number)"),
            ], "\(Int(session.since.seconds))"
          )
        }
      })
    family(
      Name.listening, "gauge",
      pipes.map { ([("pipe", $0.pipe.workload.rawValue)], $0.isListening ? "1" : "0") })
    family(
      Name.fault, "gauge",
      faults.sorted { $0.key < $1.key }.map { ([("pipe", $0.key.rawValue), ("reason", $0.value)], "1") })
    family(
      Name.problem, "gauge",
      pipes.compactMap { pipe in
        pipe.problem.map {
          ([("pipe", pipe.pipe.workload.rawValue), ("reason", $0.reason)], "\(Int($0.time.seconds))")
        }
      })
    return text
  }

  /// - Throws: `InvalidValue` for a line that no relay writes.
  init(metrics: String) throws(InvalidValue) {
    for line in metrics.split(separator: "\n") where !line.hasPrefix("#") {
      var invalid: InvalidValue { InvalidValue("metric of the relay", line, "it is not what a relay writes") }
      guard let sample = Sample(line) else { throw invalid }
      if sample.name == Name.start {
        guard let number = Double(sample.value), number.isFinite else { throw invalid }
        start = number
        continue
      }
      guard let number = UInt64(sample.value), let count = Int(exactly: number) else { throw invalid }
      if sample.name == Name.info { root = sample["root"] ?? "" }
      let reason = sample["reason"] ?? ""
      if let workload = sample["tunnel"] {
        if sample.name == Name.session {
          guard let version = sample["version"].flatMap({ Int($0) }), let remote = sample["remote"] else {
            throw invalid
          }
          tunnels[workload, default: Tunnel()].sessions.append(
            Session(since: count, remote: try Endpoint(remote), version: version))
        } else {
          tunnels[workload, default: Tunnel()].traffic.take(sample.name, number, count)
        }
      } else if let workload = sample["pipe"] {
        switch sample.name {
        case Name.listening: pipes[workload, default: Pipe()].isListening = count == 1
        case Name.fault: pipes[workload, default: Pipe()].fault = reason
        case Name.problem: pipes[workload, default: Pipe()].problem = Problem(reason: reason, time: count)
        default: pipes[workload, default: Pipe()].traffic.take(sample.name, number, count)
        }
      }
    }
  }

  /// A line of the format.
  private struct Sample {
    let name: Substring
    let labels: [(name: Substring, value: String)]
    let value: Substring

    init(name: String, labels: [(String, String)], value: String) {
      self.name = name[...]
      self.labels = labels.map { ($0.0[...], $0.1) }
      self.value = value[...]
    }

    subscript(label: String) -> String? { labels.first { $0.name == label }?.value }

    var line: String {
      guard !labels.isEmpty else { return "\(name) \(value)\n" }
      let list = labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
      return "\(name){\(list)} \(value)\n"
    }

    private static func escaped(_ text: String) -> String {
      text.reduce(into: "") { result, character in
        switch character {
        case "\\", "\"": result += "\\\(character)"
        case "\n", "\r\n": result += "\\n"
        default: result.append(character)
        }
      }
    }

    /// nil for what no relay writes.
    init?(_ line: Substring) {
      // By bytes: there may be thousands of lines.
      var rest = line.utf8
      func take(until ends: (UInt8) -> Bool) -> Substring {
        let part = rest.prefix { !ends($0) }
        rest = rest.dropFirst(part.count)
        return Substring(part)
      }
      name = take { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: " ") }
      var labels: [(Substring, String)] = []
      if rest.first == UInt8(ascii: "{") {
        repeat {
          rest = rest.dropFirst()
          let label = take { $0 == UInt8(ascii: "=") }
          guard rest.starts(with: "=\"".utf8) else { return nil }
          rest = rest.dropFirst(2)
          var value: [UInt8] = []
          while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
            guard byte == UInt8(ascii: "\\") else {
              value.append(byte)
              continue
            }
            guard let escaped = rest.popFirst() else { return nil }
            value.append(escaped == UInt8(ascii: "n") ? UInt8(ascii: "\n") : escaped)
          }
          labels.append((label, String(decoding: value, as: UTF8.self)))
        } while rest.first == UInt8(ascii: ",")
        guard rest.popFirst() == UInt8(ascii: "}") else { return nil }
      }
      guard rest.popFirst() == UInt8(ascii: " ") else { return nil }
      self.labels = labels
      value = Substring(rest)
    }
  }
}

extension RelayState.Traffic {
  fileprivate mutating func take(_ name: Substring, _ number: UInt64, _ count: Int) {
    switch name {
    case RelayState.Name.streams[...]: streams = count
    case RelayState.Name.received[...]: received = number
    case RelayState.Name.sent[...]: sent = number
    default: break
    }
  }
}

// Which is called otherwise in what is told of it.
typealias TunnelRecord = Tunnel
