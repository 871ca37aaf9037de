import Glibc
public import Logging
public import Records
import Synchronization
import System

/// A running knotd, which is brought to serve what a ``ZoneTable`` says: after each change, and as a whole where it is not known
/// what it serves: at the start, after its own, and after somebody has changed what is ours.
///
/// What knotd serves beside the zones of the table is left alone: ours are those of the template ``KnotConfiguration/template``.
public final class KnotServer: Sendable {
  private struct Desired {
    var table = ZoneTable()
    /// Of the last attempt; nil when it was well.
    var problem: String?
    /// The data of CDS records (RFC 7344), which are what DS records at the parents of zones are to be; as they were last seen.
    var signers: [Domain: [String]] = [:]
  }

  /// What knotd is known to serve; of the worker's alone.
  private struct Served {
    /// Of the socket by which it was seen.
    var socket: FileStamp
    var serials: ZoneSerials
    var zones: [Domain: ServedZone] = [:]
    /// Those that are still to be loaded from files.
    var loading: Set<Domain> = []
    /// Why knotd refused what was last to be changed in a zone.
    var refusals: [Domain: String] = [:]
    /// The zones that somebody else may have changed: the next time all of them is looked at.
    var doubtful: Set<Domain> = []

    /// What has to be done to the zones.
    func changes(_ work: [Domain: ZoneTable.Work]) -> [Domain: ZoneChange] {
      var changes: [Domain: ZoneChange] = [:]
      for (domain, work) in work {
        guard let zone = work.zone, let served = zones[domain] else { continue }
        let change = ZoneChange(of: domain, from: served, to: zone, names: work.names, serials: serials)
        if !change.isEmpty { changes[domain] = change }
      }
      return changes
    }
  }

  struct ServedZone {
    /// Of its start of authority; nil where it has none yet.
    var authority: RecordData?
    var names: [String: NameContent] = [:]

    var serial: UInt32? { authority?.serial }
  }

  public let configuration: KnotConfiguration
  /// Where it is kept how far serials have come.
  private let serialsPath: String
  private let desired = Mutex(Desired())
  private let served = Mutex<Served?>(nil)
  /// Since when somebody keeps a change of ours from being made; nil for nobody. At the start that is a gateway that was killed.
  private let blocked = Mutex<ContinuousClock.Instant?>(.now - KnotServer.patience)
  /// How long an operator has to finish what they have begun in knotd.
  private static let patience = Duration.seconds(10)
  private let writer = GroupWriter<CheckedContinuation<Void, Never>?>("knot")
  /// Makes the directories that knotd needs.
  private let prepare: @Sendable () throws -> Void
  private let logger: Logger
  /// For each command.
  private static let timeout = Duration.seconds(30)

  private var socket: String { configuration.socket }

  /// - Parameters:
  ///   - configuration: what knotd was started with, or would be today.
  ///   - serials: the path of a file in which it is kept how far the serials of zones have come.
  ///   - prepare: makes the directories that knotd needs, where they are missing.
  public init(
    _ configuration: KnotConfiguration, serials: String, logger: Logger,
    prepare: @escaping @Sendable () throws -> Void = {}
  ) {
    self.configuration = configuration
    serialsPath = serials
    self.prepare = prepare
    self.logger = logger
  }

  /// Reads or changes what is to be served. What is changed is served after the next ``converge()``.
  public func withTable<Result>(_ body: (inout ZoneTable) -> Result) -> Result {
    desired.withLock { body(&$0.table) }
  }

  /// Has knotd serve what the table says, together with what others ask for meanwhile. Where it cannot now, it will by itself;
  /// ``problem`` says why.
  public func converge() async {
    await withCheckedContinuation { submit($0) }
  }

  /// The same, and nobody waits for it.
  public func convergeSoon() { submit(nil) }

  private func submit(_ continuation: CheckedContinuation<Void, Never>?) {
    writer.submit(continuation) { [self] group in
      convergeNow()
      for continuation in group { continuation?.resume() }
    }
  }

  /// The serial of each zone of ours that knotd serves (RFC 1982); none while it cannot be asked.
  public func serials() async -> [Domain: UInt32] {
    (try? await writer.run { [self] in
      try Self.readSerials(try KnotControl(socket, timeout: Self.timeout))
    }) ?? [:]
  }

  /// The data of the DS records that a zone's parent is to have; none where it is not signed, or not yet.
  public func delegationSigners(of domain: Domain) -> [String] {
    desired.withLock { $0.signers[domain] ?? [] }
  }

  /// Why zones were not served as they are to be when that was last tried; nil when they were.
  public var problem: String? { desired.withLock { $0.problem } }

  /// Keeps knotd as it is to be: after its start, and after somebody has changed what is ours. Ends when the task is cancelled.
  public func run() async {
    while !Task.isCancelled {
      await converge()
      try? await Task.sleep(for: .seconds(1))
    }
  }

  private func convergeNow() {
    let problem: String?
    let since = blocked.withLock { $0 }
    do {
      let refusals = try bringUpToDate(since).sorted { $0.key < $1.key }
      problem = refusals.first.map {
        "\($0.key): \($0.value)" + (refusals.count > 1 ? ", and \(refusals.count - 1) more" : "")
      }
    } catch {
      // What of it was done is not known.
      served.withLock { $0 = nil }
      if case .busy? = error as? KnotControl.ControlError { block(since) }
      problem = "\(error)"
    }
    let old = desired.withLock { desired in
      defer { desired.problem = problem }
      return desired.problem
    }
    if let problem, problem != old {
      logger.warning("zones are not served as they are to be", metadata: ["reason": "\(problem)"])
    } else if problem == nil, old != nil {
      logger.notice("zones are served as they are to be")
    }
  }

  private func block(_ since: ContinuousClock.Instant?) { blocked.withLock { $0 = since ?? .now } }

  /// - Returns: why zones could not be brought up to date that knotd refuses a change of, the others being so.
  private func bringUpToDate(_ since: ContinuousClock.Instant?) throws -> [Domain: String] {
    guard let stamp = (try? FileSystem.status(socket))?.stamp else {
      try prepare()
      throw KnotControl.ControlError.away("knotd is not running: there is no \(socket)")
    }
    var known = served.withLock { served in
      // Another socket is that of another knotd.
      let known = served?.socket == stamp ? served : nil
      served = nil
      return known
    }
    let isKnown = known != nil
    let doubtful = known.map { $0.doubtful.union($0.refusals.keys) } ?? []
    var work = desired.withLock { desired in
      for domain in doubtful { desired.table.doubt(domain) }
      return desired.table.takeWork(everything: !isKnown)
    }
    // Not on the path of a call.
    if !isKnown || work.isEmpty { try prepare() }
    if isKnown, work.isEmpty {
      // One that was killed leaves its socket.
      _ = try KnotControl(socket, timeout: Self.timeout)
      served.withLock { [known] in $0 = known }
      return [:]
    }
    blocked.withLock { $0 = nil }
    let takesOver = since.map { $0 + Self.patience <= .now } ?? false
    let control = try KnotControl(socket, timeout: Self.timeout, takesOver: takesOver)
    var state = try known ?? Served(socket: stamp, serials: ZoneSerials(path: serialsPath))
    known = nil
    state.doubtful = []
    if isKnown {
      if !doubtful.isEmpty {
        // Somebody may have taken some of them away.
        let names = try Self.readNames(control)
        for domain in state.zones.keys where !names.all.contains(domain) { state.zones[domain] = nil }
      }
      // What it was last seen with has another serial by now.
      for (domain, work) in work where work.names == nil && state.zones[domain] != nil {
        state.zones[domain] = try Self.read(domain, control)
      }
    } else {
      if try control.bringUpToDate(configuration.settings) {
        logger.warning("knotd takes its configuration in when it is started again")
      }
      try Self.read(control, &state)
      for domain in state.zones.keys where work[domain] == nil { work[domain] = ZoneTable.Work(zone: nil, names: nil) }
    }
    state.refusals = try arrange(control, &state, work)
    try write(control, &state, work, since)
    let signers = try Self.readSigners(control, work)
    if !signers.isEmpty { desired.withLock { $0.signers.merge(signers) { $1 } } }
    served.withLock { [state] in $0 = state }
    return state.refusals
  }

  // MARK: Reading

  /// The zones of ours that knotd has, with all that is in them.
  private static func read(_ control: borrowing KnotControl, _ state: inout Served) throws(KnotControl.ControlError) {
    let names = try readNames(control)
    state.loading = names.loading
    for domain in names.all { state.zones[domain] = try read(domain, control) }
  }

  /// The names of the zones of ours, and of those of them that are to be loaded from files.
  private static func readNames(
    _ control: borrowing KnotControl
  ) throws(KnotControl.ControlError) -> (all: Set<Domain>, loading: Set<Domain>) {
    var (all, loading): (Set<Domain>, Set<Domain>) = ([], [])
    try control.demand("conf-read", [.init(section: "zone", item: "template")]) { unit in
      guard let domain = unit.identifier.flatMap({ try? Domain($0) }) else { return }
      if unit.data == KnotConfiguration.loadTemplate { loading.insert(domain) }
      if unit.data == KnotConfiguration.template || loading.contains(domain) { all.insert(domain) }
    }
    return (all, loading)
  }

  /// All that is in a zone.
  private static func read(
    _ domain: Domain, _ control: borrowing KnotControl
  ) throws(KnotControl.ControlError) -> ServedZone {
    var zone = ServedZone()
    var text = ""
    let refused = try control.run("zone-read", [.init(zone: "\(domain).")]) { unit in
      guard let owner = unit.owner, let ttl = unit.ttl, let type = unit.type, let data = unit.data,
        !KnotConfiguration.signingTypes.contains(type)
      else { return }
      text += "\(owner) \(ttl) IN \(type) \(data)\n"
    }
    // A zone without records is none to knotd.
    guard refused.isEmpty else { return zone }
    do throws(ZoneText.ScanFault) {
      for record in try ZoneText.records(of: text) {
        if record.type == RecordData.authorityType {
          zone.authority = RecordData(wire: record.data, type: nil)
        } else {
          let type = RecordType.allCases.first { $0.code == record.type }
          zone.names[ZoneText.name(record.owner), default: NameContent()].insert(
            RecordData(wire: record.data, type: type), type: record.type, ttl: record.ttl)
        }
      }
    } catch {
      // It is written as a new one is, which knotd refuses, and that is told; the others go on.
      zone.names = [:]
    }
    return zone
  }

  private static func readSerials(
    _ control: borrowing KnotControl
  ) throws(KnotControl.ControlError) -> [Domain: UInt32] {
    var found: [Domain: UInt32] = [:]
    _ = try control.run("zone-status", [.init(filter: "s")]) { unit in
      guard let domain = unit.zone.flatMap({ try? Domain($0) }) else { return }
      found[domain] = unit.data.flatMap { UInt32($0) }
    }
    return found
  }

  // MARK: Writing

  /// Has knotd have the zones that it is to have, and no other of ours. Many new ones come with their records, from files.
  ///
  /// - Returns: why it does not take a zone.
  private func arrange(
    _ control: borrowing KnotControl, _ state: inout Served, _ work: [Domain: ZoneTable.Work]
  ) throws(KnotControl.ControlError) -> [Domain: String] {
    func zone(_ domain: Domain) -> KnotControl.Unit { .init(section: "zone", identifier: "\(domain).") }
    var wanted = Set(work.keys.filter { work[$0]?.zone != nil && state.zones[$0] == nil })
    let unwanted = work.keys.filter { work[$0]?.zone == nil && state.zones[$0] != nil }
    guard !wanted.isEmpty || !unwanted.isEmpty || !state.loading.isEmpty else { return [:] }
    let fromFiles = wanted.count >= Self.many
    if fromFiles { try writeFiles(of: wanted, &state, work) }
    var refusals: [Domain: String] = [:]
    try control.changeConfiguration { control throws(KnotControl.ControlError) in
      try control.demand("conf-unset", unwanted.map(zone))
      for refused in try control.runEach("conf-set", wanted.map(zone)) {
        // One that somebody else has made: it harms no other.
        guard let domain = refused.identifier.flatMap({ try? Domain($0) }), wanted.remove(domain) != nil else {
          throw .refused(command: "conf-set", reason: refused.error ?? "")
        }
        refusals[domain] = "knotd has a zone of that name that is not the gateway's"
      }
      let template = fromFiles ? KnotConfiguration.loadTemplate : KnotConfiguration.template
      try Self.setTemplate(template, of: wanted, control)
    }
    // What it remembers of a zone that it no longer has would be there again when the zone is.
    _ = try control.runEach("zone-purge", unwanted.map { .init(zone: "\($0).", filter: "o") }, flags: "F")
    for domain in unwanted { state.zones[domain] = nil }
    state.loading.subtract(unwanted)
    for domain in wanted { state.zones[domain] = ServedZone() }
    // What knotd has kept of a zone of that name, from before a gateway was killed, may be there again.
    state.doubtful.formUnion(wanted)
    if fromFiles { state.loading.formUnion(wanted) }
    let loaded = state.loading
    if !loaded.isEmpty {
      try awaitLoads(of: loaded, control, &state, work)
      state.doubtful.formUnion(loaded)
      // Not from the file again.
      try control.changeConfiguration { control throws(KnotControl.ControlError) in
        try Self.setTemplate(KnotConfiguration.template, of: loaded, control)
      }
      for domain in loaded { unlink(configuration.zoneFile(domain)) }
      state.loading = []
    }
    return refusals
  }

  private static func setTemplate(
    _ template: String, of domains: Set<Domain>, _ control: borrowing KnotControl
  ) throws(KnotControl.ControlError) {
    try control.demand(
      "conf-set", domains.map { .init(section: "zone", item: "template", identifier: "\($0).", data: template) })
  }

  /// From how many new zones on they come from files.
  private static let many = 8

  private func writeFiles(
    of domains: Set<Domain>, _ state: inout Served, _ work: [Domain: ZoneTable.Work]
  ) throws(KnotControl.ControlError) {
    do throws(FileError) {
      try state.serials.advance(domains.reduce(into: [:]) { $0[$1] = .some(nil) })
      for domain in domains {
        guard let zone = work[domain]?.zone else { continue }
        let bytes = zone.file(of: domain, serial: state.serials.first(of: domain))
        try FileSystem.write(bytes, to: configuration.zoneFile(domain), mode: 0o644)
      }
    } catch {
      throw .refused(command: "zone files", reason: "\(error)")
    }
  }

  /// Waits until zones are loaded from their files. One that is not in time is written as others are.
  private func awaitLoads(
    of domains: Set<Domain>, _ control: borrowing KnotControl, _ state: inout Served, _ work: [Domain: ZoneTable.Work]
  ) throws(KnotControl.ControlError) {
    var deadline = ContinuousClock.now + Self.timeout
    var loaded = 0
    while true {
      let serials = try Self.readSerials(control).filter { domains.contains($0.key) }
      // As long as it gets on with them.
      if serials.count > loaded { (loaded, deadline) = (serials.count, .now + Self.timeout) }
      if serials.count == domains.count || .now > deadline {
        for (domain, serial) in serials {
          guard let zone = work[domain]?.zone else { continue }
          state.zones[domain] = ServedZone(authority: zone.head.authority(domain, serial: serial), names: zone.names)
        }
        return
      }
      usleep(20_000)
    }
  }

  /// Has the zones have the records that they are to have, each in one step. A zone of which knotd refuses that stays as it was.
  private func write(
    _ control: borrowing KnotControl, _ state: inout Served, _ work: [Domain: ZoneTable.Work],
    _ since: ContinuousClock.Instant?
  ) throws(KnotControl.ControlError) {
    var changes = state.changes(work)
    if changes.isEmpty { return }
    do throws(FileError) {
      let zones = state.zones
      try state.serials.advance(changes.reduce(into: [:]) { $0[$1.key] = .some(zones[$1.key]?.serial) })
    } catch {
      throw .refused(command: "serial", reason: "\(error)")
    }
    do throws(KnotControl.ControlError) {
      try Self.commit(control, changes)
    } catch {
      if case .away = error { throw error }
      // Each by itself, then: one that is refused harms no other. Some have been changed, others by somebody else perhaps.
      for domain in changes.keys {
        state.zones[domain] = try Self.read(domain, control)
        changes[domain] = state.changes(work.filter { $0.key == domain })[domain]
        state.doubtful.insert(domain)
        guard let change = changes[domain] else { continue }
        do throws(KnotControl.ControlError) {
          try Self.commit(control, [domain: change])
        } catch {
          switch error {
          case .away: throw error
          case .busy: block(since)
          case .refused: break
          }
          state.refusals[domain] = "\(error)"
          changes[domain] = nil
        }
      }
    }
    for (domain, change) in changes {
      if let zone = work[domain]?.zone { change.note(in: &state.zones[domain, default: ServedZone()], zone) }
    }
  }

  private static func commit(
    _ control: borrowing KnotControl, _ changes: [Domain: ZoneChange]
  ) throws(KnotControl.ControlError) {
    let open: [KnotControl.Unit] = changes.keys.map { .init(zone: "\($0).") }
    if let refused = try control.run("zone-begin", open).first {
      // What a gateway left open when it was killed, or an operator has in hand.
      guard control.takesOver else {
        _ = try control.runEach("zone-abort", Array(open.prefix { $0.zone != refused.zone }))
        throw .busy(refused.zone ?? "a zone")
      }
      _ = try control.runEach("zone-abort", open)
      try control.demand("zone-begin", open)
    }
    do throws(KnotControl.ControlError) {
      try control.demand("zone-unset", changes.values.flatMap(\.removals))
      try control.demand("zone-set", changes.values.flatMap(\.additions))
      try control.demand("zone-commit", open)
    } catch {
      if case .refused = error { _ = try control.runEach("zone-abort", open) }
      throw error
    }
  }

  /// What the parents of those zones are to have that are new, or were not known; nothing of those that are no more.
  private static func readSigners(
    _ control: borrowing KnotControl, _ work: [Domain: ZoneTable.Work]
  ) throws(KnotControl.ControlError) -> [Domain: [String]] {
    var found: [Domain: [String]] = [:]
    for (domain, work) in work where work.names == nil {
      var signers: [String] = []
      if work.zone != nil {
        _ = try control.run("zone-read", [.init(zone: "\(domain).", owner: "\(domain).", type: "CDS")]) { unit in
          if unit.type == "CDS", let data = unit.data { signers.append(data) }
        }
      }
      found[domain] = signers
    }
    return found
  }
}
