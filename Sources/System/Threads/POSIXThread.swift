import Glibc

/// A thread outside every pool: for work that waits in poll(2), or that changes what belongs to the thread as a whole.
///
/// All signals are blocked in it. They are the main program's to take, and a peer that closes its connection must not be
/// able to end the process with a SIGPIPE.
package struct POSIXThread: Sendable {
  private let handle: pthread_t

  /// Starts `body`. The thread must be joined or detached.
  package init(_ body: sending @escaping () -> Void) throws(SystemError) {
    var all = sigset_t()
    var previous = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &previous)
    defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }

    let work = Unmanaged.passRetained(Work(body))
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { argument in
        Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
        return nil
      }, work.toOpaque())
    guard code == 0 else {
      work.release()
      throw SystemError("pthread_create", code: code)
    }
    self.handle = handle
  }

  /// Waits for the thread's end.
  package func join() {
    pthread_join(handle, nil)
  }

  /// Lets it end by itself.
  package func detach() {
    pthread_detach(handle)
  }

  private final class Work {
    let body: () -> Void

    init(_ body: @escaping () -> Void) {
      self.body = body
    }
  }
}
