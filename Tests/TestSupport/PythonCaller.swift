import Foundation
import Synchronization

/// A caller of the bus that shares no code with this package: `Tests/python/zbus_caller.py`, which speaks as the Go
/// callers do. Its documentation tells how values that JSON does not have are written.
public final class PythonCaller: Fixture {
  /// A reply as it came back.
  public struct Reply: Sendable {
    /// The decoded `Output.Data`; null when it is nil or empty.
    public let data: JSON
    /// The bytes of `Output.Data`; nil when it is nil.
    public let dataHex: String?
    /// `Output.Error.Message`.
    public let callError: String?
    /// `Error`.
    public let protocolError: String?
    /// Whether the reply's ID is the request's.
    public let hasRequestID: Bool
    /// The whole message.
    public let raw: String
    /// The list it came on.
    public let replyTo: String
    /// When that list expires, in seconds, for a call that was told to `inspect`.
    public let timeToLive: Int64?
  }

  /// A request that a played module was sent.
  public struct Request: Sendable, Hashable {
    public let method: String
    public let arguments: [JSON]

    public init(method: String, arguments: [JSON]) {
      self.method = method
      self.arguments = arguments
    }
  }

  private let process: ChildProcess
  private let lines: LineExchange

  /// Starts a caller, runs `body` with it and stops it.
  ///
  /// - Parameter broker: the broker's URL.
  @discardableResult
  public static func withCaller<Result>(
    broker: String, isolation: isolated (any Actor)? = #isolation, _ body: (PythonCaller) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      let lines = try LineExchange()
      let process = try ChildProcess(
        Repository.program("python3", environment: "PYTHON"), [Repository.file("Tests/python/zbus_caller.py"), broker],
        standardInput: lines.theirs, standardOutput: lines.theirs, log: directory.file("caller.log"))
      lines.begin()
      return try await using(PythonCaller(process: process, lines: lines)) { caller in
        try await process.ready { lines.isReady }
        return try await body(caller)
      }
    }
  }

  private init(process: ChildProcess, lines: LineExchange) {
    self.process = process
    self.lines = lines
  }

  /// Calls a method and waits for its reply.
  ///
  /// - Parameters:
  ///   - method: its name.
  ///   - arguments: its arguments.
  ///   - object: name and version: `manager@0.0.1`.
  ///   - module: the module that hosts it.
  ///   - limit: how long to wait.
  ///   - inspect: whether to leave the reply on its list and tell when that expires.
  /// - Throws: ``FixtureError`` when there is no reply in time.
  public func call(
    _ method: String, _ arguments: JSON..., object: String = "manager@0.0.1", module: String = "gateway",
    within limit: Duration = .patience, inspect: Bool = false
  ) async throws -> Reply {
    try await call(method, with: arguments, object: object, module: module, within: limit, inspect: inspect)
  }

  /// Calls a method with a list of arguments.
  public func call(
    _ method: String, with arguments: [JSON], object: String = "manager@0.0.1", module: String = "gateway",
    within limit: Duration = .patience, inspect: Bool = false
  ) async throws -> Reply {
    try await reply(
      to: named(object, of: module).merging([
        "op": "call", "method": .string(method), "arguments": .array(arguments), "timeout": .seconds(limit),
        "inspect": .bool(inspect),
      ]) { $1 })
  }

  /// The bytes of a request that a call would push, in hexadecimal, with `id` as its ID and reply list.
  public func request(_ method: String, with arguments: [JSON], object: String, id: String) async throws -> String {
    let answer = try await ask(
      named(object, of: "").merging([
        "op": "encode", "method": .string(method), "arguments": .array(arguments), "request_id": .string(id),
        "reply_to": .string(id),
      ]) { $1 })
    return answer["raw"].string ?? ""
  }

  /// Asks a module for its status.
  public func status(of module: String = "gateway", within limit: Duration = .patience) async throws -> Reply {
    try await reply(to: ["op": "status", "module": .string(module), "timeout": .seconds(limit)])
  }

  /// How many replies, beyond the one that is due, came to all calls of this caller so far.
  public func extraReplies() async throws -> Int {
    Int(try await ask(["op": "extra_replies"])["count"].integer ?? -1)
  }

  /// Pushes bytes, given in hexadecimal, onto a list.
  public func push(_ hex: String, to queue: String) async throws {
    _ = try await ask(["op": "push", "queue": .string(queue), "hex": .string(hex)])
  }

  /// Subscribes to a stream and hands its next events out.
  ///
  /// - Parameter then: runs once the subscription stands; makes the events happen, if they do not by themselves.
  public func events(
    _ count: Int, of stream: String, object: String, module: String, within limit: Duration = .patience,
    then: () async throws -> Void = {}
  ) async throws -> [JSON] {
    let subscription = try await ask(
      named(object, of: module).merging(["op": "subscribe", "stream": .string(stream)]) { $1 })
    try await then()
    let answer = try await ask([
      "op": "events", "subscription": subscription["subscription"], "count": .integer(Int64(count)),
      "timeout": .seconds(limit),
    ])
    return answer["events"].array ?? []
  }

  /// Plays an object of a module until the caller is stopped. Served again, it answers in the new way.
  ///
  /// - Parameter methods: for each method `["result": …]`, `["error": "…", "result": …]`, `["protocol_error": "…"]`,
  ///   `["raw": "hex"]` or `["silent": true]`.
  public func serve(_ object: String, of module: String, methods: [String: JSON]) async throws -> Service {
    let answer = try await ask(
      named(object, of: module).merging(["op": "serve", "methods": .object(methods)]) { $1 })
    return Service(caller: self, number: answer["service"])
  }

  /// An object that a ``PythonCaller`` plays.
  public struct Service: Sendable {
    fileprivate let caller: PythonCaller
    fileprivate let number: JSON

    /// The requests it was sent so far.
    public func requests() async throws -> [Request] {
      try await caller.ask(["op": "served", "service": number])["requests"].array?.map {
        Request(method: $0["method"].string ?? "", arguments: $0["arguments"].array ?? [])
      } ?? []
    }
  }

  private func named(_ object: String, of module: String) -> [String: JSON] {
    let parts = object.split(separator: "@", maxSplits: 1).map(String.init)
    return [
      "module": .string(module), "object": .string(parts[0]), "version": .string(parts.count > 1 ? parts[1] : ""),
    ]
  }

  private func reply(to question: [String: JSON]) async throws -> Reply {
    let answer = try await ask(question)
    return Reply(
      data: answer["data"], dataHex: answer["data_hex"].string, callError: answer["call_error"].string,
      protocolError: answer["protocol_error"].string, hasRequestID: answer["same_id"] == true,
      raw: answer["raw"].string ?? "", replyTo: answer["reply_to"].string ?? "", timeToLive: answer["ttl"].integer)
  }

  private func ask(_ question: [String: JSON]) async throws -> JSON {
    guard let answer = await lines.exchange(question) else { throw FixtureError(process.lastWords) }
    if let failure = answer["failure"].string {
      throw FixtureError("\(question["op"]?.string ?? "") \(question["method"]?.string ?? ""): \(failure)")
    }
    return answer
  }

  func stop() async {
    await process.stop()
    lines.end()
  }
}

/// Questions to a process and its answers, each a line of JSON; an answer carries the `id` of its question.
private final class LineExchange: Sendable {
  private enum State {
    case unready
    case open(nextID: Int64, waiting: [Int64: CheckedContinuation<JSON?, Never>])
    case closed
  }

  /// What the process reads from and writes to, until ``begin()``.
  let theirs: Int32
  private let ours: Int32
  private let state = Mutex(State.unready)
  private let writing = Mutex(())

  deinit { close(ours) }

  init() throws {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw FixtureError("no socket pair: \(String(cString: strerror(errno)))")
    }
    (ours, theirs) = (ends[0], ends[1])
  }

  var isReady: Bool {
    state.withLock { if case .open = $0 { true } else { false } }
  }

  /// Starts to read answers, once the process has its end.
  func begin() {
    close(theirs)
    Thread.detachNewThread { [self] in
      var pending: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while case let count = read(ours, &buffer, buffer.count), count > 0 {
        pending += buffer[..<count]
        while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
          take(String(decoding: pending[..<end], as: UTF8.self))
          pending.removeSubrange(...end)
        }
      }
      abandon()
    }
  }

  /// Ends reading, once the process is gone.
  func end() {
    shutdown(ours, Int32(SHUT_RDWR))
  }

  /// Sends a question and waits for its answer; nil when the process ended before that.
  func exchange(_ question: [String: JSON]) async -> JSON? {
    await withCheckedContinuation { waiter in
      let line = state.withLock { state -> String? in
        guard case .open(let id, var waiting) = state else { return nil }
        waiting[id] = waiter
        state = .open(nextID: id + 1, waiting: waiting)
        return "\(JSON.object(question.merging(["id": .integer(id)]) { $1 }))\n"
      }
      guard let line else { return waiter.resume(returning: nil) }
      send(Array(line.utf8))
    }
  }

  private func send(_ bytes: [UInt8]) {
    writing.withLock { _ in
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.send(ours, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        // A failure needs no report: the reader sees the end of the process too.
        guard count > 0 else { return }
        rest = rest.dropFirst(count)
      }
    }
  }

  private func take(_ line: String) {
    guard let answer = try? JSON(parsing: line) else { return }
    let waiter = state.withLock { state -> CheckedContinuation<JSON?, Never>? in
      switch state {
      case .unready:
        state = .open(nextID: 0, waiting: [:])
        return nil
      case .open(let nextID, var waiting):
        let waiter = answer["id"].integer.flatMap { waiting.removeValue(forKey: $0) }
        state = .open(nextID: nextID, waiting: waiting)
        return waiter
      case .closed:
        return nil
      }
    }
    waiter?.resume(returning: answer)
  }

  private func abandon() {
    let abandoned = state.withLock { state -> [Int64: CheckedContinuation<JSON?, Never>] in
      defer { state = .closed }
      return if case .open(_, let waiting) = state { waiting } else { [:] }
    }
    for waiter in abandoned.values { waiter.resume(returning: nil) }
  }
}

extension JSON {
  fileprivate static func seconds(_ duration: Duration) -> JSON {
    .number(Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18)
  }
}
