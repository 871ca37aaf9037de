import Glibc
import NIOCore
import NIOPosix

/// A TCP connection as one end of a stream. It reads only as fast as the other end takes what was read.
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

  private let counters: StreamCounters
  private var context: ChannelHandlerContext?
  private var other: (any StreamEnd)?
  private var reading = Reading.notYet
  private var hasFinished = false
  private var isOutputClosed = false

  /// - Parameter counters: of which this is a stream, and what it receives was sent to the tunnel's client.
  init(counters: StreamCounters) {
    self.counters = counters
    counters.streams.add(1, ordering: .relaxed)
    counters.total.add(1, ordering: .relaxed)
  }

  deinit { counters.streams.subtract(1, ordering: .relaxed) }

  /// Carries what comes to the other end from now on.
  func join(_ other: any StreamEnd) {
    self.other = other
    if let context, context.channel.isActive { begin(context) }
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard reading == .notYet, other != nil else { return }
    reading = .going
    context.read()
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  // MARK: The connection

  func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let data = unwrapInboundIn(data)
    counters.sent.add(UInt64(data.readableBytes), ordering: .relaxed)
    other?.send(data)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    guard let other, reading == .going else { return }
    other.flush()
    if other.takesMore { context.read() } else { reading = .held }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { other?.resume() }
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
    let isOver = reading == .ended && hasFinished
    let other = other
    self.other = nil
    if !isOver { other?.reset() }
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  // MARK: The other end

  var takesMore: Bool { context?.channel.isWritable ?? true }

  func send(_ data: ByteBuffer) {
    counters.received.add(UInt64(data.readableBytes), ordering: .relaxed)
    context?.write(wrapOutboundOut(data), promise: nil)
  }

  func flush() { context?.flush() }

  func resume() {
    guard reading == .held, let context else { return }
    reading = .going
    context.read()
  }

  func finish() {
    guard !hasFinished, let context else { return }
    hasFinished = true
    // Not closed before all of it is sent; with its input closed, NIO would not wait.
    let sent = context.eventLoop.makePromise(of: Void.self)
    context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: sent)
    sent.futureResult.assumeIsolated().whenComplete { [self] _ in
      guard let context = self.context else { return }
      isOutputClosed = true
      if reading == .ended { closeWhenDone() } else { context.close(mode: .output, promise: nil) }
    }
  }

  private func closeWhenDone() {
    if reading == .ended, isOutputClosed { context?.close(promise: nil) }
  }

  func reset() {
    other = nil
    guard let context else { return }
    // The peer is to see that it was no orderly end.
    if let options = (context.channel as? any SocketOptionProvider) {
      options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenFailure { _ in }
    }
    context.close(promise: nil)
  }
}
