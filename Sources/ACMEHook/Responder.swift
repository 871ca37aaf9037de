import Glibc
import ProxyConfig
public import Records
import System

/// Answers DNS-01 challenges on this node: what `acme-hook` does, each time in a process of its own.
///
/// Hooks take turns, also with the gateway's ``recover(in:now:report:)``.
public struct Responder {
  private let directory: StateDirectory
  private let server: DnsmasqServer
  private let report: (String) -> Void

  /// How long until a challenge is answered, or counts as failed.
  private static let limit = Duration.seconds(5)
  /// How long until knotd answers it, which the gateway tells: also one that is just being started again.
  private static let knotLimit = Duration.seconds(30)
  /// How long to wait for other hooks, each of which takes its own ``limit`` at most and much less when all is well.
  private static let turnLimit = Duration.seconds(60)

  /// - Parameters:
  ///   - root: the module's directory, in which the gateway has put a ``ChallengeZone``.
  ///   - report: takes one line about something that is not as it should be and did not keep this from going on.
  public init(root: GatewayRoot, report: @escaping (String) -> Void) {
    directory = StateDirectory(root: root)
    server = DnsmasqServer(directory: directory)
    self.report = report
  }

  /// Has a challenge answered: returns when the name server does, at every address.
  ///
  /// - Throws: ``InvalidChallenge`` when it is none, or not this node's, with nothing changed; another error when it could
  ///   not be answered, and then it is not pending either.
  public func present(name: String, value: String) throws {
    let challenge = try Challenge(name: name, value: value)
    let zone = try ChallengeZone.read(from: directory.root)
    try permit(challenge.name, in: zone)
    try takingTurn { now in
      var records = try ChallengeRecords.read(from: directory, report: report)
      let action = records.present(challenge, at: now)
      try records.write(to: directory)
      do {
        try carryOut(action, records, in: zone)
      } catch {
        // The others' server, if there are any others; what keeps that from starting has just been said.
        let action = records.cleanUp(challenge, at: now)
        try? records.write(to: directory)
        try? carryOut(action, records, in: zone, waits: false)
        throw error
      }
    }
  }

  /// Ends a challenge; one that is not pending is fine. Returns when the name server has taken that in, or has ended; where that is
  /// knotd, at once.
  ///
  /// - Throws: ``InvalidChallenge`` when it is none, or not this node's, with nothing changed; another error when the name
  ///   server is not as it should be.
  public func cleanUp(name: String, value: String) throws {
    let challenge = try Challenge(name: name, value: value)
    let zone = try ChallengeZone.read(from: directory.root)
    try takingTurn { now in
      var records = try ChallengeRecords.read(from: directory, report: report)
      // The route it was for may have gone since.
      if !records.contains(challenge.name) { try permit(challenge.name, in: zone) }
      let action = records.cleanUp(challenge, at: now)
      try records.write(to: directory)
      try carryOut(action, records, in: zone)
    }
  }

  /// Tidies up after clients that died: forgets challenges that are older than an hour, or from before this machine was
  /// started, and stops the name server when no other is pending. For the gateway, at its start and once in a while.
  ///
  /// Waits for hooks that are at work; this blocks the thread.
  ///
  /// - Parameters:
  ///   - now: seconds since 1970.
  ///   - isCancelled: whether to wait no longer. Then nothing is done, and this throws.
  public static func recover(
    in root: GatewayRoot, now: Int, isCancelled: () -> Bool = { false }, report: @escaping (String) -> Void
  ) throws {
    let responder = Responder(root: root, report: report)
    try root.preparePrivate(root.acme)
    try responder.takingTurn(unless: isCancelled) { _ in
      let before = try ChallengeRecords.read(from: responder.directory, report: report)
      var records = before
      records.forget(olderThan: ChallengeRecords.lifetime, at: now)
      if records != before { try records.write(to: responder.directory) }
      // With others pending it stays as it is: it may be in another network namespace, where only a hook sees whether
      // it answers.
      if records.action == .stop { try responder.server.stop() }
    }
  }

  /// - Parameter body: takes the time, in seconds since 1970.
  private func takingTurn(unless isCancelled: () -> Bool = { false }, _ body: (Int) throws -> Void) throws {
    let turn: FileLock
    do throws(FileError) {
      turn = try FileLock.wait(directory.lock, until: .now + Self.turnLimit, isCancelled: isCancelled)
    } catch {
      guard error.code == EWOULDBLOCK else { throw error }
      throw HookError("another hook holds \(error.path), and has not ended within \(Self.turnLimit)")
    }
    try withExtendedLifetime(turn) { try body(time(nil)) }
  }

  /// A challenge is this node's when it is for its domain or one inside it, or for a domain that is routed here now.
  private func permit(_ name: ChallengeName, in zone: ChallengeZone) throws {
    if let domain = zone.domain, name.domain.isInside(domain) { return }
    guard try directory.root.routes(name.domain) else {
      let domain = zone.domain.map { "inside \($0)" } ?? "the node's domain"
      throw InvalidChallenge("not this node's to answer: \(name.domain) is neither \(domain) nor an FQDN routed here")
    }
  }

  private func carryOut(
    _ action: ChallengeRecords.ServerAction, _ records: ChallengeRecords, in zone: ChallengeZone, waits: Bool = true
  ) throws {
    if !zone.knot.isEmpty {
      // One port 53, one server.
      try server.stop()
      if waits, action == .serve { try awaitKnot(records, in: zone) }
      return
    }
    switch action {
    case .stop: try server.stop()
    case .serve: try serve(records, in: zone, waits: waits)
    }
  }

  /// The gateway has seen the records change, and tells knotd.
  private func awaitKnot(_ records: ChallengeRecords, in zone: ChallengeZone) throws {
    let deadline = ContinuousClock.now + Self.knotLimit
    for server in zone.knot {
      let expectation = Expectation(addresses: [server.address], port: server.port, records: records)
      guard let shortfall = expectation.shortfall(at: deadline, of: nil) else { continue }
      throw HookError(
        "knotd, to which the gateway says what to answer, does not, or one of them is not running: \(shortfall)")
    }
  }

  /// The values that are pending, by name.
  public static func pending(in root: GatewayRoot) throws -> [Domain: [String]] {
    let records = try ChallengeRecords.read(from: StateDirectory(root: root)) { _ in }
    return Dictionary(
      uniqueKeysWithValues: records.names.map { ($0.name, records.values(of: $0).map(\.rawValue)) })
  }

  private func serve(_ records: ChallengeRecords, in zone: ChallengeZone, waits: Bool) throws {
    let deadline = ContinuousClock.now + Self.limit
    let addresses = try listening(zone)
    let configuration = DnsmasqConfiguration(
      addresses: addresses, port: zone.port, user: try .forServer, zone: zone, records: records
    ).encoded()
    let expectation = Expectation(addresses: addresses, port: zone.port, records: records)
    if server.runs(with: configuration), expectation.shortfall(at: .now + .seconds(1), of: nil) == nil { return }

    let process = try server.restart(configuration, listeningOn: addresses.map { Port(address: $0, number: zone.port) })
    guard waits, let shortfall = expectation.shortfall(at: deadline, of: process) else { return }
    let words = process.end.map { "dnsmasq ended with \($0): \(server.lastWords ?? "it did not say why")" }
    process.kill()
    throw HookError(words ?? shortfall)
  }

  /// Where to listen. An address that has been taken from the machine does not keep the others from being asked.
  private func listening(_ zone: ChallengeZone) throws -> [IPAddress] {
    let local = zone.addresses.filter(Port.isLocal)
    let others = zone.addresses.filter { !local.contains($0) }.map { "\($0)" }.joined(separator: ", ")
    if zone.addresses.isEmpty { throw HookError("the node has no public address at which to answer") }
    if local.isEmpty { throw HookError("none of the node's public addresses is one of this machine's: \(others)") }
    if !others.isEmpty { report("not one of this machine's addresses, and not listened on: \(others)") }
    return local
  }
}

extension GatewayRoot {
  /// Whether there is a route for `domain` now: looked up in the route files themselves, as it is rarely asked.
  fileprivate func routes(_ domain: Domain) throws(FileError) -> Bool {
    let names: [String]
    do throws(FileError) {
      names = try FileSystem.names(in: proxy)
    } catch {
      guard error.code == ENOENT else { throw error }
      return false
    }
    return names.contains { name in
      guard let bytes = try? FileSystem.read("\(proxy)/\(name)", limit: RouteFile.maximumSize).bytes,
        case .route(let route, _, _) = RouteFile.read(bytes.span, name: name)
      else { return false }
      return route.domain == domain
    }
  }
}
