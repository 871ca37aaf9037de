import Logging
import ServiceLifecycle
import TestSupport

@testable import RPC

/// The object that the tests serve, in the module `server`.
let probe = ObjectID("probe", version: "1.0")
let probeQueue = "server.probe@1.0"

/// Runs `body` while `service` runs, then cancels the service and waits for its end.
func running<Result>(
  _ service: some Service, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
) async throws -> Result {
  let run = Task {
    do {
      try await service.run()
    } catch is CancellationError {}
  }
  return try await withTaskCancellationHandler {
    let result: Result
    do {
      result = try await body()
    } catch {
      run.cancel()
      try? await run.value
      throw error
    }
    run.cancel()
    try await run.value
    return result
  } onCancel: {
    run.cancel()
  }
}

/// A server of ``probe`` with these members.
func probeServer(
  on broker: String, workers: Int = 4, log: LogRecorder = LogRecorder(),
  @ObjectBuilder _ members: () -> [any ObjectMember]
) throws -> RPCServer {
  var server = RPCServer(module: "server", broker: try BrokerURL(broker), workers: workers, logger: log.logger)
  server.register(probe, members: members)
  return server
}

/// Holds calls up until it is opened.
actor Gate {
  private var isOpen = false
  private var held: [CheckedContinuation<Void, Never>] = []
  /// How many are held up now, and how many were at most.
  private(set) var count = 0
  private(set) var mostAtOnce = 0
  /// How many ever came.
  private(set) var arrivals = 0

  /// Waits until the gate is open.
  func pass() async {
    arrivals += 1
    guard !isOpen else { return }
    count += 1
    mostAtOnce = max(mostAtOnce, count)
    await withCheckedContinuation { held.append($0) }
  }

  /// Lets everybody pass, from now on.
  func open() {
    isOpen = true
    letAllPass()
  }

  /// Lets those pass who are held up.
  func letAllPass() {
    for continuation in held { continuation.resume() }
    held = []
    count = 0
  }

  /// Waits until at least `number` are held up.
  nonisolated func holds(_ number: Int) async throws {
    try await eventually {
      await self.count
    } until: {
      $0 >= number
    }
  }
}
