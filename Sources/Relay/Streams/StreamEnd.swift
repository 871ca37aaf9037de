import NIOCore

/// One end of a stream that the relay carries: a connection, or a stream of a tunnel's session. What one end receives it gives to
/// the other. All of both happens on one event loop.
protocol StreamEnd: AnyObject {
  /// Takes what the other end has received. Who gives more although ``takesMore`` is false has it buffered.
  func send(_ data: ByteBuffer)

  /// Sends what it was given; before, it may wait for more.
  func flush()

  /// The other end receives nothing more: what was given is sent, and then this end's half is closed.
  func finish()

  /// The other end is gone: so is this one, at once.
  func reset()

  /// Whether what it was given is out of the way, more or less.
  var takesMore: Bool { get }

  /// The other end takes more, after it did not.
  func resume()
}
