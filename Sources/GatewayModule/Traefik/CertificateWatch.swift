public import Logging
import ProxyConfig
import RPC
import Records
public import ServiceLifecycle
import Synchronization
import System

/// Puts names on hold that Traefik gets no certificate for, and has it try them again from time to time: what is decided by
/// ``CertificateHolds`` is done here.
///
/// It looks only as far as something changed while all names have their certificates.
public final class CertificateWatch: Service {
  private let store: RouteStore
  private let storage: CertificateStorage
  private let scrape: TraefikScrape
  private let times: CertificateHolds.Times
  private let logger: Logger
  /// When names on hold are tried again.
  private let retries = Mutex<[String: ContinuousClock.Instant]>([:])

  /// - Parameters:
  ///   - store: the routes.
  ///   - storage: where Traefik keeps its certificates.
  ///   - traefik: tells whether Traefik runs.
  ///   - patience: how long Traefik may take to get a certificate before the name is put on hold, from 1 s.
  public init(
    _ store: RouteStore, storage: CertificateStorage, traefik: TraefikScrape, patience: Duration, logger: Logger
  ) {
    self.store = store
    self.storage = storage
    scrape = traefik
    times = CertificateHolds.Times(patience: patience)
    self.logger = logger
  }

  /// The names that sites want a certificate for and Traefik has stored none for, and since when: when the oldest of the route
  /// files that want it was written, in nanoseconds since the epoch.
  var missing: [String: Int64] { store.waiting(for: storage.names).mapValues(\.since) }

  /// When names on hold are tried again, by the clock; now for those that are due and wait for their turn.
  var nextTries: [String: Timestamp] {
    let now = (ContinuousClock.now, Timestamp.now)
    return retries.withLock { $0 }.mapValues { Self.time(max($0, now.0), now) }
  }

  /// In whole seconds, the next one.
  static func time(_ instant: ContinuousClock.Instant, _ now: (ContinuousClock.Instant, Timestamp)) -> Timestamp {
    let seconds = now.0.duration(to: instant) / .seconds(1) + Double(now.1.nanoseconds) / 1e9
    return Timestamp(seconds: now.1.seconds + Int64(seconds.rounded(.up)), nanoseconds: 0)
  }

  public func run() async {
    await cancelWhenGracefulShutdown { [self] in
      var looks = Looks(times)
      while !Task.isCancelled {
        await look(&looks)
        // The sleep ends early only when the service is to end.
        try? await Task.sleep(for: max(times.patience / 60, .milliseconds(100)))
      }
    }
  }

  /// What is known from one look to the next.
  private struct Looks {
    let start = ContinuousClock.now
    var holds: CertificateHolds
    /// What the last look was at.
    var seen: (revision: Int, stamps: [CertificateResolvers.Storage: FileStamp?])?
    /// Whether there may be files on hold whose names no longer are.
    var hasReleased = true
    /// When the pauses of those that were written are over.
    var rested = ContinuousClock.now
    /// Why files could not be written.
    var fault: FileError?

    init(_ times: CertificateHolds.Times) {
      holds = CertificateHolds(times)
    }
  }

  private func look(_ looks: inout Looks) async {
    // What Traefik has is not known while its files cannot be read.
    guard let stamps = storage.stamps else { return }
    let revision = store.revision
    if looks.holds.isIdle, !looks.hasReleased, let seen = looks.seen, seen == (revision, stamps) { return }
    // Nor is it known whether a Traefik that does not answer got anything.
    let traefik: CertificateHolds.Traefik?
    switch await lookAtTraefik() {
    case .unknown: return
    case .absent: traefik = nil
    case .running(let running): traefik = running
    }
    looks.seen = (revision, stamps)
    let stored = storage.names
    // First, so that a file on hold that appears meanwhile is not taken for one that has its certificate.
    let held = store.held
    let waiting = store.waiting(for: stored)
    let now = ContinuousClock.now
    let actions = looks.holds.look(
      at: waiting.mapValues { CertificateHolds.Sight(isAsking: $0.asking != nil, isOnHold: $0.onHold != nil) },
      stored: stored, held: held, wanted: store.takeWanted(), traefik: traefik,
      now: looks.start.duration(to: now)
    ) { name in
      guard let workload = waiting[name]?.asking ?? waiting[name]?.onHold, let changed = store.changed(workload) else {
        return .zero
      }
      return .seconds(Self.now - Double(changed) / 1e9)
    }
    retries.withLock { $0 = looks.holds.retries.mapValues { looks.start + $0 } }
    await carryOut(actions, waiting, &looks)
    if !actions.release.isEmpty { looks.hasReleased = true }
    if looks.hasReleased { await writeReleased(&looks, isRunning: traefik != nil) }
  }

  private func carryOut(
    _ actions: CertificateHolds.Actions, _ waiting: [String: RouteStore.Waiting], _ looks: inout Looks
  ) async {
    if !actions.release.isEmpty {
      let workloads = store.workloads(wanting: actions.release)
      store.release(actions.release)
      for (name, workload) in workloads.sorted(by: { $0.key < $1.key }) {
        logger.notice(
          "certificate there: its name is no longer on hold", metadata: ["name": "\(name)", "workload": "\(workload)"])
      }
    }
    let now = (ContinuousClock.now, Timestamp.now)
    for (name, failures) in actions.hold.sorted(by: { $0.key < $1.key }) where failures > 0 {
      guard let workload = waiting[name]?.asking ?? waiting[name]?.onHold, let until = looks.holds.retries[name] else {
        continue
      }
      logger.warning(
        "no certificate: its name is on hold",
        metadata: [
          "name": "\(name)", "workload": "\(workload)", "failures": "\(failures)",
          "next-try": "\(UTCTime(Self.time(looks.start + until, now)))",
        ])
    }
    var fault: FileError?
    if !actions.hold.isEmpty {
      var result = await store.rewrite(.hold(Set(actions.hold.keys)))
      while result.fault == nil, result.written == RouteStore.rewriteBatch, !Task.isCancelled {
        result = await store.rewrite(.hold(Set(actions.hold.keys)))
      }
      fault = result.fault
    }
    if !actions.retry.isEmpty {
      fault = await store.rewrite(.retry(actions.retry)).fault ?? fault
      let written = store.waiting(for: []).filter { $0.value.asking != nil }
      let tried = actions.retry.filter { written[$0] != nil }
      for name in tried.sorted() { logger.info("name on hold tried again", metadata: ["name": "\(name)"]) }
      looks.holds.postpone(actions.retry.subtracting(tried), now: looks.start.duration(to: .now))
    }
    if !actions.hold.isEmpty || !actions.retry.isEmpty { tell(of: fault, &looks) }
  }

  /// Says why files cannot be written, once, whichever they are.
  private func tell(of fault: FileError?, _ looks: inout Looks) {
    if let fault, looks.fault?.code != fault.code {
      logger.warning("route files on hold cannot be written", metadata: ["reason": "\(fault)"])
    }
    looks.fault = fault
  }

  /// Gives files that are on hold and whose names no longer are their whole form. Traefik reads all files again for each that
  /// changes, so ten are written at once, and the next ones at the pace of ``RouteRenewal``. A disk that takes none rests too.
  private func writeReleased(_ looks: inout Looks, isRunning: Bool) async {
    let pause = RouteRenewal.pause(routes: store.count)
    guard looks.rested <= .now else { return }
    let limit = isRunning ? CertificateHolds.width : RouteStore.rewriteBatch
    let released = store.released(atMost: limit)
    looks.hasReleased = released.count == limit
    guard !released.isEmpty else { return }
    let fault = await store.rewrite(.renew(released)).fault
    if fault != nil { looks.hasReleased = true }
    if isRunning || fault != nil { looks.rested = .now + pause * min(released.count, CertificateHolds.width) }
    tell(of: fault, &looks)
  }

  private enum TraefikView {
    case running(CertificateHolds.Traefik)
    case absent
    case unknown
  }

  private func lookAtTraefik() async -> TraefikView {
    do throws(ScrapeError) {
      guard let reloads = try await scrape.reloads(within: .seconds(2)) else { return .unknown }
      let age = reloads.started.map { max(Self.now - $0, 0) } ?? 0
      return .running(
        CertificateHolds.Traefik(started: reloads.started, age: .seconds(age), reloads: reloads.count))
    } catch {
      return error.reason == .notRunning ? .absent : .unknown
    }
  }

  /// In seconds since the epoch.
  private static var now: Double {
    let now = Timestamp.now
    return Double(now.seconds) + Double(now.nanoseconds) / 1e9
  }
}
