import Logging
import NIOCore

// Connections to the broker, one session after the other.
extension Dispatcher {
  /// One session after the other, for as long as the broker comes back.
  func keepSessions() async throws {
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
  func runSession(onReady: () -> Void) async -> BrokerError {
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

  func serve(on main: RedisConnection, onReady: () -> Void) async -> BrokerError {
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

  func closeTakers() {
    guard let session else { return }
    for taker in session.takers.values { taker.close() }
  }

  /// Begins to take requests from a queue.
  func take(from source: Int) async throws(BrokerError) {
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

  func firstToClose(_ connections: [RedisConnection]) async -> BrokerError {
    await withTaskGroup(of: BrokerError.self) { group in
      for connection in connections { group.addTask { await connection.closed() } }
      // While draining, the takers are closed by this side, and the main connection is still needed.
      var end = await group.next()!
      while isDraining, let next = await group.next() { end = next }
      for connection in connections { connection.close() }
      return end
    }
  }
}
