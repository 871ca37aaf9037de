package import Logging
import NIOCore
import NIOPosix
import Synchronization

/// The values of one type under some keys of a Redis server, followed as they change.
package struct RedisValues: Sendable {
  /// A type of values.
  package enum Kind: String, Sendable {
    case string
    case hash

    fileprivate var command: RedisArgument {
      switch self {
      case .string: "GET"
      case .hash: "HGETALL"
      }
    }
  }

  /// A key and what is under it: a string, or each field of a hash, and its value behind it; empty where there is no value of
  /// that type.
  package typealias Entry = (key: [UInt8], content: [[UInt8]])

  private let kind: Kind
  private let server: BrokerURL
  private let pattern: String
  private let interval: Duration
  private let logger: Logger
  private let loop: any EventLoop

  /// How many are read at once.
  private static let batch = 64

  /// - Parameters:
  ///   - kind: their type.
  ///   - server: where they are, in the database that it names.
  ///   - prefix: what all their keys begin with.
  ///   - suffix: what all their keys end with.
  ///   - interval: how often all of them are read. What changes meanwhile is read at once where the server tells
  ///     (`notify-keyspace-events`).
  package init(
    _ kind: Kind, at server: BrokerURL, prefix: String, suffix: String = "", every interval: Duration, logger: Logger
  ) {
    self.kind = kind
    self.server = server
    pattern = "\(Self.literal(prefix))*\(Self.literal(suffix))"
    self.interval = interval
    self.logger = logger
    loop = MultiThreadedEventLoopGroup.singleton.next()
  }

  /// Text as a pattern of Redis that is that text alone.
  private static func literal(_ text: String) -> String {
    text.reduce(into: "") { $0 += "*?[]\\^".contains($1) ? "\\\($1)" : String($1) }
  }

  /// Reads them again and again, until the task is cancelled. What goes wrong is logged, and tried again.
  ///
  /// - Parameters:
  ///   - isWanted: whether what is under a key is to be read.
  ///   - known: the keys that are to be read even when there is nothing any more.
  ///   - take: is given some of them, whether they have changed or not.
  ///   - settle: called once all that were to be read have been given.
  package func follow(
    wanting isWanted: @escaping @Sendable ([UInt8]) -> Bool, known: @Sendable () -> [[UInt8]],
    take: @Sendable ([Entry]) -> Void, settle: @Sendable () -> Void
  ) async {
    var outage = Outage(logger: logger, bearsDenial: true)
    while !Task.isCancelled {
      let end = await runSession(isWanted, known, take) {
        outage.isOver()
        settle()
      }
      if Task.isCancelled { break }
      do {
        try outage.failed(end)
        try await Task.sleep(for: outage.pause())
      } catch {
        break
      }
    }
  }

  /// - Parameter onReady: called each time when all that were to be read have been.
  private func runSession(
    _ isWanted: @escaping @Sendable ([UInt8]) -> Bool, _ known: @Sendable () -> [[UInt8]],
    _ take: @Sendable ([Entry]) -> Void, onReady: () -> Void
  ) async -> BrokerError {
    let due = DueReads()
    do throws(BrokerError) {
      let commands = try await RedisConnection.connect(to: server, on: loop)
      defer { commands.close() }
      let notices = try await RedisConnection.connect(to: server, on: loop) { message in
        // `pmessage`, the pattern, `__keyspace@0__:KEY`, what happened.
        guard let parts = message.elements, parts.count == 4, let channel = parts[2].bytes,
          let colon = channel.firstIndex(of: UInt8(ascii: ":"))
        else { return }
        let key = Array(channel[(colon + 1)...])
        if isWanted(key) { due.add(key) }
      }
      defer { notices.close() }
      // Before all are read, so that nothing that happens meanwhile is missed.
      do throws(BrokerError) {
        _ = try await notices.call(["PSUBSCRIBE", "__keyspace@\(server.database)__:\(pattern)"])
      } catch {
        guard case .refused = error.reason else { throw error }
        logger.info("changes are seen only when all is read", metadata: ["values": "\(pattern)", "reason": "\(error)"])
      }
      for connection in [commands, notices] {
        loop.execute { connection.whenClosed { due.end($0) } }
      }
      let timer = loop.scheduleRepeatedTask(initialDelay: .zero, delay: TimeAmount(interval)) { _ in due.addAll() }
      defer { timer.cancel() }
      return await withTaskCancellationHandler {
        do throws(BrokerError) {
          while true {
            let keys: [[UInt8]]
            switch await due.next() {
            case .all: keys = Array(try await scan(commands, isWanted).union(known()))
            case .some(let some): keys = Array(some)
            case .end(let error): throw error
            }
            for start in stride(from: 0, to: keys.count, by: Self.batch) {
              take(try await read(keys[start...].prefix(Self.batch), commands))
            }
            onReady()
          }
        } catch {
          return error
        }
      } onCancel: {
        commands.close()
      }
    } catch {
      return error
    }
  }

  /// The keys that there are.
  private func scan(
    _ connection: RedisConnection, _ isWanted: ([UInt8]) -> Bool
  ) async throws(BrokerError) -> Set<[UInt8]> {
    var keys: Set<[UInt8]> = []
    var cursor = Array("0".utf8)
    repeat {
      let reply = try await connection.call(
        ["SCAN", .bytes(cursor), "MATCH", .text(pattern), "COUNT", "1000", "TYPE", .text(kind.rawValue)])
      guard let parts = reply.elements, parts.count == 2, let next = parts[0].bytes, let found = parts[1].elements
      else { throw BrokerError(server, .closed("it sent no keys in reply to SCAN")) }
      keys.formUnion(found.compactMap(\.bytes).filter(isWanted))
      cursor = next
    } while cursor != Array("0".utf8)
    return keys
  }

  private func read(
    _ keys: ArraySlice<[UInt8]>, _ connection: RedisConnection
  ) async throws(BrokerError) -> [Entry] {
    let replies = await connection.callEach(keys.map { [kind.command, .bytes($0)] })
    var entries: [Entry] = []
    for (key, reply) in zip(keys, replies) {
      do throws(BrokerError) {
        let value = try reply.get()
        entries.append((key, (value.elements ?? [value]).compactMap(\.bytes)))
      } catch {
        guard case .refused(let text) = error.reason, RedisRefusal(description: text).isWrongType else { throw error }
        entries.append((key, []))
      }
    }
    return entries
  }

  /// What is to be read next.
  private final class DueReads: Sendable {
    enum Next {
      case all
      case some(Set<[UInt8]>)
      /// The connection is closed.
      case end(BrokerError)
    }

    private struct State {
      var all = false
      var some: Set<[UInt8]> = []
      var end: BrokerError?
      var waiter: CheckedContinuation<Next, Never>?

      /// Takes what there is to do; nil for nothing.
      mutating func take() -> Next? {
        if let end { return .end(end) }
        defer { (all, some) = (false, []) }
        if all { return .all }
        return some.isEmpty ? nil : .some(some)
      }
    }

    private let state = Mutex(State())

    func add(_ key: [UInt8]) { change { $0.some.insert(key) } }

    func addAll() { change { $0.all = true } }

    func end(_ error: BrokerError) { change { $0.end = $0.end ?? error } }

    private func change(_ body: (inout State) -> Void) {
      let (waiter, next) = state.withLock { state -> (CheckedContinuation<Next, Never>?, Next?) in
        body(&state)
        guard let waiter = state.waiter, let next = state.take() else { return (nil, nil) }
        state.waiter = nil
        return (waiter, next)
      }
      if let waiter, let next { waiter.resume(returning: next) }
    }

    /// Waits until there is something; to be called by one task alone.
    func next() async -> Next {
      await withCheckedContinuation { continuation in
        let next = state.withLock { state -> Next? in
          let next = state.take()
          if next == nil { state.waiter = continuation }
          return next
        }
        if let next { continuation.resume(returning: next) }
      }
    }
  }
}
