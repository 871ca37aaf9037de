import NIOCore

/// A yamux session on a TCP connection, and the ends of its streams.
final class YamuxConnection: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// Whose the session is, on its event loop.
  protocol Delegate: AnyObject {
    /// The connection is there.
    func sessionBegan()

    /// The peer has opened a stream. What it carries goes to the end that is returned; nil resets the stream.
    func sessionOpened(_ stream: TunnelStream) -> (any StreamEnd)?

    /// The peer opens and takes no further streams.
    func sessionWentAway()

    /// The session is over, and all its streams are; because of `reason`, when it did not just close.
    func sessionEnded(_ reason: (any Error)?)
  }

  private var yamux: YamuxSession
  private let delegate: any Delegate
  private var context: ChannelHandlerContext?
  private var streams: [YamuxSession.StreamID: TunnelStream] = [:]
  /// Whose other ends were given something that is not sent yet.
  private var unsent: [TunnelStream] = []
  private var isWriting = false
  private var isTakingEvents = false
  /// Whether the peer has broken the protocol, or is gone: what else it has sent means nothing.
  private var isBroken = false
  /// Whether to close once no streams are left.
  private var isLeaving = false
  /// Whether to close once all is sent.
  private var isEnding = false
  private var isClosing = false
  private var isOver = false
  private var reason: (any Error)?
  private var timer: Scheduled<Void>?

  /// By how much the windows of one session's streams may grow, in bytes.
  private static let growth = 64 << 20

  init(_ role: YamuxSession.Role, limits: YamuxSession.Limits = .init(), delegate: any Delegate) {
    yamux = YamuxSession(role, limits: limits, budget: WindowBudget(Self.growth, of: .process))
    self.delegate = delegate
  }

  /// Opens a stream for the other end; nil when that is not possible.
  func open(for other: any StreamEnd) -> TunnelStream? {
    guard let context, context.channel.isActive, let id = yamux.open() else { return nil }
    let stream = TunnelStream(id, of: self, other: other)
    streams[id] = stream
    write()
    return stream
  }

  /// Takes no further streams, and ends the session once those that there are have ended, or when this time is over.
  func leave(within limit: TimeAmount) {
    guard let context, !isLeaving else { return }
    isLeaving = true
    yamux.goAway(.done)
    write()
    let channel = context.channel
    context.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
  }

  private func closeWhenIdle() {
    if isLeaving, streams.isEmpty, yamux.streamCount == 0 { end() }
  }

  /// Ends the session once what was to be sent has been, or after a second.
  func end(_ reason: (any Error)? = nil, telling code: YamuxSession.GoAwayReason = .done) {
    guard let context, context.channel.isActive, !isEnding else { return }
    isEnding = true
    self.reason = self.reason ?? reason
    yamux.goAway(code)
    let channel = context.channel
    context.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
    write()
  }

  // MARK: The connection

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    tick(context)
  }

  /// Looks whether the peer is there, and when to look again.
  private func tick(_ context: ChannelHandlerContext) {
    do throws(YamuxViolation) {
      let next = try yamux.tick(now: .now())
      timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: next) { [self] in
        if let context = self.context { tick(context) }
      }
      if context.channel.isActive { write() }
    } catch {
      reason = error
      context.close(promise: nil)
    }
  }

  func channelActive(context: ChannelHandlerContext) {
    delegate.sessionBegan()
    write()
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isBroken else { return }
    yamux.receive(unwrapInboundIn(data))
    takeEvents()
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    let streams = unsent
    unsent.removeAll(keepingCapacity: true)
    for stream in streams { stream.flushOther() }
    write()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) { if context.channel.isWritable { write() } }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    reason = reason ?? error
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    becomeOver()
    context.fireChannelInactive()
  }

  // Also of a connection that was never made.
  func handlerRemoved(context: ChannelHandlerContext) {
    becomeOver()
    self.context = nil
  }

  private func becomeOver() {
    guard !isOver else { return }
    isOver = true
    isBroken = true
    timer?.cancel()
    timer = nil
    let streams = self.streams.values
    self.streams = [:]
    for stream in streams { stream.resetOther() }
    delegate.sessionEnded(reason)
  }

  // MARK: The session

  /// Whether there was one.
  @discardableResult
  private func takeEvents() -> Bool {
    // What comes while one is taken is taken after it.
    guard !isTakingEvents, !isBroken else { return false }
    isTakingEvents = true
    let now = NIODeadline.now()
    var hasTaken = false
    var violation: YamuxViolation?
    do throws(YamuxViolation) {
      while !isBroken, let event = try yamux.nextEvent(now: now) {
        hasTaken = true
        take(event, now)
      }
    } catch {
      violation = error
    }
    isTakingEvents = false
    guard let violation else { return hasTaken }
    isBroken = true
    end(violation, telling: .protocolViolation)
    return true
  }

  private func take(_ event: YamuxSession.Event, _ now: NIODeadline) {
    switch event {
    case .opened(let id):
      let stream = TunnelStream(id, of: self, other: nil)
      streams[id] = stream
      guard let other = delegate.sessionOpened(stream) else { return reset(stream) }
      stream.other = other
    case .data(let id, let data):
      guard let stream = streams[id] else { return }
      if stream.receive(data) { unsent.append(stream) }
      if stream.otherTakesMore { consume(stream, now) }
    case .finished(let id): streams[id]?.finishOther()
    case .reset(let id):
      streams.removeValue(forKey: id)?.resetOther()
      closeWhenIdle()
    case .drained(let id): streams[id]?.other?.resume()
    case .wentAway: delegate.sessionWentAway()
    }
  }

  private func consume(_ stream: TunnelStream, _ now: NIODeadline) {
    yamux.consumed(stream.takeReceived(), of: stream.id, now: now)
  }

  /// Sends what there is to be sent, as long as the peer takes it. What is to be sent for an event is sent after all of them.
  private func write() {
    guard !isWriting, !isTakingEvents, !isOver, let context else { return }
    isWriting = true
    var goesOn: Bool
    repeat {
      let hasWritten = writeFrames(context)
      // Who was held up may go on.
      goesOn = takeEvents() || hasWritten
    } while goesOn && context.channel.isWritable && !isOver
    isWriting = false
    closeWhenIdle()
    guard isEnding, !isClosing, !goesOn, context.channel.isWritable else { return }
    isClosing = true
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(ByteBuffer())).whenComplete { _ in channel.close(promise: nil) }
  }

  /// Whether there were any.
  private func writeFrames(_ context: ChannelHandlerContext) -> Bool {
    var hasWritten = false
    var headers = context.channel.allocator.buffer(capacity: 12)
    while context.channel.isWritable, let frame = yamux.nextFrame() {
      hasWritten = true
      frame.writeHeader(to: &headers)
      guard let data = frame.data else { continue }
      context.write(wrapOutboundOut(headers), promise: nil)
      context.write(wrapOutboundOut(data), promise: nil)
      headers = context.channel.allocator.buffer(capacity: 12)
    }
    if headers.readableBytes > 0 { context.write(wrapOutboundOut(headers), promise: nil) }
    if hasWritten { context.flush() }
    return hasWritten
  }

  // MARK: Its streams

  fileprivate func send(_ data: ByteBuffer, on stream: TunnelStream) { yamux.send(data, on: stream.id) }

  fileprivate func flush() { write() }

  fileprivate func takesMore(_ stream: TunnelStream) -> Bool { yamux.takesMore(stream.id) }

  fileprivate func resume(_ stream: TunnelStream) {
    consume(stream, .now())
    write()
  }

  fileprivate func finish(_ stream: TunnelStream) {
    yamux.finish(stream.id)
    write()
  }

  fileprivate func reset(_ stream: TunnelStream) {
    streams[stream.id] = nil
    yamux.reset(stream.id)
    write()
    closeWhenIdle()
  }

  /// Both sides have sent all.
  fileprivate func remove(_ stream: TunnelStream) {
    streams[stream.id] = nil
    closeWhenIdle()
  }
}

/// A stream of a tunnel's session as one end of a stream that the relay carries.
final class TunnelStream: StreamEnd {
  let id: YamuxSession.StreamID
  private let connection: YamuxConnection
  fileprivate(set) var other: (any StreamEnd)?
  /// What the other end was given and may not have sent, in bytes.
  private var received = 0
  private var isUnsent = false
  private var hasFinished = false
  private var peerHasFinished = false

  fileprivate init(_ id: YamuxSession.StreamID, of connection: YamuxConnection, other: (any StreamEnd)?) {
    self.id = id
    self.connection = connection
    self.other = other
  }

  // MARK: From the peer

  /// Gives the other end data; whether that is the first since ``flushOther()``.
  fileprivate func receive(_ data: ByteBuffer) -> Bool {
    received += data.readableBytes
    other?.send(data)
    defer { isUnsent = true }
    return !isUnsent
  }

  fileprivate func flushOther() {
    isUnsent = false
    other?.flush()
  }

  fileprivate func takeReceived() -> Int {
    defer { received = 0 }
    return received
  }

  fileprivate func finishOther() {
    peerHasFinished = true
    other?.finish()
    removeWhenDone()
  }

  fileprivate func resetOther() {
    other?.reset()
    other = nil
  }

  /// What the peer sends goes to another end from now on.
  func hand(over other: any StreamEnd) { self.other = other }

  // MARK: From the other end

  /// Whether the other end takes more.
  fileprivate var otherTakesMore: Bool { other?.takesMore ?? true }

  var takesMore: Bool { connection.takesMore(self) }

  func send(_ data: ByteBuffer) { connection.send(data, on: self) }

  func flush() { connection.flush() }

  func resume() { connection.resume(self) }

  func finish() {
    hasFinished = true
    connection.finish(self)
    removeWhenDone()
  }

  func reset() {
    other = nil
    connection.reset(self)
  }

  private func removeWhenDone() {
    guard hasFinished, peerHasFinished else { return }
    connection.remove(self)
  }
}
