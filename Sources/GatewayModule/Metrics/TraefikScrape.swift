import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
public import ProxyConfig
import System

/// Reads what Traefik counted, from its `metrics` entry point.
public struct TraefikScrape: Sendable {
  /// What a scrape may cost at most.
  struct ScrapeLimits: Sendable {
    /// From the call to its result.
    var time = Duration.seconds(5)
    /// Of the body, in bytes.
    var size = 64 * 1024 * 1024
  }

  let address: Endpoint
  private let namespace: NetworkNamespace?
  private let limits: ScrapeLimits

  /// - Parameters:
  ///   - address: of the entry point.
  ///   - namespace: the network namespace that Traefik runs in; `nil` for this process's own.
  public init(address: Endpoint, namespace: NetworkNamespace?) {
    self.init(address: address, namespace: namespace, limits: ScrapeLimits())
  }

  init(address: Endpoint, namespace: NetworkNamespace?, limits: ScrapeLimits) {
    self.address = address
    self.namespace = namespace
    self.limits = limits
  }

  /// Everything that Traefik counted since it started. Takes at most 5 seconds and 64 MiB of metrics, of which only the
  /// sums are kept.
  ///
  /// - Throws: with the reason `notRunning` when there is no Traefik.
  public func read() async throws(ScrapeError) -> Traffic {
    let deadline = NIODeadline.now() + TimeAmount(limits.time)
    do {
      let socket = try await NIOThreadPool.singleton.runIfActive { try connect(by: deadline) }
      let (channel, traffic) = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .withConnectedSocket(socket) { [address, limits] channel in
          channel.eventLoop.makeCompletedFuture {
            let response = ScrapeResponse(from: address, by: deadline, limits: limits, on: channel.eventLoop)
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            try channel.pipeline.syncOperations.addHandler(response)
            return (channel, response.traffic)
          }
        }
      return try await withTaskCancellationHandler {
        try await traffic.get()
      } onCancel: {
        channel.close(promise: nil)
      }
    } catch {
      throw ScrapeError(address: address, reason: Task.isCancelled ? .cancelled : reason(for: error, limits.time))
    }
  }

  /// Whether anything listens there; also when that cannot be told.
  var isTraefikRunning: Bool {
    get async {
      do {
        close(try await NIOThreadPool.singleton.runIfActive { try connect(by: .now() + .seconds(1)) })
        return true
      } catch {
        return reason(for: error, limits.time) != .notRunning
      }
    }
  }

  /// Makes the connection, on a thread that may wait: NIO cannot connect a socket that it has not opened.
  func connect(by deadline: NIODeadline) throws -> CInt {
    let remote = try SocketAddress(ipAddress: "\(address.address)", port: Int(address.port))
    let socket = try NetworkNamespace.socket(
      in: namespace, domain: CInt(remote.protocol.rawValue), type: SOCK_STREAM)
    do throws(SystemError) {
      try Self.limitWaiting(of: socket, until: deadline)
      let isConnected = remote.withSockAddr { Glibc.connect(socket, $0, socklen_t($1)) == 0 }
      guard isConnected else { throw SystemError("connect") }
      return socket
    } catch {
      close(socket)
      throw error
    }
  }

  /// Lets no system call on a socket wait for longer.
  static func limitWaiting(of socket: CInt, until deadline: NIODeadline) throws(SystemError) {
    let left = deadline - .now()
    // Zero would mean to wait for ever.
    guard left > .zero else { throw SystemError("connect", code: EINPROGRESS) }
    var limit = timeval(
      tv_sec: Int(left.nanoseconds / 1_000_000_000), tv_usec: max(1, Int(left.nanoseconds % 1_000_000_000 / 1000)))
    for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
      setsockopt(socket, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
  }

  func reason(for error: any Error, _ limit: Duration) -> ScrapeError.Reason {
    switch error {
    case let error as ScrapeResponse.ScrapeFailure: error.reason
    case let error as NetworkNamespaceError: .namespace(error)
    case let error as SystemError where error.call == "connect" || error.code == EAGAIN:
      switch error.code {
      case ECONNREFUSED: .notRunning
      case EINPROGRESS, EAGAIN, ETIMEDOUT: .timedOut(limit)
      default: .connection("\(error)")
      }
    default: .connection("\(error)")
    }
  }
}
