extension Duration {
  /// How long a test waits for what is to come, before it says that it has not come: far longer than it takes on a busy
  /// machine. It costs nothing when the test passes.
  public static let patience = Duration.seconds(60)
}

/// Looks until what is seen satisfies `holds`, and returns it.
///
/// - Parameters:
///   - limit: how long to keep looking. Whatever a look takes, there is one after that.
///   - see: takes one look. An error it throws counts as not yet satisfied.
///   - holds: whether what was seen is what was waited for.
///   - file: where it is waited, for the error.
/// - Throws: ``FixtureError`` that says what was last seen, or `CancellationError`.
@discardableResult
public func eventually<Seen>(
  within limit: Duration = .patience, isolation: isolated (any Actor)? = #isolation,
  file: StaticString = #fileID, line: UInt = #line, _ see: () async throws -> Seen, until holds: (Seen) -> Bool
) async throws -> Seen {
  let deadline = ContinuousClock.now + limit
  var pause = Duration.milliseconds(2)
  while true {
    let start = ContinuousClock.now
    let last: String
    do {
      let seen = try await see()
      if holds(seen) { return seen }
      last = String(describing: seen)
    } catch let error as CancellationError {
      throw error
    } catch {
      last = String(describing: error)
    }
    guard start < deadline else {
      throw FixtureError("\(file):\(line): not so within \(limit); last seen: \(last)")
    }
    try await Task.sleep(for: pause)
    pause = min(pause * 2, .milliseconds(50))
  }
}

/// Looks until `condition` is true.
public func eventually(
  within limit: Duration = .patience, isolation: isolated (any Actor)? = #isolation, file: StaticString = #fileID,
  line: UInt = #line, _ condition: () async throws -> Bool
) async throws {
  try await eventually(within: limit, isolation: isolation, file: file, line: line, condition) { $0 }
}
