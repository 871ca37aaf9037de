import GatewayModule
import Glibc
public import ProxyConfig
import RPC
import System

/// Waits until Traefik serves a route that was just set, and reports each step on the way.
public struct ServingWait: Sendable {
  /// One step that is over, or where a route is stuck.
  public struct Progress: Hashable, Sendable, Encodable {
    public enum StepOutcome: String, Hashable, Sendable, Encodable {
      case done
      /// Not to be waited for.
      case skipped
      /// Not over. When the time is, the route is stuck there.
      case hangs
    }

    public let step: ServingStep
    public let outcome: StepOutcome
    /// Since the route was acknowledged, in seconds.
    public let seconds: Double
    /// Why it is stuck, or what the world sees; empty where there is nothing to say.
    public let finding: String

    private enum CodingKeys: String, CodingKey {
      case step = "Step"
      case outcome = "Outcome"
      case seconds = "Seconds"
      case finding = "Finding"
    }
  }

  /// What was known before a route was set.
  public struct Start: Hashable, Sendable {
    /// In seconds since the epoch.
    let time: Double
    let reloads: TraefikReloads?
    /// Whether the workload had this very route, so that nothing was written.
    public var isKnown = false

    init(time: Double, reloads: TraefikReloads?, isKnown: Bool = false) {
      self.time = time
      self.reloads = reloads
      self.isKnown = isKnown
    }

    /// Looks at a node.
    ///
    /// - Throws: ``NodeError`` when it cannot be known where Traefik listens.
    public init(_ node: NodeView) async throws(NodeError) {
      _ = try node.addresses()
      var now = timespec()
      clock_gettime(CLOCK_REALTIME_COARSE, &now)
      // Files get the time of the same clock, which stands still for some milliseconds.
      time = Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
      reloads = await node.reloads(within: .seconds(1))
    }
  }

  /// From one look to the next.
  private static let interval = Duration.milliseconds(250)
  /// How long a look may take.
  private static let patience = Duration.seconds(5)
  /// The same after a backend was asked, which is spared: twice as long each time, up to the longest.
  private static let (firstPause, longestPause) = (Duration.milliseconds(500), Duration.seconds(5))
  /// How often the gateway is asked whether a name is on hold.
  private static let holdInterval = Duration.seconds(5)

  private let workload: String
  private let domain: Domain
  private let passesTLSThrough: Bool
  private let node: NodeView
  private let start: Start

  /// - Parameter start: from before the route was set.
  public init(workload: String, domain: Domain, passesTLSThrough: Bool, node: NodeView, start: Start) {
    self.workload = workload
    self.domain = domain
    self.passesTLSThrough = passesTLSThrough
    self.node = node
    self.start = start
  }

  /// - Parameters:
  ///   - limit: how long to wait.
  ///   - report: takes each step when it is over, and again and again the one that is waited for.
  /// - Returns: the steps; when the last one hangs, the time was over.
  /// - Throws: ``NodeError`` when it cannot be known where to look.
  public func run(within limit: Duration, report: (Progress) throws -> Void) async throws -> [Progress] {
    let begin = ContinuousClock.now
    var steps = ServingStep.steps(passesTLSThrough: passesTLSThrough)[...]
    var finished: [Progress] = []
    var look = try Observation(wait: self)
    func progress(_ step: ServingStep, _ outcome: Progress.StepOutcome, _ finding: String = "") -> Progress {
      let seconds = begin.duration(to: .now) / .seconds(1)
      return Progress(step: step, outcome: outcome, seconds: (seconds * 10).rounded() / 10, finding: finding)
    }
    func finish(until next: ServingStep?, finding: String = "") throws {
      while let step = steps.first, step != next {
        steps.removeFirst()
        finished.append(
          step == .certificate && look.isWithoutCertificate
            ? progress(step, .skipped, "none is asked for: the gateway has no --acme-email")
            : progress(step, .done, steps.isEmpty ? finding : ""))
        try report(finished.last!)
      }
    }
    // The gateway acknowledges what is on disk.
    try finish(until: .traefik)
    var pause = Self.firstPause
    while true {
      let left = limit - begin.duration(to: .now)
      let state = try await look.state(within: min(max(left, .seconds(1)), Self.patience))
      switch state {
      case .serving(let finding):
        try finish(until: nil, finding: finding)
        return finished
      case .waiting(let step, let reason):
        // A step that was over stays over: what is told of it now may have come from an earlier configuration.
        let step = max(step, steps.first!)
        try finish(until: step)
        let hanging = progress(step, .hangs, step == .certificate ? reason + (await look.hold()) : reason)
        if begin.duration(to: .now) >= limit { return finished + [hanging] }
        try report(hanging)
      }
      var wait = Self.interval
      if look.hasAskedBackend {
        (wait, pause) = (pause, min(pause * 2, Self.longestPause))
      }
      try await Task.sleep(for: min(wait, max(limit - begin.duration(to: .now), .milliseconds(1))))
    }
  }

  /// Looks at Traefik, again and again.
  private struct Observation {
    let wait: ServingWait
    let address: Endpoint
    let asksForCertificates: Bool
    /// Whether the last look went as far as to a backend.
    var hasAskedBackend = false
    /// Whether Traefik showed a certificate of its own last, and is to have no other.
    var isWithoutCertificate = false
    /// How many requests for the workload Traefik had counted the time before.
    var counted: Double?
    private var knownHold: (asked: ContinuousClock.Instant, finding: String)?

    init(wait: ServingWait) throws(NodeError) {
      self.wait = wait
      address = try wait.node.reach(try wait.node.addresses().https)
      asksForCertificates = try wait.node.asksForCertificates()
    }

    mutating func state(within limit: Duration) async throws -> ServingState {
      let request = SiteRequest(wait.domain, at: address, in: wait.node.namespace)
      hasAskedBackend = false
      var sighting = ServingState.SiteView(site: SiteRequest.Fetched())
      sighting.start = wait.start
      sighting.asksForCertificates = asksForCertificates
      sighting.reloads = await wait.node.reloads(within: limit)
      sighting.fileChanged = fileChanged()
      func judge() -> ServingState {
        ServingState(sighting, domain: wait.domain, passesTLSThrough: wait.passesTLSThrough)
      }
      guard !wait.passesTLSThrough else {
        let before = try await strangersCertificate(within: limit)
        sighting.site = before
        if !before.isConnected || sighting.isBeforeReload { return judge() }
        // What goes through is the backend's.
        sighting.site = try await request.greet(within: limit)
        sighting.strangersCertificates = [
          before.certificate, try await strangersCertificate(within: limit).certificate,
        ]
        let state = judge()
        if case .waiting(.traefik, _) = state {} else { hasAskedBackend = true }
        return state
      }
      sighting.site = try await request.greet(within: limit)
      let state = judge()
      guard case .waiting(.backend, _) = state else { return state }
      isWithoutCertificate = !asksForCertificates && sighting.site.certificate?.isForName == false
      let before = counted
      sighting.site = try await request.askForHead(within: limit)
      hasAskedBackend = true
      if sighting.site.response?.isTraefiksNotFound == true {
        counted = await wait.node.requests(for: wait.workload, within: limit)
        // Where it cannot be counted, that Traefik has taken the route in has to do.
        sighting.hasTraffic = counted.map { now in before.map { now > $0 } ?? false } ?? true
      }
      return judge()
    }

    /// Part of a line: until when the domain's name is on hold; empty when it is not.
    mutating func hold() async -> String {
      if let known = knownHold, known.asked + ServingWait.holdInterval > .now { return known.finding }
      let next = await wait.node.nextTry(for: wait.domain)
      let finding = next.map { "; its name is on hold, and is tried again at \(UTCTime($0))" } ?? ""
      knownHold = (.now, finding)
      return finding
    }

    /// What Traefik shows for a name that nobody has, where a wildcard certificate for the domain would be for it too.
    private func strangersCertificate(within limit: Duration) async throws -> SiteRequest.Fetched {
      let labels = wait.domain.rawValue.split(separator: ".").dropFirst().joined(separator: ".")
      let stranger = try Domain("no-route-\(UInt32.random(in: 0 ... .max)).\(labels)")
      return try await SiteRequest(stranger, at: address, in: wait.node.namespace).greet(within: limit)
    }

    /// When the route's file got its name; nil when it cannot be seen.
    private func fileChanged() -> Double? {
      guard let root = wait.node.root else { return nil }
      var status = stat()
      guard lstat("\(root.proxy)/\(wait.workload).yaml", &status) == 0 else { return nil }
      return Double(status.st_ctim.tv_sec) + Double(status.st_ctim.tv_nsec) / 1e9
    }
  }
}

extension ServingStep: Comparable {
  public static func < (left: ServingStep, right: ServingStep) -> Bool {
    allCases.firstIndex(of: left)! < allCases.firstIndex(of: right)!
  }
}
