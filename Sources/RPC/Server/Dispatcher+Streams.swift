import Logging
import NIOCore

// The events that objects publish.
extension Dispatcher {
  func publish(_ stream: RPCStream, of object: ObjectID) async throws {
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
