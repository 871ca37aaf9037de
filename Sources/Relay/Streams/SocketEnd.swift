import Glibc
import NIOCore
import NIOPosix

/// A TCP connection, of a socket as ``Connections/prepare(_:)`` makes it, as one end of a stream. It reads only as fast as the other end takes what was read.
final class SocketEnd: ChannelInboundHandler, StreamEnd {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private enum Reading {
    /// Nothing is known of the other end yet.
    case notYet
    case going
    /// Until the other end takes more.
    case held
    /// There is nothing more to be read.
    case ended
  }

  private let counters: [StreamCounters]
  private let places: [Places.Place]
  /// How long it may carry nothing.
  private let idle: TimeAmount?
  private var lastUse = NIODeadline.now()
  private var timer: Scheduled<Void>?
  private var context: ChannelHandlerContext?
  private var other: (any StreamEnd)?
  private var reading = Reading.notYet
  private var hasFinished = false
  private var isOutputClosed = false
  /// Whether the connection is over.
  private var isGone = false
  /// What waits for the connection to take more, and what is too little to be sent by itself. As a copy: a few bytes are a slice of
  /// what was read with them, 64 KiB, and would keep all of it.
  private var held = ByteBuffer()
  /// The least that is sent as the slice that it is, in bytes.
  private static let leastSlice = 4 << 10

  /// - Parameters:
  ///   - counters: of what this is a stream, and what it receives was sent to the tunnel's client, or to the way out of a pipe.
  ///   - idle: how long it may carry nothing; nil for as long as it likes.
  init(counters: [StreamCounters], idle: TimeAmount? = nil) {
    self.counters = counters
    self.idle = idle
    places = counters.compactMap { $0.streams.take() }
  }

  /// Carries what comes to the other end from now on.
  func join(_ other: any StreamEnd) {
    guard !isGone else { return other.reset() }
    self.other = other
    if let context, context.channel.isActive { begin(context) }
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard reading == .notYet, other != nil else { return }
    reading = .going
    if idle != nil { watch(context) }
    context.read()
  }

  /// Closes it once it has carried nothing for too long.
  private func watch(_ context: ChannelHandlerContext) {
    guard let idle else { return }
    timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: lastUse + idle) { [self] in
      guard let context = self.context else { return }
      if NIODeadline.now() - lastUse >= idle { context.close(promise: nil) } else { watch(context) }
    }
  }

  private func use() { if idle != nil { lastUse = .now() } }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  // Also of a connection that was never made.
  func handlerRemoved(context: ChannelHandlerContext) {
    end()
    self.context = nil
  }

  // MARK: The connection

  func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let data = unwrapInboundIn(data)
    for counters in counters { counters.sent.add(UInt64(data.readableBytes), ordering: .relaxed) }
    use()
    other?.send(data)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    guard let other, reading == .going else { return }
    other.flush()
    if other.takesMore { context.read() } else { reading = .held }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    guard context.channel.isWritable else { return }
    if held.readableBytes > 0 {
      writeHeld(context)
      context.flush()
    }
    if takesMore { other?.resume() }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard event as? ChannelEvent == .inputClosed, reading != .ended else {
      return context.fireUserInboundEventTriggered(event)
    }
    reading = .ended
    other?.finish()
    closeWhenDone()
  }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  private func end() {
    isGone = true
    timer?.cancel()
    let isOver = reading == .ended && hasFinished
    let other = other
    self.other = nil
    held = ByteBuffer()
    if !isOver { other?.reset() }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  // MARK: The other end

  var takesMore: Bool { held.readableBytes == 0 && (context?.channel.isWritable ?? true) }

  func send(_ data: ByteBuffer) {
    for counters in counters { counters.received.add(UInt64(data.readableBytes), ordering: .relaxed) }
    use()
    guard let context else { return }
    if held.readableBytes == 0, !context.channel.isWritable { context.flush() }
    guard context.channel.isWritable, data.readableBytes >= Self.leastSlice else {
      held.writeImmutableBuffer(data)
      if held.readableBytes >= Self.leastSlice, context.channel.isWritable { writeHeld(context) }
      return
    }
    writeHeld(context)
    context.write(wrapOutboundOut(data), promise: nil)
  }

  private func writeHeld(_ context: ChannelHandlerContext) {
    guard held.readableBytes > 0 else { return }
    let data = held
    held = ByteBuffer()
    context.write(wrapOutboundOut(data), promise: nil)
  }

  func flush() {
    guard let context else { return }
    if context.channel.isWritable { writeHeld(context) }
    context.flush()
  }

  func resume() {
    guard reading == .held, let context else { return }
    reading = .going
    context.read()
  }

  func finish() {
    guard !hasFinished, let context else { return }
    hasFinished = true
    writeHeld(context)
    // Not closed before all of it is sent; with its input closed, NIO would not wait.
    let sent = context.eventLoop.makePromise(of: Void.self)
    context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: sent)
    sent.futureResult.assumeIsolated().whenComplete { [self] _ in
      guard let context = self.context else { return }
      isOutputClosed = true
      if reading == .ended { closeWhenDone() } else { closeOutput(context) }
    }
  }

  /// Not by NIO: of a channel whose output is closed it makes no difference between the peer's end and a broken connection.
  private func closeOutput(_ context: ChannelHandlerContext) {
    try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { socket in
      _ = shutdown(socket, CInt(SHUT_WR))
    }
  }

  private func closeWhenDone() {
    guard reading == .ended, isOutputClosed, let context else { return }
    // All has gone, though not all may have arrived.
    setAbrupt(context, false)
    context.close(promise: nil)
  }

  func reset() {
    other = nil
    guard let context else { return }
    setAbrupt(context, true)
    context.close(promise: nil)
  }

  /// Whether the peer is to see, when the connection is closed, that it was no orderly end.
  private func setAbrupt(_ context: ChannelHandlerContext, _ isAbrupt: Bool) {
    guard let options = context.channel as? any SocketOptionProvider else { return }
    options.setSoLinger(Connections.abrupt(isAbrupt)).whenFailure { _ in }
  }
}
