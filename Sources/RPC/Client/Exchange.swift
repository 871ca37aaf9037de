import Logging
import NIOCore

/// Sends a client's requests and hands their replies out.
///
/// All requests of a client name one reply list, and replies find their call by the request's identifier. One
/// connection sends, another takes replies by pipelined `BLPOP` commands.
actor Exchange {
  enum ExchangeFailure: Error {
    /// With what keeps the client from the broker, if anything does.
    case timeout(isWithdrawn: Bool, BrokerError?)
    case notSent(BrokerError)
    case cancelled
    case stopped
    case broker(BrokerError)
  }

  private struct PendingCall {
    let queue: String
    let payload: [UInt8]
    var isSent = false
    let timeout: Scheduled<Void>
    let connectTimeout: Scheduled<Void>?
    let continuation: CheckedContinuation<Result<Response.Outcome, ExchangeFailure>, Never>
  }

  private struct ClientSession {
    let requests: RedisConnection
    let replies: RedisConnection
    /// `BLPOP` commands without an answer.
    var asked = 0
  }

  /// Where the client stands with the broker.
  private enum Link {
    /// There is no connection, for this reason; nil before the first attempt has ended.
    case away(because: BrokerError?)
    case connected(ClientSession)
    /// It denied access for good.
    case denied(BrokerError)
  }

  private static let window = 32

  private nonisolated let executor: LoopExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
  private nonisolated var loop: any EventLoop { executor.loop }

  private let broker: BrokerURL
  private let logger: Logger
  private let replyTo = UniqueID.random()
  private var nextID = 0
  private var calls: [String: PendingCall] = [:]
  /// The calls to be sent, in order.
  private var unsent: [String] = []
  private var link = Link.away(because: nil)
  private var isFlushScheduled = false

  private var session: ClientSession? { if case .connected(let session) = link { session } else { nil } }

  private var outageReason: BrokerError? { if case .away(let reason) = link { reason } else { nil } }

  init(broker: BrokerURL, logger: Logger, loop: any EventLoop) {
    self.broker = broker
    self.logger = logger
    executor = LoopExecutor(loop)
  }

  // MARK: Sessions

  /// Keeps connected until cancelled.
  func run() async throws {
    var outage = Outage(logger: logger)
    defer { for id in Array(calls.keys) { end(id, .failure(.stopped)) } }
    while true {
      let reason = await runSession { outage.isOver() }
      link = .away(because: reason)
      try Task.checkCancellation()
      do {
        try outage.failed(reason)
      } catch {
        link = .denied(error)
        for id in Array(calls.keys) { end(id, .failure(.broker(error))) }
        throw error
      }
      try await Task.sleep(for: outage.pause())
    }
  }

  private func runSession(onReady: () -> Void) async -> BrokerError {
    do throws(BrokerError) {
      let requests = try await RedisConnection.connect(to: broker, on: loop)
      defer { requests.close() }
      let replies = try await RedisConnection.connect(to: broker, on: loop)
      defer { replies.close() }
      link = .connected(ClientSession(requests: requests, replies: replies))
      onReady()
      flush()
      let end = await withTaskCancellationHandler {
        await withTaskGroup(of: BrokerError.self) { group in
          for connection in [requests, replies] { group.addTask { await connection.closed() } }
          defer { for connection in [requests, replies] { connection.close() } }
          return await group.next()!
        }
      } onCancel: {
        loop.execute { self.assumeIsolated { $0.leave(requests) } }
      }
      link = .away(because: end)
      return end
    } catch {
      return error
    }
  }

  /// Withdraws what is still queued and closes. Late replies have nobody to take them from now on.
  private func leave(_ requests: RedisConnection) {
    for call in calls.values where call.isSent {
      requests.send(["LREM", .text(call.queue), "-1", .bytes(call.payload)]) { _ in }
    }
    requests.send(["DEL", .text(replyTo)]) { _ in requests.close() }
    requests.flush()
    // The broker itself may be what does not answer.
    loop.scheduleTask(in: .seconds(1)) { requests.close() }
  }

  // MARK: Calls

  func call(
    _ method: String, _ object: ObjectID, queue: String, inputs: [[UInt8]], timeout: Duration,
    connectTimeout: Duration?
  ) async throws(ExchangeFailure) -> Response.Outcome {
    if case .denied(let error) = link { throw .broker(error) }
    let id = "\(replyTo)-\(nextID)"
    nextID += 1
    let payload = Request.encode(id: id, inputs: inputs, object: object, method: method, replyTo: replyTo)
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let timeout = loop.scheduleTask(in: TimeAmount(timeout)) {
          self.assumeIsolated { $0.timeOut(id, after: timeout) }
        }
        let connectTimeout = connectTimeout.map { limit in
          loop.scheduleTask(in: TimeAmount(limit)) { self.assumeIsolated { $0.giveUpUnsent(id, after: limit) } }
        }
        calls[id] = PendingCall(
          queue: queue, payload: payload, timeout: timeout, connectTimeout: connectTimeout, continuation: continuation)
        unsent.append(id)
        if Task.isCancelled { cancel(id) } else { scheduleFlush() }
      }
    } onCancel: {
      Task { await self.cancel(id) }
    }
    return try result.get()
  }

  private func end(_ id: String, _ result: Result<Response.Outcome, ExchangeFailure>) {
    guard let call = calls.removeValue(forKey: id) else { return }
    call.timeout.cancel()
    call.connectTimeout?.cancel()
    if calls.isEmpty { unsent.removeAll(keepingCapacity: true) }
    call.continuation.resume(returning: result)
  }

  private func cancel(_ id: String) {
    guard calls[id] != nil else { return }
    withdraw(id) { _ in }
    end(id, .failure(.cancelled))
  }

  /// Ends a call whose request is still here, for want of a connection.
  private func giveUpUnsent(_ id: String, after limit: Duration) {
    guard let call = calls[id], !call.isSent else { return }
    end(id, .failure(.notSent(outageReason ?? BrokerError(broker, .unreachable("no connection within \(limit)")))))
  }

  /// A request that still waits in its queue after its caller has given up must not run some day later.
  private func timeOut(_ id: String, after limit: Duration) {
    giveUpUnsent(id, after: limit)
    guard calls[id] != nil else { return }
    // The broker itself may be what does not answer.
    let limit = loop.scheduleTask(in: .seconds(1)) {
      self.assumeIsolated { $0.end(id, .failure(.timeout(isWithdrawn: false, $0.outageReason))) }
    }
    withdraw(id) { isWithdrawn in
      limit.cancel()
      self.assumeIsolated { $0.end(id, .failure(.timeout(isWithdrawn: isWithdrawn, $0.outageReason))) }
    }
  }

  private func withdraw(_ id: String, _ completion: @escaping @Sendable (_ isWithdrawn: Bool) -> Void) {
    guard let call = calls[id], call.isSent else { return completion(true) }
    guard let session else { return completion(false) }
    session.requests.send(["LREM", .text(call.queue), "-1", .bytes(call.payload)]) { result in
      completion((try? result.get()) == .integer(1))
    }
    session.requests.flush()
  }

  private func scheduleFlush() {
    guard !isFlushScheduled else { return }
    isFlushScheduled = true
    loop.execute { self.assumeIsolated { $0.flush() } }
  }

  /// Sends what has not been sent, all in one write, and asks for more replies.
  private func flush() {
    isFlushScheduled = false
    guard let session else { return }
    askForReplies()
    for id in unsent {
      guard let call = calls[id] else { continue }
      calls[id]?.isSent = true
      call.connectTimeout?.cancel()
      session.requests.send(["RPUSH", .text(call.queue), .bytes(call.payload)]) { result in
        guard case .failure(let error) = result else { return }
        self.assumeIsolated { $0.notQueued(id, error) }
      }
    }
    unsent.removeAll(keepingCapacity: true)
    session.requests.flush()
  }

  private func notQueued(_ id: String, _ error: BrokerError) {
    if case .refused = error.reason { end(id, .failure(.broker(error))) }
  }

  private func askForReplies() {
    guard var session, session.asked <= Self.window / 2 else { return }
    for _ in session.asked..<Self.window {
      session.replies.send(["BLPOP", .text(replyTo), "0"]) { result in self.assumeIsolated { $0.took(result) } }
    }
    session.replies.flush()
    session.asked = Self.window
    link = .connected(session)
  }

  private func took(_ result: Result<RedisReply, BrokerError>) {
    switch result {
    case .failure(let error): session?.replies.close(because: error.reason)
    case .success(let reply):
      if var session {
        session.asked -= 1
        link = .connected(session)
      }
      askForReplies()
      guard let payload = reply.elements?.last?.bytes, let response = try? Response(payload) else {
        logger.warning("dropped a reply that is no response", metadata: ["reply-to": "\(replyTo)"])
        return
      }
      // A reply to a call that is over already is of no use.
      end(response.id, .success(response.outcome))
    }
  }
}
