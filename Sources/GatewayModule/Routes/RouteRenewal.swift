public import Logging
import ProxyConfig
public import ServiceLifecycle
import System

/// Brings the route files that an earlier version wrote up to date, after the start.
///
/// Traefik reads all files again for each one that changes, so that they are written one at a time, with pauses in which it can do
/// that and everything else. While there is no Traefik, or it is to be restarted, it reads them at its start anyhow, and they are
/// written at once. Until a file's turn comes, Traefik serves the route as before.
public struct RouteRenewal: Service {
  private let store: RouteStore
  private let traefik: TraefikScrape
  private let pause: @Sendable (_ routes: Int) -> Duration
  private let logger: Logger

  /// - Parameters:
  ///   - store: the routes.
  ///   - traefik: tells whether Traefik runs.
  public init(_ store: RouteStore, traefik: TraefikScrape, logger: Logger) {
    self.init(store, traefik: traefik, logger: logger, pause: Self.pause)
  }

  /// From one file to the next while Traefik runs, with so many routes in all: some times what it takes for a change, 0.3 s of its
  /// CPU time at 1,000 routes, 2 s at 5,000 (docs/scaling.md).
  static func pause(routes: Int) -> Duration { .milliseconds(max(2000, 2 * routes)) }

  init(
    _ store: RouteStore, traefik: TraefikScrape, logger: Logger,
    pause: @escaping @Sendable (_ routes: Int) -> Duration
  ) {
    self.store = store
    self.traefik = traefik
    self.pause = pause
    self.logger = logger
  }

  /// Writes all of them, whether Traefik runs or not: before it is restarted.
  public func renewAtOnce() async { await renewAll(isRestarting: true) }

  public func run() async {
    await cancelWhenGracefulShutdown {
      await renewAll()
      // It has nothing more to do, and ends with the others.
      while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
    }
  }

  private func renewAll(isRestarting: Bool = false) async {
    var left = store.outdated[...]
    guard !left.isEmpty else { return }
    logger.info("bringing route files of an earlier version up to date", metadata: ["routes": "\(left.count)"])
    var known: FileError?
    while !left.isEmpty, !Task.isCancelled {
      let isRunning = isRestarting ? false : await traefik.isTraefikRunning
      let step = left.prefix(isRunning ? 1 : RouteStore.rewriteBatch)
      left = left.dropFirst(step.count)
      if let fault = await store.rewrite(.renew(Array(step))).fault, known?.code != fault.code {
        logger.warning("route files not brought up to date", metadata: ["reason": "\(fault)"])
        known = fault
      }
      // The sleep ends early only when the service is to end.
      if isRunning, !left.isEmpty { try? await Task.sleep(for: pause(store.count)) }
    }
    if left.isEmpty, known == nil { logger.info("route files are up to date") }
  }
}
