/// The objects of a server, and which method a call is for.
struct ObjectTable {
  private(set) var ids: [ObjectID] = []
  private(set) var streams: [(object: ObjectID, stream: RPCStream)] = []
  private var methods: [ObjectID: [String: [RPCMethod]]] = [:]

  mutating func add(_ id: ObjectID, _ members: [any ObjectMember]) {
    precondition(methods[id] == nil && id != .status, "object \(id) is registered already")
    ids.append(id)
    methods[id] = [:]
    for member in members {
      switch member {
      case let method as RPCMethod:
        let overloads = methods[id]![method.name, default: []]
        precondition(
          !overloads.contains { $0.arity == method.arity },
          "\(id) has two methods \(method.name) with \(method.arity) arguments")
        methods[id]![method.name] = overloads + [method]
      case let stream as RPCStream:
        precondition(
          !streams.contains { $0.object == id && $0.stream.name == stream.name },
          "\(id) has two streams \(stream.name)")
        streams.append((id, stream))
      default: preconditionFailure("an object has methods and streams, not \(type(of: member))")
      }
    }
  }

  /// The method that `request` calls, or the protocol error that answers it.
  func method(for request: Request) throws(ProtocolError) -> RPCMethod {
    guard let object = methods[request.object] else { throw ProtocolError("unknown object") }
    guard let overloads = object[request.method] else { throw ProtocolError("not a function") }
    let count = request.inputs.count
    if let method = overloads.first(where: { $0.arity == count }) { return method }
    // The closest form is the one the caller most likely meant.
    let closest = overloads.map(\.arity).min { abs($0 - count) < abs($1 - count) } ?? 0
    throw ProtocolError("invalid number of arguments expecting \(closest) got \(count)")
  }
}
