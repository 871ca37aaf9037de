import Logging
import NIOCore

/// Moves calls from a module's queues to its methods and their replies back.
///
/// It lives on one event loop, with all its connections, so that a call which waits for nothing is taken, run and
/// answered without changing threads. One connection a queue takes requests, by as many pipelined `BLMOVE` commands as
/// the ledger allows; one more sends the settlements, and everything else.
actor Dispatcher {
  /// How long the calls in hand have to finish when the server stops.
  static let drainTimeout = Duration.seconds(8)
  /// How long a reply is worth keeping while the broker is away.
  static let replyLifetime = Duration.seconds(300)
  /// The most bytes of a reply that is no request: a list of all clients, some requests in flight.
  static let maximumReply = 64 << 20
  /// How many events may be on their way to the broker; their streams then wait until it has taken half of them.
  static let eventLimit = 256

  private nonisolated let executor: LoopExecutor
  nonisolated let taskExecutor: LoopTaskExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
  nonisolated var loop: any EventLoop { executor.loop }

  let module: String
  let objects: ObjectTable
  let logger: Logger
  let queues: [String]
  let statusSource: Int
  /// Where the requests of each queue are while they are in hand.
  let inFlight: [String]
  let broker: BrokerURL

  var ledger: CallLedger
  private var phase = Phase.away
  /// One session after the other; cancelled when there is to be no other.
  var sessions: Task<Void, any Error>?
  private var isFlushScheduled = false
  var isEventFlushScheduled = false
  /// Those who run calls, one after the other each.
  var runners: [Int: Task<Void, Never>] = [:]
  private var nextRunner = 0
  private var isRunnerOnTheWay = false
  let ownership: Ownership
  /// Another process that serves the module, if there is one.
  var owner: Ownership.ModuleTaken?
  var recovery: Recovery
  /// The recovery, while it waits for the leftover that runs alone, or for room for the next one.
  var follower: CheckedContinuation<Void, Never>?
  private var roomSeeker: CheckedContinuation<Void, Never>?
  private var malformed = MalformedCount()
  /// Published, and not yet taken by the broker.
  var eventsOnTheWay = 0
  /// Streams that wait for the broker to take events.
  var waitingStreams: [CheckedContinuation<Void, Never>] = []
  /// Since one was last taken.
  var droppedEvents = 0

  /// Where the server stands between its start and its end.
  private enum Phase {
    /// There is no connection to the broker.
    case away
    /// Requests are taken and answered.
    case serving(Session)
    /// No more requests are taken: it stops once the calls in hand are answered, for which it needs a session.
    case draining(Session?)
  }

  /// The connections that are up at the same time and fall together.
  struct Session {
    let main: RedisConnection
    /// By queue. While leftovers are run, there is one for the module's status alone: no later request goes before them.
    var takers: [Int: RedisConnection] = [:]
  }

  var isDraining: Bool { if case .draining = phase { true } else { false } }

  var session: Session? {
    get {
      switch phase {
      case .away: nil
      case .serving(let session): session
      case .draining(let session): session
      }
    }
    set {
      phase =
        switch (phase, newValue) {
        case (.draining, _): .draining(newValue)
        case (_, let session?): .serving(session)
        case (_, nil): .away
        }
    }
  }

  init(
    module: String, broker: BrokerURL, objects: ObjectTable, limits: CallLedger.Limits, logger: Logger,
    loop: any EventLoop
  ) {
    self.module = module
    self.broker = broker
    self.objects = objects
    self.logger = logger
    executor = LoopExecutor(loop)
    taskExecutor = LoopTaskExecutor(loop)
    queues = (objects.ids + [.status]).map { $0.queue(of: module) }
    statusSource = objects.ids.count
    inFlight = queues.map { $0 + ReplyAddress.inFlightMark }
    ownership = Ownership(module: module, inFlight: module + ReplyAddress.inFlightMark)
    recovery = Recovery(inFlight: module + ReplyAddress.inFlightMark)
    ledger = CallLedger(sources: queues.count, limits: limits, now: .now)
  }

  /// Serves until it is drained or cancelled.
  func run() async throws {
    let sessions = Task { try await keepSessions() }
    self.sessions = sessions
    if isDraining { sessions.cancel() }
    try await withThrowingDiscardingTaskGroup { group in
      for (object, stream) in objects.streams {
        group.addTask(executorPreference: taskExecutor) { try await self.publish(stream, of: object) }
      }
      try await withTaskCancellationHandler {
        try await sessions.value
      } onCancel: {
        sessions.cancel()
      }
      group.cancelAll()
    }
  }

  /// Stops taking requests; ``run()`` returns once those in hand are answered, or have had their time.
  func drain() {
    guard !isDraining else { return }
    phase = .draining(session)
    logger.info("stopping", metadata: ["calls-in-hand": "\(ledger.count)"])
    closeTakers()
    resumeFollower()
    resumeRoomSeeker()
    if ledger.isIdle { sessions?.cancel() }
    loop.scheduleTask(in: TimeAmount(Self.drainTimeout)) { self.assumeIsolated { $0.sessions?.cancel() } }
  }

  // MARK: Taking

  func took(_ result: Result<RedisReply, BrokerError>, from source: Int, by taker: RedisConnection) {
    switch result {
    case .success(.bytes(let payload)):
      ledger.took(payload, from: source)
      handle(payload, from: source)
      if ledger.isFull(source) { taker.isReading = false }
    case .success(let reply):
      taker.close(because: .closed("it answered BLMOVE with \(reply)"))
    case .failure(let error):
      // The broker refuses (read-only, out of memory): the next session begins when that is over.
      taker.close(because: error.reason)
    }
  }

  /// Returns the call that a request has become, unless it is answered already.
  @discardableResult
  func handle(_ payload: [UInt8], from source: Int) -> CallLedger.Call.ID? {
    do throws(Request.Fault) {
      let request = try Request(payload)
      if source == statusSource {
        answerStatus(request, payload)
      } else {
        let call = ledger.admit(request, payload: payload, source: source)
        startCalls()
        return call
      }
    } catch {
      switch error {
      case .unanswerable(let why):
        malformed.log(payload, why, queues[source], logger)
        settle(payload, reply: nil, source: source)
      case .answerable(let why, let id, let address):
        let bytes = Response.encode(id: id, .protocolError(why))
        settle(payload, reply: .init(address: address, bytes: bytes), source: source)
      }
    }
    return nil
  }

  private func answerStatus(_ request: Request, _ payload: [UInt8]) {
    let status = ModuleStatus(objects: objects.ids, workers: ledger.workerStatus)
    let outcome: Response.Outcome =
      request.object == .status
      ? (try? .result(MessagePackEncoder().encode(status))) ?? .protocolError("status cannot be encoded")
      : .protocolError("unknown object")
    settle(
      payload, reply: .init(address: request.replyTo, bytes: Response.encode(id: request.id, outcome)),
      source: statusSource)
  }

  // MARK: Running

  /// Sees to it that somebody is on the way to run a call that can start.
  private func startCalls() {
    guard !isRunnerOnTheWay, ledger.canStart else { return }
    isRunnerOnTheWay = true
    let id = nextRunner
    nextRunner += 1
    runners[id] = Task(executorPreference: taskExecutor) { @concurrent in
      var over: (CallLedger.Running, Response.Outcome)?
      while let (running, method) = self.next(after: over, on: id) {
        let current = CurrentCall(running: running, dispatcher: self)
        let inputs = running.call.request.inputs
        let outcome = await CurrentCall.$value.withValue(current) { await method.invoke(inputs) }
        // A call that was cut off is run again by the next server.
        if Task.isCancelled { return }
        over = (running, outcome)
      }
    }
  }

  /// What a runner does next, now that a call is over: nothing more, when none can start. To be called on the event loop.
  ///
  /// One runner runs one call after the other, without another turn of the event loop, for as long as they need not
  /// wait. Behind it comes the next one, which goes on with the calls when this one is held up.
  private nonisolated func next(
    after over: (running: CallLedger.Running, outcome: Response.Outcome)?, on runner: Int
  ) -> (CallLedger.Running, RPCMethod)? {
    assumeIsolated { dispatcher in
      let now = Timestamp.now
      if let over {
        dispatcher.finish(over.running, over.outcome, now)
      } else {
        dispatcher.isRunnerOnTheWay = false
      }
      while let running = dispatcher.ledger.start(now: now) {
        do throws(ProtocolError) {
          let method = try dispatcher.objects.method(for: running.call.request)
          // Neither other calls nor the replies that are ready wait for this one.
          dispatcher.startCalls()
          if dispatcher.ledger.owesBatch { dispatcher.scheduleFlush() }
          return (running, method)
        } catch {
          dispatcher.finish(running, .protocolError(error.message), now)
        }
      }
      dispatcher.runners[runner] = nil
      if !dispatcher.isRunnerOnTheWay {
        // Calls that waited for the same thing end one after the other, and their replies go out together.
        if dispatcher.runners.isEmpty { dispatcher.flush() } else { dispatcher.scheduleFlush() }
      }
      return nil
    }
  }

  private func finish(_ running: CallLedger.Running, _ outcome: Response.Outcome, _ now: Timestamp) {
    let call = running.call
    if recovery.isOver(call.id) { resumeFollower() }
    ledger.finish(running, reply: Response.encode(id: call.request.id, outcome), now: now, at: .now)
  }

  func releaseWorker(of running: CallLedger.Running) {
    mayFollow(running.call.id)
    if ledger.release(running, now: .now) {
      readOn()
      startCalls()
      scheduleFlush()
    }
  }

  // MARK: Settling

  func settle(_ payload: [UInt8], reply: CallLedger.Settlement.Reply?, source: Int) {
    ledger.settle(payload, reply: reply, source: source, at: .now)
    scheduleFlush()
  }

  /// What happens in one turn of the event loop goes out together.
  private func scheduleFlush() {
    guard !isFlushScheduled else { return }
    isFlushScheduled = true
    loop.execute {
      self.assumeIsolated { dispatcher in
        dispatcher.isFlushScheduled = false
        dispatcher.flush()
      }
    }
  }

  func flush() {
    sendSettlements()
    askForRequests()
  }

  private func sendSettlements() {
    guard let main = session?.main else { return }
    while let batch = ledger.nextBatch() {
      let settled: RedisConnection.Completion = { result in self.assumeIsolated { $0.settled(batch, result) } }
      if batch.isRepeated {
        main.send(Settling.command(batch, inFlight: inFlight), settled)
      } else {
        main.sendTransaction(
          { Settling.write(batch, inFlight: inFlight, to: &$0) }, then: { Settling.writeCount(batch, to: &$0) },
          settled)
      }
    }
    for payload in recovery.takeCleared() {
      main.send(["LREM", .text(recovery.suspectsKey), "1", .bytes(payload)]) { _ in }
    }
    main.flush()
  }

  func askForRequests() {
    guard let session, !isDraining else { return }
    for (source, taker) in session.takers {
      let count = ledger.ask(source)
      guard count > 0 else { continue }
      let (queue, list) = (RedisArgument.text(queues[source]), RedisArgument.text(inFlight[source]))
      taker.send(["BLMOVE", queue, list, "LEFT", "RIGHT", "0"], times: count) { result in
        self.assumeIsolated { $0.took(result, from: source, by: taker) }
      }
      taker.flush()
    }
  }

  private func settled(_ batch: CallLedger.Batch, _ result: Result<RedisReply, BrokerError>) {
    guard let session else { return }
    do {
      var misdirected = 0
      switch try result.get() {
      case .array(let parts):
        let addresses = try Settling.misdirected(batch, parts[0].elements ?? [])
        misdirected = addresses.count
        if parts.count > 1, parts[1] != .integer(0) {
          for command in Settling.expiries(batch, without: addresses) { session.main.send(command) { _ in } }
          session.main.flush()
        }
      case .integer(let count): misdirected = count
      case let reply: return session.main.close(because: .closed("it answered a settlement with \(reply)"))
      }
      if misdirected > 0 {
        logger.warning("reply address is no list, reply dropped", metadata: ["replies": "\(misdirected)"])
      }
    } catch let error as BrokerError {
      return session.main.close(because: error.reason)
    } catch {
      return session.main.close(because: .refused("\(error)"))
    }
    let wasHeldBack = ledger.isHeldBack
    ledger.confirm(batch.settlements.count)
    readOn()
    startCalls()
    if isDraining, ledger.isIdle {
      sessions?.cancel()
    } else if wasHeldBack || ledger.asksForRequests {
      scheduleFlush()
    }
  }

  /// Goes on reading from the queues of which no longer too much is in hand.
  private func readOn() {
    for (source, taker) in session?.takers ?? [:] where !taker.isReading && !ledger.isFull(source) {
      taker.isReading = true
    }
    resumeRoomSeeker()
  }

  // MARK: Waiting

  /// Waits until something is confirmed or lets go of its worker, so that there may be room for a leftover.
  func waitForRoom(on main: RedisConnection) async throws(BrokerError) {
    await withCheckedContinuation { roomSeeker = $0 }
    // Fails when that is why.
    _ = try await main.call(["PING"])
  }

  func resumeFollower() {
    follower?.resume()
    follower = nil
  }

  func resumeRoomSeeker() {
    roomSeeker?.resume()
    roomSeeker = nil
  }
}
