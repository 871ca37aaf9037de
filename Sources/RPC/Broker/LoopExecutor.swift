import NIOCore

/// An event loop as the executor of an actor and of the tasks that prefer it.
final class LoopExecutor: SerialExecutor, TaskExecutor {
  let loop: any EventLoop

  init(_ loop: any EventLoop) {
    self.loop = loop
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    loop.execute { [self] in
      job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
    }
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  func checkIsolated() { loop.preconditionInEventLoop() }

  /// Lets a call begin inside the event loop's callback that took it.
  func isIsolatingCurrentContext() -> Bool? { loop.inEventLoop }
}
