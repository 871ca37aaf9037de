import NIOCore
import NIOHTTP1
import ProxyConfig
import System

/// Asks for the metrics on a new connection and reads the answer as it comes, once.
final class ScrapeResponse: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  struct ScrapeFailure: Error {
    let reason: ScrapeError.Reason
  }

  /// Succeeds at the end of the response, or fails with a ``ScrapeFailure``; afterwards the connection is closed.
  let traffic: EventLoopFuture<Traffic>

  private let promise: EventLoopPromise<Traffic>
  private let address: Endpoint
  private let deadline: NIODeadline
  private let limits: TraefikScrape.ScrapeLimits
  private var timer: Scheduled<Void>?
  private var size = 0
  private var parser = ScrapeParser()

  init(
    from address: Endpoint, by deadline: NIODeadline, limits: TraefikScrape.ScrapeLimits, on eventLoop: any EventLoop
  ) {
    self.address = address
    self.deadline = deadline
    self.limits = limits
    promise = eventLoop.makePromise()
    traffic = promise.futureResult
  }

  func channelActive(context: ChannelHandlerContext) {
    let context = NIOLoopBound(context, eventLoop: context.eventLoop)
    let handler = NIOLoopBound(self, eventLoop: context.value.eventLoop)
    timer = context.value.eventLoop.scheduleTask(deadline: deadline) { [limits] in
      handler.value.fail(.timedOut(limits.time), context.value)
    }
    let head = HTTPRequestHead(
      version: .http1_1, method: .GET, uri: "/metrics",
      headers: ["Host": "\(address)", "Accept": "text/plain;version=0.0.4", "Connection": "close"])
    context.value.write(wrapOutboundOut(.head(head)), promise: nil)
    context.value.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      if head.status != .ok { fail(.status(Int(head.status.code)), context) }
    case .body(let bytes):
      size += bytes.readableBytes
      guard size <= limits.size else { return fail(.tooLarge(limits.size), context) }
      bytes.withUnsafeReadableBytes { parser.consume($0) }
    case .end:
      promise.succeed(parser.finish())
      context.close(promise: nil)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    fail(error is HTTPParserError ? .malformed : .connection("\(error)"), context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    fail(.malformed, context)
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    fail(.malformed, context)
  }

  /// The first result counts; the others come from closing the connection.
  private func fail(_ reason: ScrapeError.Reason, _ context: ChannelHandlerContext) {
    timer?.cancel()
    promise.fail(ScrapeFailure(reason: reason))
    context.close(promise: nil)
  }
}
