/// The call that the current task serves.
public struct CurrentCall: Sendable {
  @TaskLocal static var value: CurrentCall?

  let running: CallLedger.Running
  let dispatcher: Dispatcher

  /// Says that from here on the current call mostly waits: its worker goes to the next call, so that any number of slow
  /// ones (up to about a thousand) hold up no other. Does nothing outside a call.
  public static func releaseWorker() async {
    guard let call = value else { return }
    if call.dispatcher.loop.inEventLoop {
      call.releaseWorker()
    } else {
      await call.dispatcher.releaseWorker(of: call.running)
    }
  }

  /// To be called on the event loop: a call that begins to wait there does not take another turn of it first.
  private func releaseWorker() {
    dispatcher.assumeIsolated { $0.releaseWorker(of: running) }
  }
}
