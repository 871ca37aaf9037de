import NIOCore

/// An event loop as the executor of an actor.
final class LoopExecutor: SerialExecutor {
  let loop: any EventLoop

  init(_ loop: any EventLoop) {
    self.loop = loop
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    loop.execute { [self] in job.runSynchronously(on: asUnownedSerialExecutor()) }
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  func checkIsolated() { loop.preconditionInEventLoop() }

  /// Lets what runs on the event loop, but not as part of the actor, enter it at once.
  func isIsolatingCurrentContext() -> Bool? { loop.inEventLoop }
}

/// An event loop as the executor that tasks prefer.
///
/// It is another object than the actor's executor, since the runtime compares the two: a task whose parts are isolated to
/// nobody goes from one to the next without another turn of the event loop only when it began here.
final class LoopTaskExecutor: TaskExecutor {
  private let loop: any EventLoop

  init(_ loop: any EventLoop) {
    self.loop = loop
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    loop.execute { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
  }

  func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }
}
