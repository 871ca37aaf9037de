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
  private nonisolated let taskExecutor: LoopTaskExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
  nonisolated var loop: any EventLoop { executor.loop }

  let module: String
  let objects: ObjectTable
  let logger: Logger
  let queues: [String]
  let statusSource: Int
  /// Where the requests of each queue are while they are in hand.
  let inFlight: [String]
  private let broker: BrokerURL

  var ledger: CallLedger
  private var session: Session?
  /// One session after the other; cancelled when there is to be no other.
  private var sessions: Task<Void, any Error>?
  /// Set when the server is to stop once the calls in hand are answered.
  private(set) var isDraining = false
  private var isFlushScheduled = false
  private var isEventFlushScheduled = false
  /// Those who run calls, one after the other each.
  private var runners: [Int: Task<Void, Never>] = [:]
  private var nextRunner = 0
  private var isRunnerOnTheWay = false
  private let ownership: Ownership
  /// Another process that serves the module, if there is one.
  private var owner: Ownership.Taken?
  var recovery: Recovery
  /// The recovery, while it waits for the leftover that runs alone, or for room for the next one.
  var follower: CheckedContinuation<Void, Never>?
  private var roomSeeker: CheckedContinuation<Void, Never>?
  private var malformed = MalformedCount()
  /// Published, and not yet taken by the broker.
  private var eventsOnTheWay = 0
  /// Streams that wait for the broker to take events.
  private var waitingStreams: [CheckedContinuation<Void, Never>] = []
  /// Since one was last taken.
  private var droppedEvents = 0

  /// The connections that are up at the same time and fall together.
  private struct Session {
    let main: RedisConnection
    /// By queue. While leftovers are run, there is one for the module's status alone: no later request goes before them.
    var takers: [Int: RedisConnection] = [:]
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
    isDraining = true
    logger.info("stopping", metadata: ["calls-in-hand": "\(ledger.count)"])
    closeTakers()
    resumeFollower()
    resumeRoomSeeker()
    if ledger.isIdle { sessions?.cancel() }
    loop.scheduleTask(in: TimeAmount(Self.drainTimeout)) { self.assumeIsolated { $0.sessions?.cancel() } }
  }

  // MARK: Sessions

  /// One session after the other, for as long as the broker comes back.
  private func keepSessions() async throws {
    var outage = Outage(logger: logger)
    defer { for runner in runners.values { runner.cancel() } }
    while !Task.isCancelled {
      let end = await runSession { outage.isOver() }
      ledger.disconnected()
      if Task.isCancelled { break }
      if let owner { throw owner }
      try outage.failed(end)
      try? await Task.sleep(for: outage.pause())
    }
    guard isDraining else { throw CancellationError() }
    if !ledger.isIdle {
      logger.warning("stopping with unanswered calls; the next start runs them", metadata: ["calls": "\(ledger.count)"])
    }
  }

  /// Connects, serves, and tells why it ended.
  private func runSession(onReady: () -> Void) async -> BrokerError {
    do throws(BrokerError) {
      let main = try await RedisConnection.connect(to: broker, on: loop, maximumReply: Self.maximumReply)
      defer { main.close() }
      return await withTaskCancellationHandler {
        await serve(on: main, onReady: onReady)
      } onCancel: {
        main.close()
      }
    } catch {
      return error
    }
  }

  private func serve(on main: RedisConnection, onReady: () -> Void) async -> BrokerError {
    defer {
      closeTakers()
      session = nil
    }
    do throws(BrokerError) {
      owner = try await ownership.claim(on: main)
      if let owner { return BrokerError(broker, .refused(owner.description)) }
      // Nothing is settled before all that is in flight is known: a call that ended meanwhile would look like a leftover.
      try await lookThroughInFlight(on: main)
      session = Session(main: main)
      main.whenClosed { _ in self.assumeIsolated { $0.resumeRoomSeeker() } }
      flush()
      try await take(from: statusSource)
      try await runLeftovers(on: main)
      for source in queues.indices where source != statusSource { try await take(from: source) }
    } catch {
      return error
    }
    onReady()
    return await firstToClose([main] + (session.map { Array($0.takers.values) } ?? []))
  }

  private func closeTakers() {
    guard let session else { return }
    for taker in session.takers.values { taker.close() }
  }

  /// Begins to take requests from a queue.
  private func take(from source: Int) async throws(BrokerError) {
    guard !isDraining else { return }
    let taker = try await RedisConnection.connect(to: broker, on: loop, maximumReply: Request.maximumSize + 1024)
    do throws(BrokerError) {
      try await ownership.name(taker)
    } catch {
      taker.close()
      throw error
    }
    session?.takers[source] = taker
    if isDraining { taker.close() } else { askForRequests() }
  }

  private func firstToClose(_ connections: [RedisConnection]) async -> BrokerError {
    await withTaskGroup(of: BrokerError.self) { group in
      for connection in connections { group.addTask { await connection.closed() } }
      // While draining, the takers are closed by this side, and the main connection is still needed.
      var end = await group.next()!
      while isDraining, let next = await group.next() { end = next }
      for connection in connections { connection.close() }
      return end
    }
  }

  // MARK: Taking

  private func took(_ result: Result<RedisReply, BrokerError>, from source: Int, by taker: RedisConnection) {
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

  private func flush() {
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

  private func askForRequests() {
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

  private func resumeRoomSeeker() {
    roomSeeker?.resume()
    roomSeeker = nil
  }

  // MARK: Streams

  private func publish(_ stream: RPCStream, of object: ObjectID) async throws {
    let channel = object.channel(of: stream.name, module: module)
    do {
      // Run on the event loop, and so without another turn of it for each of many events.
      try await stream.run { bytes in
        guard !self.takes(bytes, on: channel) else { return }
        await withCheckedContinuation { self.addWaiting($0) }
      }
    } catch {
      if !Task.isCancelled {
        logger.error("stream ended", metadata: ["channel": "\(channel)", "reason": "\(error)"])
      }
    }
  }

  /// To be called on the event loop. Returns whether the next event may follow at once.
  private nonisolated func takes(_ event: [UInt8], on channel: String) -> Bool {
    assumeIsolated { $0.publish(event, on: channel) }
  }

  private nonisolated func addWaiting(_ stream: CheckedContinuation<Void, Never>) {
    assumeIsolated { $0.waitingStreams.append(stream) }
  }

  private func publish(_ bytes: [UInt8], on channel: String) -> Bool {
    guard let session else {
      droppedEvents += 1
      return true
    }
    eventsOnTheWay += 1
    session.main.send(["PUBLISH", .text(channel), .bytes(bytes)]) { result in
      self.assumeIsolated { $0.published(result) }
    }
    guard eventsOnTheWay >= Self.eventLimit else {
      scheduleEventFlush()
      return true
    }
    session.main.flush()
    // Without a connection all that is on the way has failed by now, and nobody would end the wait.
    return eventsOnTheWay < Self.eventLimit
  }

  /// Events that come one soon after the other go out together, and with the next replies.
  private func scheduleEventFlush() {
    guard !isEventFlushScheduled else { return }
    isEventFlushScheduled = true
    loop.scheduleTask(in: .milliseconds(1)) {
      self.assumeIsolated { dispatcher in
        dispatcher.isEventFlushScheduled = false
        dispatcher.session?.main.flush()
      }
    }
  }

  private func published(_ result: Result<RedisReply, BrokerError>) {
    eventsOnTheWay -= 1
    if eventsOnTheWay <= Self.eventLimit / 2 {
      for stream in waitingStreams { stream.resume() }
      waitingStreams = []
    }
    guard case .success = result, droppedEvents > 0 else { return }
    logger.warning("events dropped while the broker was away", metadata: ["events": "\(droppedEvents)"])
    droppedEvents = 0
  }
}
