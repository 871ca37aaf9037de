import Testing

@testable import RPC

@Suite(.timeLimit(.minutes(5)))
struct ObjectTableTests {
  private static let object = ObjectID("o", version: "1")
  private let table: ObjectTable

  init() {
    var table = ObjectTable()
    table.add(
      Self.object,
      [
        RPCMethod("Two") { (_: Int, _: Int) in },
        RPCMethod("Many") { (_: Int) in },
        RPCMethod("Many") { (_: Int, _: Int, _: Int, _: Int) in },
        RPCStream("Ticks") { AsyncStream<Int> { nil } },
      ])
    table.add(ObjectID("bare"), [RPCMethod("None") {}])
    self.table = table
  }

  @Test(arguments: [
    (object, "Two", 2), (object, "Many", 1), (object, "Many", 4), (ObjectID("bare"), "None", 0),
  ])
  func callFindsTheMethodWithItsNumberOfArguments(object: ObjectID, method: String, arguments: Int) throws {
    let found = try table.method(for: request(object, method, arguments))
    #expect(found.name == method && found.arity == arguments)
  }

  @Test(arguments: [
    (ObjectID("other", version: "1"), "Two", 2, "unknown object"),
    (ObjectID("o"), "Two", 2, "unknown object"), (ObjectID("o", version: "1.0"), "Two", 2, "unknown object"),
    (ObjectID(""), "", 0, "unknown object"), (.status, "", 0, "unknown object"),
    (object, "Three", 2, "not a function"), (object, "two", 2, "not a function"), (object, "", 0, "not a function"),
    (object, "Ticks", 0, "not a function"),
    (object, "Two", 0, "invalid number of arguments expecting 2 got 0"),
    (object, "Two", 3, "invalid number of arguments expecting 2 got 3"),
    (object, "Many", 0, "invalid number of arguments expecting 1 got 0"),
    (object, "Many", 2, "invalid number of arguments expecting 1 got 2"),
    (object, "Many", 3, "invalid number of arguments expecting 4 got 3"),
    (object, "Many", 9, "invalid number of arguments expecting 4 got 9"),
  ])
  func callThatFindsNoMethodSaysWhy(object: ObjectID, method: String, arguments: Int, why: String) throws {
    let request = try request(object, method, arguments)
    #expect(throws: ProtocolError(why)) { try table.method(for: request) }
  }

  @Test func objectsAndStreamsAreListedAsAdded() {
    #expect(table.ids == [Self.object, ObjectID("bare")])
    #expect(table.streams.map(\.object) == [Self.object] && table.streams.map(\.stream.name) == ["Ticks"])
  }

  @Test func keysOfAnObjectFollowItsName() {
    #expect(Self.object.queue(of: "module") == "module.o@1")
    #expect(ObjectID("bare").queue(of: "module") == "module.bare")
    #expect(Self.object.channel(of: "Ticks", module: "module") == "module.o@1.Ticks")
  }

  private func request(_ object: ObjectID, _ method: String, _ arguments: Int) throws -> Request {
    try Request(
      Request.encode(
        id: "id", inputs: Array(repeating: [0xc0], count: arguments), object: object, method: method, replyTo: "r"))
  }
}
