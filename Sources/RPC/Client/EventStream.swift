import Logging
import NIOCore
import Synchronization

/// The events of another module's stream, as they come, each decoded.
///
/// Each iteration has a connection of its own, which is made anew when it breaks; events that are published meanwhile
/// are lost, as are the oldest ones when more than ``capacity`` wait to be taken. It ends with a ``BrokerError`` when the
/// broker denies access at first, or cannot be reached at first within the client's time limit for connecting.
public struct EventStream<Event: Decodable & Sendable>: AsyncSequence, Sendable {
  /// How many events may wait.
  public static var capacity: Int { 1024 }

  let broker: BrokerURL
  let channel: String
  let connectTimeout: Duration?
  let loop: any EventLoop
  let logger: Logger

  public func makeAsyncIterator() -> AsyncThrowingStream<Event, any Error>.AsyncIterator {
    let stream = AsyncThrowingStream<Event, any Error>(bufferingPolicy: .bufferingNewest(Self.capacity)) { events in
      let task = Task {
        do {
          try await subscribe(events)
        } catch {
          events.finish(throwing: error is CancellationError ? nil : error)
        }
      }
      events.onTermination = { _ in task.cancel() }
    }
    return stream.makeAsyncIterator()
  }

  private func subscribe(_ events: AsyncThrowingStream<Event, any Error>.Continuation) async throws {
    var outage = Outage(logger: logger)
    let reason = Mutex<BrokerError?>(nil)
    let giveUp = connectTimeout.map { limit in
      loop.scheduleTask(in: TimeAmount(limit)) {
        let unreachable = BrokerError(broker, .unreachable("no connection within \(limit)"))
        events.finish(throwing: reason.withLock { $0 } ?? unreachable)
      }
    }
    defer { giveUp?.cancel() }
    while true {
      do throws(BrokerError) {
        let connection = try await RedisConnection.connect(to: broker, on: loop) { message in
          guard let payload = message.elements?.last?.bytes else { return }
          do {
            events.yield(try MessagePackDecoder().decode(Event.self, from: payload))
          } catch {
            logger.warning(
              "dropped an event that does not decode", metadata: ["channel": "\(channel)", "reason": "\(error)"])
          }
        }
        defer { connection.close() }
        _ = try await connection.call(["SUBSCRIBE", .text(channel)])
        giveUp?.cancel()
        outage.isOver()
        let end = await withTaskCancellationHandler {
          await connection.closed()
        } onCancel: {
          connection.close()
        }
        throw end
      } catch {
        try Task.checkCancellation()
        reason.withLock { $0 = error }
        try outage.failed(error)
      }
      try await Task.sleep(for: outage.pause())
    }
  }
}
