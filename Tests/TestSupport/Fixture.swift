/// Something a test starts and must stop: a process, and what belongs to it.
///
/// Every fixture is used through a `with…` function of its own, which starts it, waits until it answers, hands it to a
/// closure and stops it when the closure is left by whatever way.
protocol Fixture: Sendable {
  func stop() async
}

/// Runs `body` with `fixture`, then stops it.
@discardableResult
func using<Value: Fixture, Result>(
  _ fixture: Value, isolation: isolated (any Actor)? = #isolation,
  _ body: (Value) async throws -> Result
) async throws -> Result {
  let result: Result
  do {
    result = try await body(fixture)
  } catch {
    await fixture.stop()
    throw error
  }
  await fixture.stop()
  return result
}
