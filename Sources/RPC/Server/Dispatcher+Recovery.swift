/// A request that an earlier life, or the last session, left in flight.
private struct Leftover {
  let payload: [UInt8]
  let source: Int
}

extension Dispatcher {
  /// How long a request that was left behind may run alone.
  private static let timeAlone = Duration.seconds(1)
  /// How many requests are read of a list at once: each may have ``Request/maximumSize``.
  private static let piece = 8

  /// Takes note of what is in flight, before anything is settled. That it can write tells that the broker takes writes
  /// again: `LMOVE` onto the same end changes nothing.
  func lookThroughInFlight(on main: RedisConnection) async throws(BrokerError) {
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
    ledger.beginLookingThrough()
    for (source, list) in inFlight.enumerated() {
      try await read(list, on: main) { ledger.found($0, from: source) }
    }
    ledger.endLookingThrough()
  }

  /// Reads a list, some elements at a time.
  private func read(
    _ list: String, on main: RedisConnection, _ take: ([[UInt8]]) -> Void
  ) async throws(BrokerError) {
    var start = 0
    while true {
      let range: [RedisArgument] = ["LRANGE", .text(list), "\(start)", "\(start + Self.piece - 1)"]
      let elements = (try await main.call(range).elements ?? []).compactMap(\.bytes)
      take(elements)
      start += elements.count
      if elements.count < Self.piece { return }
    }
  }

  /// Runs what an earlier life, or the last session, left in flight: one after the other, so that no more of it is in memory
  /// than there is room for.
  func runLeftovers(on main: RedisConnection) async throws(BrokerError) {
    let unread = ledger.unreadLeftovers
    if unread > 0, !isDraining {
      logger.notice("running requests left in flight", metadata: ["requests": "\(unread)"])
    }
    if recovery.guilty == nil {
      var guilty: Set<[UInt8]> = []
      try await read(recovery.suspectsKey, on: main) { guilty.formUnion($0) }
      recovery.guilty = guilty
    }
    for source in inFlight.indices {
      while ledger.firstLeftover(of: source) != nil {
        while ledger.isFull(source), !isDraining { try await waitForRoom(on: main) }
        if isDraining { return }
        let payload = try await readLeftover(of: source, on: main)
        ledger.readLeftover(payload, of: source)
        if let payload { try await run(Leftover(payload: payload, source: source), on: main) }
      }
    }
    guard !recovery.isDone, !isDraining else { return }
    recovery.isDone = true
    // They have been answered, and are not suspects of the next life.
    for payload in recovery.guilty ?? [] {
      _ = try await main.call(["LREM", .text(recovery.suspectsKey), "0", .bytes(payload)])
    }
    recovery.guilty = []
  }

  /// Its place on the list is that of the moment in which the command is sent: what is settled meanwhile comes behind.
  private func readLeftover(of source: Int, on main: RedisConnection) async throws(BrokerError) -> [UInt8]? {
    let reply = await withCheckedContinuation { reply in
      let place = ledger.firstLeftover(of: source) ?? 0
      main.send(["LINDEX", .text(inFlight[source]), "\(place)"]) { reply.resume(returning: $0) }
      main.flush()
    }
    return try reply.get().bytes
  }

  private func run(_ leftover: Leftover, on main: RedisConnection) async throws(BrokerError) {
    // Taken by this process and lost with the connection on its way here: it has not run.
    if recovery.isDone {
      handle(leftover)
    } else if recovery.guilty?.contains(leftover.payload) == true {
      refuse(leftover)
    } else {
      _ = try await main.call(["RPUSH", .text(recovery.suspectsKey), .bytes(leftover.payload)])
      guard let call = handle(leftover) else { return recovery.clear(leftover.payload) }
      recovery.begins(call, leftover.payload)
      let time = loop.scheduleTask(in: .init(Self.timeAlone)) { self.assumeIsolated { $0.mayFollow(call) } }
      await withCheckedContinuation { follower = $0 }
      time.cancel()
    }
  }

  /// The next leftover may be run beside a call, if that is the one that runs alone.
  func mayFollow(_ call: CallLedger.Call.ID) {
    if recovery.goesOn(beside: call) { resumeFollower() }
  }

  @discardableResult
  private func handle(_ leftover: Leftover) -> CallLedger.Call.ID? {
    ledger.tookLeftover(leftover.payload, from: leftover.source)
    return handle(leftover.payload, from: leftover.source)
  }

  private func refuse(_ leftover: Leftover) {
    guard let request = try? Request(leftover.payload) else {
      handle(leftover)
      return
    }
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
    ledger.tookLeftover(leftover.payload, from: leftover.source)
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
