import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
public import Records
public import System

/// What the relay answers at its metrics address: `GET /metrics`, and, for the gateway, `POST /tunnels/WORKLOAD` and
/// `POST /pipes/WORKLOAD`, by which it looks at a file now, and `POST /pipes/WORKLOAD/probe`, by which it looks whether it could serve
/// the file that is the request's body.
final class RelayHTTP: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  struct Request: Sendable {
    let method: HTTPMethod
    let path: String
    let body: [UInt8]
  }

  struct Response: Sendable {
    let status: HTTPResponseStatus
    let text: String
  }

  /// Of a request's body, in bytes.
  private static let limit = 64 << 10

  private let answer: @Sendable (Request) async -> Response
  private let requests: Places
  private var head: HTTPRequestHead?
  private var body = ByteBuffer()

  /// - Parameter requests: of which each has a place until it is answered.
  init(counting requests: Places, _ answer: @escaping @Sendable (Request) async -> Response) {
    self.requests = requests
    self.answer = answer
  }

  static func serve(
    at address: Endpoint, on group: any EventLoopGroup, counting requests: Places,
    _ answer: @escaping @Sendable (Request) async -> Response
  ) async throws -> any Channel {
    try await ServerBootstrap(group: group)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
          try channel.pipeline.syncOperations.addHandler(RelayHTTP(counting: requests, answer))
        }
      }
      .bind(host: "\(address.address)", port: Int(address.port)).get()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body.clear()
    case .body(let part):
      body.writeImmutableBuffer(part)
      if body.readableBytes > Self.limit { context.close(promise: nil) }
    case .end:
      guard let head, context.channel.isActive else { return }
      self.head = nil
      answer(head, on: context.channel)
    }
  }

  private func answer(_ head: HTTPRequestHead, on channel: any Channel) {
    let request = Request(method: head.method, path: head.uri, body: Array(body.readableBytesView))
    let place = requests.take()
    // The server's pipeline takes no second request before the first is answered.
    Task { [answer] in
      let response = await answer(request)
      var headers = HTTPHeaders()
      headers.add(name: "Content-Type", value: "text/plain; version=0.0.4; charset=utf-8")
      headers.add(name: "Content-Length", value: "\(response.text.utf8.count)")
      let answered = HTTPResponseHead(version: head.version, status: response.status, headers: headers)
      channel.write(HTTPServerResponsePart.head(answered), promise: nil)
      channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: response.text))), promise: nil)
      channel.writeAndFlush(HTTPServerResponsePart.end(nil)).whenComplete { _ in
        withExtendedLifetime(place) {}
        if !head.isKeepAlive { channel.close(promise: nil) }
      }
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Asks the relay, at its metrics address.
public struct RelayClient: Sendable {
  /// Why it could not be asked, or what it refused.
  public enum Failure: Error, CustomStringConvertible {
    /// Nobody listens there.
    case notRunning
    /// What it said of a record that it does not serve.
    case refused(String)
    case other(String)

    public var description: String {
      switch self {
      case .notRunning: "the relay is not running"
      case .refused(let reason): reason
      case .other(let reason): "the relay cannot be asked: \(reason)"
      }
    }
  }

  let address: Endpoint

  public init(address: Endpoint) {
    self.address = address
  }

  /// What it tells of itself.
  public func state() async throws(Failure) -> RelayState {
    let body = try await ask(.GET, "/metrics").text
    do throws(InvalidValue) { return try RelayState(metrics: body) } catch { throw .other("\(error)") }
  }

  /// Returns once it serves what a tunnel's file says, or that there is none.
  ///
  /// - Throws: ``Failure``, as `refused` when it cannot.
  public func apply(tunnelOf workload: WorkloadID) async throws(Failure) { try await apply("tunnels", workload) }

  /// Returns once it serves what a pipe's file says, or that there is none.
  ///
  /// - Throws: ``Failure``, as `refused` when it cannot.
  public func apply(pipeOf workload: WorkloadID) async throws(Failure) { try await apply("pipes", workload) }

  /// Returns when it could serve a pipe now, as far as can be told.
  ///
  /// - Throws: ``Failure``, as `refused` when it could not.
  public func probe(_ pipe: Pipe) async throws(Failure) {
    try expectDone(try await ask(.POST, "/pipes/\(pipe.workload)/probe", pipe.encoded()))
  }

  private func apply(_ kind: String, _ workload: WorkloadID) async throws(Failure) {
    try expectDone(try await ask(.POST, "/\(kind)/\(workload)"))
  }

  private func expectDone(_ response: RelayHTTP.Response) throws(Failure) {
    switch response.status {
    case .noContent: return
    case .conflict: throw .refused(response.text)
    default: throw .other("it answers with status \(response.status.code): is it of another version?")
    }
  }

  /// How long an answer may take.
  private static let patience = TimeAmount.seconds(5)

  private func ask(
    _ method: HTTPMethod, _ path: String, _ body: [UInt8] = []
  ) async throws(Failure) -> RelayHTTP.Response {
    do {
      let channel: any Channel
      let answer: EventLoopFuture<NIOHTTPClientResponseFull>
      (channel, answer) = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .connectTimeout(Self.patience)
        .connect(host: "\(address.address)", port: Int(address.port)) { channel in
          channel.eventLoop.makeCompletedFuture {
            let promise = channel.eventLoop.makePromise(of: NIOHTTPClientResponseFull.self)
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            try channel.pipeline.syncOperations.addHandler(NIOHTTPClientResponseAggregator(maxContentLength: 64 << 20))
            try channel.pipeline.syncOperations.addHandler(Answer(promise))
            return (channel, promise.futureResult)
          }
        }
      channel.eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
      let head = HTTPRequestHead(
        version: .http1_1, method: method, uri: path,
        headers: ["Host": "\(address)", "Connection": "close", "Content-Length": "\(body.count)"])
      channel.write(HTTPClientRequestPart.head(head), promise: nil)
      channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
      channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
      let response = try await answer.get()
      channel.close(promise: nil)
      return RelayHTTP.Response(status: response.head.status, text: response.body.map { String(buffer: $0) } ?? "")
    } catch let error as IOError where error.errnoCode == ECONNREFUSED {
      throw .notRunning
    } catch let error as NIOConnectionError {
      let reasons = error.connectionErrors.map(\.error)
      let refusals = reasons.compactMap { ($0 as? IOError)?.errnoCode }
      if !refusals.isEmpty, refusals.allSatisfy({ $0 == ECONNREFUSED }) { throw .notRunning }
      throw .other("\(reasons.first ?? error)")
    } catch {
      throw .other("\(error)")
    }
  }

  private final class Answer: ChannelInboundHandler {
    typealias InboundIn = NIOHTTPClientResponseFull

    private let promise: EventLoopPromise<NIOHTTPClientResponseFull>

    init(_ promise: EventLoopPromise<NIOHTTPClientResponseFull>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { promise.succeed(unwrapInboundIn(data)) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      promise.fail(error)
      context.close(promise: nil)
    }

    // Whatever becomes of the connection, also when it was never made.
    func handlerRemoved(context: ChannelHandlerContext) { promise.fail(ChannelError.eof) }
  }
}
