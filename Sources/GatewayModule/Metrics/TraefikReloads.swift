import Glibc
import NIOCore
import NIOPosix
import System

/// What Traefik's metrics say of Traefik itself: when it was started, and of its taking in routes.
package struct TraefikReloads: Hashable, Sendable {
  /// How often it did since it started.
  package let count: Double
  /// When it last did, in whole seconds since the epoch.
  package let last: Double
  /// When Traefik was started, in seconds since the epoch; nil when it does not tell.
  package let started: Double?

  package init(count: Double, last: Double, started: Double? = nil) {
    self.count = count
    self.last = last
    self.started = started
  }

  /// Reads lines of the Prometheus text format; nil when they say nothing of it.
  package init?(_ metrics: String) {
    func value(_ name: String) -> Double? {
      metrics.split(separator: "\n").first { $0.hasPrefix("\(name) ") }?.split(separator: " ").last.flatMap {
        Double($0)
      }
    }
    guard let count = value("traefik_config_reloads_total"), let last = value("traefik_config_last_reload_success")
    else {
      return nil
    }
    self.init(count: count, last: last, started: value("process_start_time_seconds"))
  }

  /// Whether Traefik, which reads its static configuration at its start only, was started before a file of that was
  /// written.
  ///
  /// - Parameter written: in seconds since the epoch.
  package func isOlder(than written: Double) -> Bool { started.map { Self.isOlder($0, than: written) } ?? false }

  /// The same of any start. It is known by the machine's boot, which is known to the second.
  package static func isOlder(_ started: Double, than written: Double) -> Bool { started + 2 < written }
}

extension TraefikScrape {
  /// How much of the metrics is read. They come by name, those of the configuration before those of the services.
  private static let head = 1 << 18

  /// What Traefik says of itself; nil when it says nothing.
  ///
  /// - Parameter limit: how long it may take.
  /// - Throws: with the reason `notRunning` when there is no Traefik.
  package func reloads(within limit: Duration) async throws(ScrapeError) -> TraefikReloads? {
    let deadline = NIODeadline.now() + TimeAmount(limit)
    do {
      let bytes = try await NIOThreadPool.singleton.runIfActive { try readHead(by: deadline) }
      return TraefikReloads(String(decoding: bytes, as: UTF8.self))
    } catch {
      throw ScrapeError(address: address, reason: Task.isCancelled ? .cancelled : reason(for: error, limit))
    }
  }

  /// On a thread that may wait.
  private func readHead(by deadline: NIODeadline) throws -> [UInt8] {
    let socket = try connect(by: deadline)
    defer { close(socket) }
    // HTTP/1.0, whose answers end with the connection and come in one piece.
    let request = Array("GET /metrics HTTP/1.0\r\nHost: \(address)\r\n\r\n".utf8)
    guard send(socket, request, request.count, CInt(MSG_NOSIGNAL)) == request.count else { throw SystemError("send") }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 14)
    while bytes.count < Self.head {
      try Self.limitWaiting(of: socket, until: deadline)
      let count = recv(socket, &buffer, buffer.count, 0)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw SystemError("recv") }
      if count == 0 { break }
      bytes += buffer.prefix(count)
    }
    return bytes
  }
}
