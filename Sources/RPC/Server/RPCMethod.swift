/// What an object offers: a ``RPCMethod`` or a ``RPCStream``.
public protocol ObjectMember: Sendable {}

/// Lists the members of an object; see ``RPCServer/register(_:members:)``.
@resultBuilder
public enum ObjectBuilder {
  /// The members, as they stand.
  public static func buildBlock(_ members: any ObjectMember...) -> [any ObjectMember] { members }
}

/// A typed function that callers reach by name.
///
/// Arguments are decoded by position, and the result is encoded as one value; a tuple's parts become an array of
/// values, and a method without a result answers with no bytes.
///
///     RPCMethod("Add") { (a: Double, b: Double) in a + b }
///     RPCMethod("AddSub") { (a: Double, b: Double) in (a + b, a - b) }
///     RPCMethod("Delete") { (workload: String) async throws in try await store.delete(workload) }
///
/// An error that the function throws is the caller's call error, with the error's description as its text; only a
/// ``ProtocolError`` is answered as one. The function begins on the server's event loop, in the order in which calls
/// were taken from their queue, and comes back there after its suspensions: one that computes for long or blocks a
/// thread belongs elsewhere, on an actor or behind `withTaskExecutorPreference(globalConcurrentExecutor)`.
public struct RPCMethod: ObjectMember {
  /// What callers write as `Method`; case matters.
  public let name: String
  /// How many arguments it takes.
  let arity: Int
  /// The result type's zero value, which goes with a call error; empty without a result.
  let zero: [UInt8]
  let invoke: @Sendable (_ inputs: [ArraySlice<UInt8>]) async -> Response.Outcome

  /// A method with one result.
  ///
  /// - Parameters:
  ///   - name: what callers write as `Method`.
  ///   - body: what it throws is the caller's error.
  public init<each Argument: Decodable & Sendable, Result: Codable & Sendable>(
    _ name: String, _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Result
  ) {
    self.init(name, zero: Self.zero(Result.self), body) { try MessagePackEncoder().encode($0) }
  }

  // Several results are spelled out, since the compiler (6.3) crashes on a closure whose result is a parameter pack.

  /// A method with two results.
  ///
  /// - Parameters:
  ///   - name: what callers write as `Method`.
  ///   - body: what it throws is the caller's error.
  public init<each Argument: Decodable & Sendable, A: Codable & Sendable, B: Codable & Sendable>(
    _ name: String, _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> (A, B)
  ) {
    self.init(name, zero: Self.zero(A.self, B.self), body) { try MessagePackEncoder().encode(tuple: ($0.0, $0.1)) }
  }

  /// A method with three results.
  ///
  /// - Parameters:
  ///   - name: what callers write as `Method`.
  ///   - body: what it throws is the caller's error.
  public init<
    each Argument: Decodable & Sendable, A: Codable & Sendable, B: Codable & Sendable, C: Codable & Sendable
  >(
    _ name: String, _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> (A, B, C)
  ) {
    self.init(name, zero: Self.zero(A.self, B.self, C.self), body) {
      try MessagePackEncoder().encode(tuple: ($0.0, $0.1, $0.2))
    }
  }

  /// A method without a result.
  ///
  /// - Parameters:
  ///   - name: what callers write as `Method`.
  ///   - body: what it throws is the caller's error.
  public init<each Argument: Decodable & Sendable>(
    _ name: String, _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Void
  ) {
    self.init(name, zero: [], body) { _ in [] }
  }

  private init<each Argument: Decodable & Sendable, Result>(
    _ name: String, zero: [UInt8],
    _ body: @escaping @Sendable @concurrent (repeat each Argument) async throws -> Result,
    encode: @escaping @Sendable (Result) throws -> [UInt8]
  ) {
    self.name = name
    self.zero = zero
    var arity = 0
    for _ in repeat (each Argument).self { arity += 1 }
    self.arity = arity
    invoke = { inputs in
      do {
        var arguments = Arguments(inputs)
        let decoded = (repeat try arguments.next((each Argument).self))
        return .result(try encode(try await body(repeat each decoded)))
      } catch let error as ProtocolError {
        return .protocolError(error.message)
      } catch {
        return .callError("\(error)", zero: zero)
      }
    }
  }

  /// The zero value of one result, or the array of those of several. A type that has none (an enum without an empty
  /// case, say) goes with nil, which Go callers decode as zero.
  private static func zero<each Result: Codable>(_ types: repeat (each Result).Type) -> [UInt8] {
    func bytes<Value: Codable>(_ type: Value.Type) -> [UInt8] {
      (try? MessagePackEncoder().encode(MessagePackDecoder().zero(type))) ?? [0xc0]
    }
    var values: [[UInt8]] = []
    for type in repeat each types { values.append(bytes(type)) }
    guard values.count > 1 else { return values.first ?? [] }
    var writer = MessagePackWriter()
    writer.writeArrayHead(values.count)
    return values.reduce(writer.bytes, +)
  }

  /// The arguments of one call, taken in turn.
  private struct Arguments {
    private let inputs: [ArraySlice<UInt8>]
    private var index = 0

    init(_ inputs: [ArraySlice<UInt8>]) {
      self.inputs = inputs
    }

    mutating func next<Argument: Decodable>(_ type: Argument.Type) throws -> Argument {
      defer { index += 1 }
      do {
        return try MessagePackDecoder().decode(type, from: inputs[index])
      } catch {
        throw ProtocolError("invalid argument type [\(index)] \(error)")
      }
    }
  }
}

/// A stream of events that an object publishes for as long as the server runs.
///
///     RPCStream("Ticks") { AsyncStream<Timestamp> { … } }
///
/// Each element is published as one MessagePack value; nobody has to listen. While the broker is away, elements are
/// dropped; one that is slow to take them is waited for. The sequence is iterated on the event loop that serves calls: what
/// takes long to make an element must do it elsewhere.
public struct RPCStream: ObjectMember {
  /// The last part of its channel's name.
  public let name: String
  let run: @Sendable (_ publish: @Sendable ([UInt8]) async -> Void) async throws -> Void

  /// - Parameters:
  ///   - name: the last part of its channel's name.
  ///   - elements: makes the sequence once, when the server starts.
  public init<Elements: AsyncSequence & Sendable>(_ name: String, _ elements: @escaping @Sendable () -> Elements)
  where Elements.Element: Encodable & Sendable {
    self.name = name
    run = { publish in
      for try await element in elements() { await publish(try MessagePackEncoder().encode(element)) }
    }
  }
}
