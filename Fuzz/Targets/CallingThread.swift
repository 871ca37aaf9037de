/// Runs what is asynchronous on the thread that waits for it, so that one input is one run without any other thread.
enum CallingThread {
  static func wait<Result: Sendable>(_ body: @escaping @Sendable () async -> Result) -> Result {
    let executor = Queue()
    let outcome = Outcome<Result>()
    Task(executorPreference: executor) { outcome.value = await body() }
    executor.drain()
    guard let result = outcome.value else { fatalError("a call waits for something") }
    return result
  }

  /// Not synchronised: the one thread that waits is the one that sets it.
  private final class Outcome<Value>: @unchecked Sendable {
    var value: Value?
  }

  /// Not synchronised: what a call enqueues, it enqueues from the one thread that runs it.
  private final class Queue: TaskExecutor, @unchecked Sendable {
    private var jobs: [UnownedJob] = []

    func enqueue(_ job: consuming ExecutorJob) {
      jobs.append(UnownedJob(job))
    }

    func drain() {
      while !jobs.isEmpty { jobs.removeFirst().runSynchronously(on: asUnownedTaskExecutor()) }
    }
  }
}
