/// What a server remembers of taking over requests that were in flight before.
///
/// A request that was in hand when the process died may have killed it. So those which an earlier life left behind are run
/// one at a time, and each is noted in Redis as a suspect for as long as it runs: one that was a suspect when the process
/// died a second time is not run again.
struct Recovery {
  /// The list of suspects.
  let suspectsKey: String
  /// The value that tells one life of the broker's data from the next.
  let epochKey: String
  var epoch: [UInt8]?
  /// Whether what an earlier life left behind has been run.
  var isDone = false

  /// The suspects that the earlier life left behind, once they are known.
  var guilty: Set<[UInt8]>?

  private var suspects: Set<[UInt8]> = []
  private var cleared: [[UInt8]] = []
  private var waiter: CheckedContinuation<Void, Never>?

  /// - Parameter inFlight: what the keys begin with.
  init(inFlight: String) {
    suspectsKey = "\(inFlight).suspects"
    epochKey = "\(inFlight).epoch"
  }

  /// A request is about to run alone; `waiter` is resumed when the next one may.
  mutating func begins(_ payload: [UInt8], _ waiter: CheckedContinuation<Void, Never>) {
    suspects.insert(payload)
    self.waiter = waiter
  }

  /// The request that runs alone needs no more than to wait, or has had its time: the next one may run beside it.
  mutating func goesOn() {
    waiter?.resume()
    waiter = nil
  }

  /// A request is answered.
  mutating func isOver(_ payload: [UInt8]) {
    guard !suspects.isEmpty, suspects.remove(payload) != nil else { return }
    cleared.append(payload)
    goesOn()
  }

  /// Former suspects, to be taken off the list.
  mutating func takeCleared() -> [[UInt8]] {
    defer { cleared.removeAll() }
    return cleared
  }
}

/// A request that an earlier life, or the last session, left in flight.
private struct Leftover {
  let payload: [UInt8]
  let source: Int
}

extension Dispatcher {
  /// How long a request that was left behind may run alone.
  private static let timeAlone = Duration.seconds(1)

  /// Runs what an earlier life, or the last session, left in flight. That it can write tells that the broker takes
  /// writes again: `LMOVE` onto the same end changes nothing.
  func recover(on main: RedisConnection) async throws(BrokerError) {
    for list in inFlight.map(RedisArgument.text) {
      let cutDown = try await main.call([
        "EVAL", .text(OversizeScript.source), "1", list, "\(Request.maximumSize)",
      ])
      if case .integer(let count) = cutDown, count > 0 {
        logger.warning(
          "cut down requests that are too large",
          metadata: ["requests": "\(count)", "most-bytes": "\(Request.maximumSize)"])
      }
      _ = try await main.call(["LMOVE", list, list, "LEFT", "LEFT"])
    }
    // A queue that is no list would end the session as soon as it has begun.
    for queue in queues { _ = try await main.call(["LLEN", .text(queue)]) }
    try await noteEpoch(on: main)
    let expired = ledger.expire(before: .now - Self.replyLifetime)
    if expired > 0 {
      logger.warning("dropped replies that nobody waits for any more", metadata: ["replies": "\(expired)"])
    }
    var leftovers: [Leftover] = []
    for (source, list) in inFlight.enumerated() {
      let reply = try await main.call(["LRANGE", .text(list), "0", "-1"])
      let payloads = ledger.found((reply.elements ?? []).compactMap(\.bytes), from: source)
      leftovers += payloads.map { Leftover(payload: $0, source: source) }
    }
    guard !isDraining else { return }
    if !leftovers.isEmpty {
      logger.notice("running requests left in flight", metadata: ["requests": "\(leftovers.count)"])
    }
    if recovery.isDone {
      // Taken by this process and lost with the connection on their way here: they have not run.
      for leftover in leftovers { handle(leftover) }
    } else {
      try await runAlone(leftovers, on: main)
      recovery.isDone = true
    }
  }

  private func runAlone(_ leftovers: [Leftover], on main: RedisConnection) async throws(BrokerError) {
    let suspects = RedisArgument.text(recovery.suspectsKey)
    let guilty: Set<[UInt8]>
    if let known = recovery.guilty {
      guilty = known
    } else {
      let reply = try await main.call(["LRANGE", suspects, "0", "-1"])
      guilty = Set((reply.elements ?? []).compactMap(\.bytes))
      recovery.guilty = guilty
    }
    for leftover in leftovers {
      if guilty.contains(leftover.payload) {
        refuse(leftover)
        continue
      }
      _ = try await main.call(["RPUSH", suspects, .bytes(leftover.payload)])
      await withCheckedContinuation { waiter in
        recovery.begins(leftover.payload, waiter)
        loop.scheduleTask(in: .init(Self.timeAlone)) { self.assumeIsolated { $0.recovery.goesOn() } }
        handle(leftover)
      }
    }
    // The guilty are answered as soon as the session stands, and are not suspects of the next life.
    for payload in guilty { _ = try await main.call(["LREM", suspects, "0", .bytes(payload)]) }
  }

  private func handle(_ leftover: Leftover) {
    ledger.tookLeftover(from: leftover.source)
    handle(leftover.payload, from: leftover.source)
  }

  private func refuse(_ leftover: Leftover) {
    guard let request = try? Request(leftover.payload) else { return handle(leftover) }
    logger.error(
      "not running a request again that was being run when this module died twice",
      metadata: [
        "object": "\(request.object)", "method": "\(request.method)",
        "reply-to": "\(String(decoding: request.replyTo.key, as: UTF8.self))",
      ])
    let message = "this request was being run when the module died, twice: it is not run again"
    let outcome: Response.Outcome
    do throws(ProtocolError) {
      outcome = .callError(message, zero: try objects.method(for: request).zero)
    } catch {
      outcome = .protocolError(error.message)
    }
    ledger.tookLeftover(from: leftover.source)
    settle(
      leftover.payload, reply: .init(address: request.replyTo, bytes: Response.encode(id: request.id, outcome)),
      source: leftover.source)
  }

  /// What was sent and not confirmed may be repeated with care only while the broker's data is the same; a broker that
  /// came back empty has neither the requests in flight nor the replies.
  private func noteEpoch(on main: RedisConnection) async throws(BrokerError) {
    let key = RedisArgument.text(recovery.epochKey)
    _ = try await main.call(["SET", key, .text(UniqueID.random()), "NX"])
    let current = try await main.call(["GET", key]).bytes
    if let epoch = recovery.epoch, epoch != current { ledger.forgetRepeats() }
    recovery.epoch = current
  }
}
