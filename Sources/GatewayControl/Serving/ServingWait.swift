import Files
public import GatewayModule
import Glibc
public import ProxyConfig

/// Waits until Traefik serves a route that was just set, and tells how far it has come.
public struct ServingWait: Sendable {
  /// One step that is over, or at which a route hangs.
  public struct Progress: Hashable, Sendable, Encodable {
    public enum Outcome: String, Hashable, Sendable, Encodable {
      case done
      /// Not over. When the time is, the route hangs there.
      case hangs
    }

    public let step: ServingStep
    public let outcome: Outcome
    /// Since the route was acknowledged, in seconds.
    public let seconds: Double
    /// Why it hangs, or what the world sees; empty where there is nothing to be said.
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

    init(time: Double, reloads: TraefikReloads?) {
      self.time = time
      self.reloads = reloads
    }

    /// Looks at a node.
    ///
    /// - Throws: ``NodeSettingsError`` when it cannot be known where Traefik listens.
    public init(_ settings: NodeSettings) async throws {
      let addresses = try settings.addresses()
      var now = timespec()
      clock_gettime(CLOCK_REALTIME_COARSE, &now)
      // Files get the time of the same clock, which stands still for some milliseconds.
      time = Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
      reloads = await ServingWait.reloads(at: addresses, of: settings, within: .seconds(1))
    }
  }

  /// From one look to the next.
  private static let interval = Duration.milliseconds(250)
  /// How long a look may take.
  private static let patience = Duration.seconds(5)

  private let workload: String
  private let domain: Domain
  private let passesTLSThrough: Bool
  private let settings: NodeSettings
  private let start: Start
  private let metrics: @Sendable () async throws -> Metrics

  /// - Parameters:
  ///   - start: from before the route was set.
  ///   - metrics: asks the gateway what Traefik counted.
  public init(
    workload: String, domain: Domain, passesTLSThrough: Bool, settings: NodeSettings, start: Start,
    metrics: @escaping @Sendable () async throws -> Metrics
  ) {
    self.workload = workload
    self.domain = domain
    self.passesTLSThrough = passesTLSThrough
    self.settings = settings
    self.start = start
    self.metrics = metrics
  }

  /// - Parameters:
  ///   - limit: how long to wait.
  ///   - report: takes each step when it is over, and again and again the one that is waited for.
  /// - Returns: the steps; when the last one hangs, the time was over.
  /// - Throws: ``NodeSettingsError`` when it cannot be known where to look.
  public func run(within limit: Duration, report: (Progress) throws -> Void) async throws -> [Progress] {
    let begin = ContinuousClock.now
    let addresses = try settings.addresses()
    var steps = ServingStep.steps(passesTLSThrough: passesTLSThrough)[...]
    var finished: [Progress] = []
    func progress(_ step: ServingStep, _ outcome: Progress.Outcome, _ finding: String = "") -> Progress {
      let seconds = begin.duration(to: .now) / .seconds(1)
      return Progress(step: step, outcome: outcome, seconds: (seconds * 10).rounded() / 10, finding: finding)
    }
    func finish(until next: ServingStep?, finding: String = "") throws {
      while let step = steps.first, step != next {
        steps.removeFirst()
        finished.append(progress(step, .done, steps.isEmpty ? finding : ""))
        try report(finished.last!)
      }
    }
    // The gateway acknowledges what is on disk.
    try finish(until: .traefik)
    var look = Look(wait: self, addresses: addresses)
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
        let hanging = progress(step, .hangs, reason)
        if begin.duration(to: .now) >= limit { return finished + [hanging] }
        try report(hanging)
      }
      try await Task.sleep(for: min(Self.interval, max(limit - begin.duration(to: .now), .milliseconds(1))))
    }
  }

  private static func reloads(
    at addresses: StaticConfiguration.Addresses, of settings: NodeSettings, within limit: Duration
  ) async -> TraefikReloads? {
    let scrape = TraefikScrape(address: addresses.metrics.local, namespace: settings.namespace)
    return (try? await scrape.reloads(within: limit)) ?? nil
  }

  /// Looks at Traefik, again and again.
  private struct Look {
    let wait: ServingWait
    let addresses: StaticConfiguration.Addresses
    /// What Traefik had counted for the workload the time before.
    var counted: Double?

    mutating func state(within limit: Duration) async throws -> ServingState {
      let namespace = wait.settings.namespace
      func strangersCertificate() async throws -> PeerCertificate? {
        // A name that nobody has, where a wildcard certificate for the domain would be for it too.
        let labels = wait.domain.rawValue.split(separator: ".").dropFirst().joined(separator: ".")
        let stranger = try Domain("no-route-\(UInt32.random(in: 0 ... .max)).\(labels)")
        return try await SiteRequest(stranger, at: addresses.https.local, in: namespace).send(within: limit).certificate
      }
      let before = wait.passesTLSThrough ? try await strangersCertificate() : nil
      let site = try await SiteRequest(wait.domain, at: addresses.https.local, in: namespace).send(within: limit)
      var sighting = ServingState.Sighting(site: site)
      sighting.start = wait.start
      sighting.reloads = await ServingWait.reloads(at: addresses, of: wait.settings, within: limit)
      sighting.fileChanged = fileChanged()
      if wait.passesTLSThrough {
        sighting.strangersCertificates = [before, try await strangersCertificate()]
      } else if site.response?.isTraefiksNotFound == true {
        sighting.hasTraffic = await hasTraffic()
      }
      return ServingState(sighting, domain: wait.domain, passesTLSThrough: wait.passesTLSThrough)
    }

    /// When the route's file got its name; nil when it cannot be seen.
    private func fileChanged() -> Double? {
      var status = stat()
      guard lstat("\(wait.settings.root.proxy)/\(wait.workload).yaml", &status) == 0 else { return nil }
      return Double(status.st_ctim.tv_sec) + Double(status.st_ctim.tv_nsec) / 1e9
    }

    /// Whether Traefik is known to have counted something for the workload since it was last asked.
    private mutating func hasTraffic() async -> Bool {
      guard let now = try? await wait.metrics().response[wait.workload] ?? 0 else { return false }
      defer { counted = now }
      return counted.map { now > $0 } ?? false
    }
  }
}

extension ServingStep: Comparable {
  public static func < (left: ServingStep, right: ServingStep) -> Bool {
    allCases.firstIndex(of: left)! < allCases.firstIndex(of: right)!
  }
}
