import Synchronization

/// What went through a tunnel or a pipe since the relay began.
final class StreamCounters: Sendable {
  /// From the client, or from the way out of a pipe, in bytes.
  let received = Atomic<UInt64>(0)
  /// To it, in bytes.
  let sent = Atomic<UInt64>(0)
  /// The streams that there are.
  let streams = Places()
}
