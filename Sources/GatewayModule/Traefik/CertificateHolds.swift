/// Which names Traefik is asked to get a certificate for, and which are on hold, since it could not.
///
/// Traefik orders a certificate again for each name that it has none for whenever it takes any change of any route in; so a name
/// that the authority refuses, or that nobody can prove to own, would cost an order for each change on the node, and the
/// authority's limits are shared by all. A name that has none after some time is put on hold; then it is tried again after an hour,
/// two hours and so on up to a day. An order that Traefik has begun goes on when its name is put on hold.
///
/// A state machine without a clock; it is told the time, which never goes back, since any instant.
struct CertificateHolds {
  /// How long things take.
  struct Times: Equatable {
    /// How long Traefik may take for a name the first time.
    let patience: Duration

    /// How long a name asks at the least: long enough for Traefik to begin, and Traefik finishes what it has begun.
    var trial: Duration { patience / 10 }
    /// For how long a name that failed so often is on hold, from 1: twice as long each time.
    func pause(after failures: Int) -> Duration { min(patience * 12 * (1 << min(failures - 1, 10)), patience * 288) }
    /// For how long it is at the least, whoever wants it to be tried.
    func shortestPause(after failures: Int) -> Duration { min(pause(after: failures) / 6, patience * 12) }
  }

  /// After how many changes that Traefik took in, each of which may be an order, a name no longer asks: the first time, and each
  /// further time. Traefik may read the directory while files are put there, so that the first change may lack some of them.
  static let (changes, furtherChanges) = (5.0, 2.0)
  /// How many names at most are tried again in one ``Times/patience``, those left out that got their certificates.
  static let width = 10
  /// How many names are remembered that no route wants any more.
  static let most = 10_000

  /// What is known of Traefik.
  struct Traefik: Equatable {
    /// When it was started, by its own account.
    var started: Double?
    /// How long ago that was when it was first seen.
    var age: Duration
    /// How often it took routes in since.
    var reloads: Double

    /// Whether it was started anew. When is known by the machine's boot, to the second, and may be told otherwise later.
    func isOther(than later: Traefik?) -> Bool {
      guard let started, let other = later?.started else { return false }
      return abs(started - other) > 2
    }
  }

  /// What the files of a name say.
  struct Sight: Equatable {
    /// Whether some ask for its certificate.
    var isAsking: Bool
    /// Whether some are on hold.
    var isOnHold: Bool
  }

  /// What is to be done.
  struct Actions: Equatable {
    /// The names whose files are to be put on hold, and for how many times Traefik has got no certificate for them; 0 for those
    /// that are not on hold for the first time, whose files somebody changed.
    var hold: [String: Int] = [:]
    /// The names of which one file is to ask.
    var retry: Set<String> = []
    /// The names that are no longer on hold.
    var release: Set<String> = []
  }

  private enum HoldState: Equatable {
    /// Since when, and how often Traefik had taken routes in by then; nil when that is not known yet.
    case asking(since: Duration, reloads: Double?)
    case onHold(since: Duration)
  }

  private struct TrackedName: Equatable {
    var state: HoldState
    /// How often Traefik got no certificate for it.
    var failures: Int
    /// Whether somebody wants it to be tried sooner than by itself when it is on hold.
    var isWanted = false
    /// When it was last tried again.
    var tried: Duration?

    /// When it is tried again; nil when it is not on hold.
    func retry(_ times: Times) -> Duration? {
      guard case .onHold(let since) = state else { return nil }
      return since + (isWanted ? times.shortestPause(after: failures) : times.pause(after: failures))
    }
  }

  private let times: Times
  private var names: [String: TrackedName] = [:]
  private var traefik: Traefik?
  private var hasLooked = false

  init(_ times: Times) {
    self.times = times
  }

  /// Whether there is nothing to be done until something changes.
  var isIdle: Bool { names.isEmpty }

  /// The names that are on hold, and when each is tried again.
  var retries: [String: Duration] { names.compactMapValues { $0.retry(times) } }

  /// - Parameters:
  ///   - waiting: the names that routes want a certificate for and Traefik has none for.
  ///   - stored: the names that it has one for.
  ///   - held: the names whose new files are on hold.
  ///   - wanted: the names on hold, or tried again, that somebody wants to be tried.
  ///   - traefik: nil when it does not run.
  ///   - now: the time.
  ///   - age: for how long the files of a name have been as they are; asked at the first look, as nobody saw them change.
  mutating func look(
    at waiting: [String: Sight], stored: Set<String> = [], held: Set<String>, wanted: Set<String> = [],
    traefik: Traefik?, now: Duration, age: (String) -> Duration = { _ in .zero }
  ) -> Actions {
    var actions = Actions()
    let isNew = self.traefik?.isOther(than: traefik) == true
    let isFirst = self.traefik == nil
    if let traefik { self.traefik = traefik }
    for (name, sight) in waiting where names[name] == nil {
      let since = hasLooked ? now : now - max(age(name), .zero)
      names[name] =
        sight.isAsking
        ? TrackedName(state: .asking(since: since, reloads: nil), failures: sight.isOnHold ? 1 : 0)
        : TrackedName(state: .onHold(since: since), failures: 1)
    }
    hasLooked = true
    for (name, var known) in names {
      let sight = waiting[name]
      if wanted.contains(name) { known.isWanted = true }
      switch known.state {
      case .asking(var since, var reloads):
        if traefik == nil || isNew {
          // What Traefik had begun is lost; when it is started it begins anew.
          (since, reloads) = (now, nil)
        } else if let traefik, isFirst {
          since = max(since, now - traefik.age)
        }
        reloads = reloads ?? traefik?.reloads
        known.state = .asking(since: since, reloads: reloads)
        guard let sight, let traefik else { break }
        if isOver(since, reloads ?? traefik.reloads, known.failures, traefik, now) {
          known.failures += 1
          known.state = .onHold(since: now)
          actions.hold[name] = known.failures
        } else if !sight.isAsking {
          // The one file that asked is gone, or was written anew; its time counts on, or who does that makes orders for ever.
          actions.retry.insert(name)
        }
      case .onHold(let since):
        if isNew || isFirst && traefik.map({ now - $0.age > since }) == true { known.isWanted = true }
        if sight?.isAsking == true { actions.hold[name] = 0 }
      }
      names[name] = sight != nil || !stored.contains(name) && isKept(known, now) ? known : nil
    }
    if let traefik { retry(waiting, traefik, now, &actions) }
    forgetMost(waiting)
    actions.release = held.filter { names[$0] == nil }
    return actions
  }

  /// Names that could not be tried, since their files could not be written, are on hold as before, and due.
  mutating func postpone(_ postponed: Set<String>, now: Duration) {
    for name in postponed {
      guard let known = names[name], case .asking = known.state else { continue }
      names[name]?.state = .onHold(since: now - times.pause(after: known.failures))
      names[name]?.tried = nil
    }
  }

  /// Whether a name that no route wants is remembered, so that one that is set again is as it was.
  private func isKept(_ known: TrackedName, _ now: Duration) -> Bool {
    switch known.state {
    case .asking(let since, _): now - since < times.patience
    case .onHold(let since): now - since < times.pause(after: known.failures)
    }
  }

  /// Whether a name has asked for long enough.
  private func isOver(
    _ since: Duration, _ reloads: Double, _ failures: Int, _ traefik: Traefik, _ now: Duration
  ) -> Bool {
    let isLong = now - since >= times.trial
    let changes = traefik.reloads - reloads
    return now - since >= times.patience || isLong && changes >= (failures > 0 ? Self.furtherChanges : Self.changes)
  }

  private mutating func retry(_ waiting: [String: Sight], _ traefik: Traefik, _ now: Duration, _ actions: inout Actions)
  {
    let busy = names.values.count { $0.tried.map { now - $0 < times.patience } ?? false }
    let due = names.compactMap { name, known -> (name: String, since: Duration)? in
      guard let since = known.retry(times), since <= now, waiting[name] != nil, actions.hold[name] == nil else {
        return nil
      }
      return (name, since)
    }
    for (name, _) in due.sorted(by: { ($0.since, $0.name) < ($1.since, $1.name) }).prefix(max(0, Self.width - busy)) {
      names[name]?.state = .asking(since: now, reloads: traefik.reloads)
      names[name]?.isWanted = false
      names[name]?.tried = now
      actions.retry.insert(name)
    }
  }

  private mutating func forgetMost(_ waiting: [String: Sight]) {
    guard names.count - waiting.count > Self.most else { return }
    names = names.filter { waiting[$0.key] != nil }
  }
}
