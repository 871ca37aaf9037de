/// A call as it stands on a queue: `{ID, Inputs: [bin, …], Object: {Name, Version}, ReplyTo, Method}`.
///
/// What only travels on (the identifier, the reply address, the arguments) stays a slice of the payload.
struct Request {
  let id: ArraySlice<UInt8>
  /// The arguments, each of them MessagePack.
  let inputs: [ArraySlice<UInt8>]
  let object: ObjectID
  let method: String
  let replyTo: ReplyAddress

  /// The most bytes a request may have.
  static let maximumSize = 1 << 20

  /// Why a payload is not a request.
  enum Fault: Error {
    /// No answer can be sent: the payload names no list to send it to, or one that must not be used.
    case unanswerable(String)
    /// An answer can be sent, and this is what is wrong.
    case answerable(String, id: ArraySlice<UInt8>, replyTo: ReplyAddress)
  }

  /// Reads a payload. Unknown keys are ignored and missing ones are empty; a field that does not decode, or a payload
  /// that ends too early, is still answered when its reply address could be read.
  init(_ payload: [UInt8]) throws(Fault) {
    var id: ArraySlice<UInt8> = []
    var replyTo: ArraySlice<UInt8> = []
    var inputs: [ArraySlice<UInt8>] = []
    var object = ObjectID("")
    var method = ""
    var oversize = ""
    var fault: MessagePackError?
    do throws(MessagePackError) {
      try Self.forEachField(of: payload[...]) { (name, reader) throws(MessagePackError) in
        let start = reader
        do throws(MessagePackError) {
          switch name {
          case .id: id = try reader.readStringBytes()
          case .inputs: inputs = try Self.readInputs(&reader)
          case .object: object = try Self.readObject(&reader)
          case .replyTo: replyTo = try reader.readStringBytes()
          case .method: method = try reader.readString()
          case .oversize: oversize = try reader.readString()
          }
        } catch {
          fault = error
          reader = start
          try reader.skip()
        }
      }
    } catch {
      fault = error
    }

    let address: ReplyAddress
    do throws(ReplyAddress.Refused) {
      address = try ReplyAddress(replyTo)
    } catch {
      throw .unanswerable(fault.map(String.init(describing:)) ?? error.description)
    }
    if !oversize.isEmpty {
      throw .answerable(
        "request of \(oversize) bytes: at most \(Self.maximumSize) are taken", id: id, replyTo: address)
    }
    if let fault { throw .answerable("request does not decode: \(fault)", id: id, replyTo: address) }
    self.id = id
    self.inputs = inputs
    self.object = object
    self.method = method
    self.replyTo = address
  }

  /// The payload of a call by this library's client.
  static func encode(
    id: String, inputs: [[UInt8]], object: ObjectID, method: String, replyTo: String
  ) -> [UInt8] {
    var writer = MessagePackWriter(capacity: 192 + inputs.reduce(0) { $0 + $1.count })
    writer.writeMapHead(5)
    writer.write(key: "ID")
    writer.write(id)
    writer.write(key: "Inputs")
    writer.writeArrayHead(inputs.count)
    for input in inputs { writer.writeBinary(input) }
    writer.write(key: "Object")
    writer.writeMapHead(2)
    writer.write(key: "Name")
    writer.write(object.name)
    writer.write(key: "Version")
    writer.write(object.version)
    writer.write(key: "ReplyTo")
    writer.write(replyTo)
    writer.write(key: "Method")
    writer.write(method)
    return writer.bytes
  }

  /// The fields in the struct's order, which is how they stand when it arrives as an array, and what only stands in the
  /// remains of a request.
  private enum Field: CaseIterable {
    case id, inputs, object, replyTo, method, oversize

    init?(_ name: ArraySlice<UInt8>) {
      guard let field = Self.allCases.first(where: { name.isText($0.name) }) else { return nil }
      self = field
    }

    private var name: StaticString {
      switch self {
      case .id: "ID"
      case .inputs: "Inputs"
      case .object: "Object"
      case .replyTo: "ReplyTo"
      case .method: "Method"
      case .oversize: "Oversize"
      }
    }
  }

  private static func forEachField(
    of payload: ArraySlice<UInt8>,
    _ body: (Field, inout MessagePackReader) throws(MessagePackError) -> Void
  ) throws(MessagePackError) {
    var reader = MessagePackReader(payload)
    let head = try reader.readHead()
    switch head {
    case .map(let count):
      for _ in 0..<count {
        if let field = Field(try reader.readKey()) {
          try body(field, &reader)
        } else {
          try reader.skip(depth: 1)
        }
      }
    case .array(let count):
      for field in Field.allCases.dropLast().prefix(count) { try body(field, &reader) }
    default: throw MessagePackError(.mismatch(expected: "map", found: head.name))
    }
  }

  private static func readInputs(_ reader: inout MessagePackReader) throws(MessagePackError) -> [ArraySlice<UInt8>] {
    var inputs: [ArraySlice<UInt8>] = []
    for _ in 0..<(try reader.readArrayCount()) { inputs.append(try reader.readStringBytes()) }
    return inputs
  }

  private static func readObject(_ reader: inout MessagePackReader) throws(MessagePackError) -> ObjectID {
    var name = ""
    var version = ""
    let head = try reader.readHead()
    switch head {
    case .null: break
    case .map(let count):
      for _ in 0..<count {
        let key = try reader.readKey()
        if key.isText("Name") {
          name = try reader.readString()
        } else if key.isText("Version") {
          version = try reader.readString()
        } else {
          try reader.skip(depth: 2)
        }
      }
    case .array(let count):
      if count > 0 { name = try reader.readString() }
      if count > 1 { version = try reader.readString() }
      for _ in 0..<max(0, count - 2) { try reader.skip(depth: 2) }
    default: throw MessagePackError(.mismatch(expected: "map", found: head.name))
    }
    return ObjectID(name, version: version)
  }
}

extension ArraySlice<UInt8> {
  /// Whether these are the bytes of a text that the program knows.
  fileprivate func isText(_ text: StaticString) -> Bool {
    count == text.utf8CodeUnitCount && elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: count))
  }
}

/// The Redis list to which a reply goes. It is a caller's word, and only ever used as a list's key.
struct ReplyAddress: Hashable {
  /// The longest address, in bytes.
  static let maximumLength = 256

  let key: ArraySlice<UInt8>

  struct Refused: Error, CustomStringConvertible {
    let description: String
  }

  /// What stands in the names of a module's own keys: its list of requests in flight, and what goes with it.
  static let inFlightMark = ".in-flight"

  /// Refuses what must not be pushed to: an empty key, one of more than ``maximumLength`` bytes, one of the form
  /// `*.*@*`, since that is how the queues of modules are called, and a module's own keys, such as its list of requests
  /// in flight, which would expire as a reply does.
  init(_ key: ArraySlice<UInt8>) throws(Refused) {
    if key.isEmpty { throw Refused(description: "it names no list to reply to") }
    if key.count > Self.maximumLength {
      throw Refused(description: "its reply address has \(key.count) bytes, more than \(Self.maximumLength)")
    }
    // Both have a dot, which an address that a caller has drawn at random has not.
    if let dot = key.firstIndex(of: UInt8(ascii: ".")) {
      if key[dot...].contains(UInt8(ascii: "@")) {
        throw Refused(description: "its reply address has the form of a module's queue")
      }
      if key[dot...].firstRange(of: Self.inFlightMark.utf8) != nil {
        throw Refused(description: "its reply address is one of a module's own keys")
      }
    }
    self.key = key
  }
}
