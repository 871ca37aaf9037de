/// The challenges that are pending.
struct ChallengeRecords: Hashable, Sendable {
  /// What has to happen for the DNS to agree with the records.
  enum ServerAction: Hashable {
    /// A server has to run that answers with exactly these.
    case serve
    /// No server may run.
    case stop
  }

  /// How long a challenge may be pending, in seconds. Certificate authorities look within seconds; one this old was left
  /// behind by a client that died.
  static let lifetime = 3600

  /// With the time each was presented last, in seconds since 1970. In no order: ``challenges`` and all that is made of it are
  /// sorted by name and value, and not by that time.
  private(set) var presented: [Challenge: Int] = [:]

  init(presented: [Challenge: Int] = [:]) {
    self.presented = presented
  }

  var isEmpty: Bool { presented.isEmpty }

  /// Sorted, so that equal records make equal configurations.
  var challenges: [Challenge] { presented.keys.sorted() }

  var names: [ChallengeName] { Set(presented.keys.map(\.name)).sorted() }

  func values(of name: ChallengeName) -> [ChallengeValue] {
    challenges.filter { $0.name == name }.map(\.value)
  }

  func contains(_ name: ChallengeName) -> Bool { presented.keys.contains { $0.name == name } }

  var action: ServerAction { isEmpty ? .stop : .serve }

  mutating func present(_ challenge: Challenge, at now: Int) -> ServerAction {
    forget(olderThan: Self.lifetime, at: now)
    presented[challenge] = now
    return action
  }

  mutating func cleanUp(_ challenge: Challenge, at now: Int) -> ServerAction {
    forget(olderThan: Self.lifetime, at: now)
    presented[challenge] = nil
    return action
  }

  /// Also forgets those from a time that is yet to come: the clock was wrong then, and they would stay for as long.
  mutating func forget(olderThan lifetime: Int, at now: Int) {
    presented = presented.filter { abs(now - $0.value) <= lifetime }
  }
}
