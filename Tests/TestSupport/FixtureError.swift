/// Why a fixture could not do what a test asked of it, with what its process last said.
public struct FixtureError: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) {
    self.description = description
  }
}
