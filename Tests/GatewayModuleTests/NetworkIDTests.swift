import Testing

@testable import GatewayModule

@Suite(.timeLimit(.minutes(3)))
struct NetworkIDTests {
  /// As nodes have them.
  @Test(arguments: [("37", "mynet", "VhXa1GWNNKDvv"), ("1976", "production", "Hd6wYMmroYeDg")])
  func isTheNodesOwn(user: String, name: String, id: String) throws {
    #expect(try NetworkID(name, of: user[...]).text == id)
  }
}
