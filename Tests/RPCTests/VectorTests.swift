import Testing

@testable import RPC

/// What the reference implementation writes is read here, and what is written here is what it would write.
@Suite(.timeLimit(.minutes(5)))
struct VectorTests {
  static let id = "5ef3a1e0-0b5c-4a54-9d1a-0c8d6f0e7b11"
  static let manager = ObjectID("manager", version: "0.0.1")

  @Test func everyVectorBelongsToOneOfTheseTests() {
    let tested =
      Set(Self.requests.map { "request/\($0.name)" }) + Self.responses.map { "response/\($0.name)" }
      + ["value/PublicConfig", "value/Status", "value/time-seconds", "value/scalars"]
    #expect(Set(Vector.all.map(\.name)) == Set(tested))
    #expect(Vector.all.count == 34)
  }

  // MARK: Requests

  struct RequestCase: Sendable, CustomTestStringConvertible {
    let name: String
    let method: String
    var object = manager
    /// The arguments, as they would be encoded here; nil for one that Go writes in a way this library does not.
    let arguments: [[UInt8]?]
    var testDescription: String { name }

    init(_ name: String, method: String? = nil, object: ObjectID = manager, _ arguments: [UInt8]?...) {
      self.name = name
      self.method = method ?? name
      self.object = object
      self.arguments = arguments
    }
  }

  static let requests = [
    RequestCase(
      "SetNamedProxy", encoded("37-2039-testname"),
      encoded(NamedProxy(tlsPassthrough: false, backends: ["http://10.1.2.3:9000"], network: nil, name: "workloadname"))
    ),
    RequestCase(
      "SetNamedProxy-network", method: "SetNamedProxy", encoded("37-2039-testname"),
      encoded(
        NamedProxy(
          tlsPassthrough: true, backends: ["10.1.2.3:443", "[2001:db8::1]:443"], network: "mynet", name: "workloadname")
      )),
    RequestCase(
      "SetFQDNProxy", encoded("37-2039-testname"),
      encoded(
        FQDNProxy(
          tlsPassthrough: true, backends: ["137.184.106.152:443"], network: nil, fqdn: "remote.omar.grid.tf"))),
    RequestCase(
      "SetNamedProxy-positional", method: "SetNamedProxy", encoded("37-2039-testname"), encoded("workloadname"),
      encoded(["http://10.1.2.3:9000"]), encoded(false)),
    RequestCase(
      "SetFQDNProxy-positional", method: "SetFQDNProxy", encoded("37-2039-testname"), encoded("remote.omar.grid.tf"),
      encoded(["137.184.106.152:443"]), encoded(true)),
    RequestCase("DeleteNamedProxy", encoded("37-2039-testname")),
    RequestCase("Metrics"),
    RequestCase("NoSuchMethod"),
    RequestCase("TooFewArguments", method: "SetNamedProxy", encoded("37-2039-testname")),
    RequestCase("WrongArgumentType", method: "DeleteNamedProxy", encoded(12)),
    // An empty array is nil in Go.
    RequestCase("SetNamedProxy-fails", method: "SetNamedProxy", encoded("37-2039-testname"), nil),
    RequestCase("Metrics-fails", method: "Metrics"),
    RequestCase("Tuple"),
    RequestCase("AddSub", encoded(3.0), encoded(1.0)),
    RequestCase("Status", method: "", object: .status),
  ]

  @Test(arguments: requests) func requestDecodes(expected: RequestCase) throws {
    let request = try Request(Vector.bytes("request/\(expected.name)"))
    #expect(request.id.elementsEqual(Self.id.utf8))
    #expect(request.replyTo.key.elementsEqual(Self.id.utf8))
    #expect(request.object == expected.object)
    #expect(request.method == expected.method)
    #expect(request.inputs.count == expected.arguments.count)
    for (input, argument) in zip(request.inputs, expected.arguments) where argument != nil {
      #expect(Array(input) == argument)
    }
  }

  @Test(arguments: requests) func requestEncodedHereHasTheSameBytes(expected: RequestCase) throws {
    let bytes = try Vector.bytes("request/\(expected.name)")
    let inputs = try Request(bytes).inputs
    let arguments = zip(expected.arguments, inputs).map { $0 ?? Array($1) }
    let encoded = Request.encode(
      id: Self.id, inputs: arguments, object: expected.object, method: expected.method, replyTo: Self.id)
    #expect(encoded == bytes)
  }

  @Test func nilArrayInAnArgumentReadsAsNoElements() throws {
    let request = try Request(Vector.bytes("request/SetNamedProxy-fails"))
    let proxy = try MessagePackDecoder().decode(NamedProxy.self, from: request.inputs[1])
    #expect(proxy == NamedProxy(tlsPassthrough: false, backends: [], network: nil, name: "workloadname"))
  }

  // MARK: Responses

  struct ResponseCase: Sendable, CustomTestStringConvertible {
    let name: String
    /// What the method that the request of the same name calls does.
    let method: RPCMethod?
    let outcome: Response.Outcome
    /// How the bytes written here differ from the reference's.
    var difference: Difference = .none
    var testDescription: String { name }

    init(_ name: String, _ method: RPCMethod?, _ outcome: Response.Outcome, _ difference: Difference = .none) {
      self.name = name
      self.method = method
      self.outcome = outcome
      self.difference = difference
    }
  }

  enum Difference: Sendable {
    case none
    /// No data is an empty binary here and nil there; the Rust callers need it so.
    case emptyBinary
    /// The zero value of a map is an empty one here and nil there.
    case emptyMaps
    /// The text says here what was found too.
    case longerText(String)
  }

  private static let noFunction = "invalid number of arguments expecting 2 got"

  static let responses = [
    ResponseCase("SetNamedProxy", setNamed, .result(encoded("workloadname.gent01.dev.grid.tf"))),
    ResponseCase("SetNamedProxy-network", setNamed, .result(encoded("workloadname.gent01.dev.grid.tf"))),
    ResponseCase(
      "SetFQDNProxy",
      RPCMethod("SetFQDNProxy") { (_: String, proxy: FQDNProxy) throws in
        throw CallError("domain already registered: \(proxy.fqdn)")
      },
      .callError("domain already registered: remote.omar.grid.tf", zero: []), .emptyBinary),
    ResponseCase(
      "SetNamedProxy-positional", setNamed, .protocolError("\(noFunction) 4"), .emptyBinary),
    ResponseCase(
      "SetFQDNProxy-positional", RPCMethod("SetFQDNProxy") { (_: String, _: FQDNProxy) in },
      .protocolError("\(noFunction) 4"), .emptyBinary),
    ResponseCase("DeleteNamedProxy", RPCMethod("DeleteNamedProxy") { (_: String) in }, .result([]), .emptyBinary),
    ResponseCase(
      "Metrics",
      RPCMethod("Metrics") {
        Metrics(request: ["37-2039-testname": 230], response: ["37-2039-testname": 1798])
      },
      .result(encoded(Metrics(request: ["37-2039-testname": 230], response: ["37-2039-testname": 1798])))),
    ResponseCase("NoSuchMethod", setNamed, .protocolError("not a function"), .emptyBinary),
    ResponseCase("TooFewArguments", setNamed, .protocolError("\(noFunction) 1"), .emptyBinary),
    ResponseCase(
      "WrongArgumentType", RPCMethod("DeleteNamedProxy") { (_: String) in },
      .protocolError("invalid argument type [0] expecting string got"), .longerText(" integer")),
    ResponseCase(
      "SetNamedProxy-fails",
      RPCMethod("SetNamedProxy") { (_: String, proxy: NamedProxy) throws -> String in
        throw CallError("at least one backend is needed got '\(proxy.backends.count)'")
      },
      .callError("at least one backend is needed got '0'", zero: hex("a0"))),
    ResponseCase(
      "Metrics-fails", RPCMethod("Metrics") { () throws -> Metrics in throw CallError("failed to get metrics") },
      .callError("failed to get metrics", zero: hex("82 a752657175657374 c0 a8526573706f6e7365 c0")), .emptyMaps),
    ResponseCase(
      "Tuple", RPCMethod("Tuple") { (10, "hello world", 0.5) },
      .result(hex("93 d3000000000000000a") + encoded("hello world") + encoded(0.5))),
    ResponseCase(
      "AddSub", RPCMethod("AddSub") { (a: Double, b: Double) in (a + b, a - b) },
      .result(hex("92") + encoded(4.0) + encoded(2.0))),
    ResponseCase("GetPublicConfig", nil, .result(encoded(PublicConfig.example))),
  ]

  static let setNamed = RPCMethod("SetNamedProxy") { (_: String, proxy: NamedProxy) in
    "\(proxy.name).gent01.dev.grid.tf"
  }

  @Test(arguments: responses) func responseDecodes(expected: ResponseCase) throws {
    let response = try Response(Vector.bytes("response/\(expected.name)"))
    #expect(response.id == Self.id)
    #expect(response.outcome == expected.outcome)
  }

  @Test(arguments: responses) func sameOutcomeIsAnsweredWithTheSameBytes(expected: ResponseCase) async throws {
    let bytes = try Vector.bytes("response/\(expected.name)")
    let answer = Response.encode(id: Array(Self.id.utf8)[...], try await outcome(expected))
    switch expected.difference {
    case .none: #expect(answer == bytes)
    case .emptyBinary:
      let data = "a4" + Array("Data".utf8).hex
      #expect(bytes.hex.contains(data + "c0"))
      #expect(answer.hex == bytes.hex.replacing(data + "c0", with: data + "c400"))
    case .emptyMaps:
      let (request, response) = (encoded("Request").hex, encoded("Response").hex)
      #expect(bytes.hex.contains("\(request)c0\(response)c0"))
      #expect(answer.hex == bytes.hex.replacing("\(request)c0\(response)c0", with: "\(request)80\(response)80"))
    case .longerText(let addition):
      guard case .protocolError(let text) = try Response(answer).outcome else { throw CallError("no protocol error") }
      #expect(.protocolError(String(text.dropLast(addition.count))) == expected.outcome)
      #expect(text.hasSuffix(addition))
    }
  }

  /// What comes of the request of the same name.
  private func outcome(_ expected: ResponseCase) async throws -> Response.Outcome {
    guard let method = expected.method else { return expected.outcome }
    let request = try Request(Vector.bytes("request/\(expected.name)"))
    var objects = ObjectTable()
    objects.add(Self.manager, [method])
    do {
      return try await objects.method(for: request).invoke(request.inputs)
    } catch {
      return .protocolError("\(error)")
    }
  }

  // MARK: Values

  @Test func publicConfigRoundTrips() throws {
    let bytes = try Vector.bytes("value/PublicConfig")
    #expect(try MessagePackDecoder().decode(PublicConfig.self, from: bytes) == .example)
    #expect(try MessagePackEncoder().encode(PublicConfig.example) == bytes)
  }

  @Test func statusRoundTrips() throws {
    let bytes = try Vector.bytes("value/Status")
    let status = ModuleStatus(
      objects: [Self.manager],
      workers: [
        .init(state: .free, startTime: Timestamp(seconds: 1_700_000_000, nanoseconds: 123_456_789)),
        .init(
          state: .busy, startTime: Timestamp(seconds: 1_700_000_000), action: "[manager@0.0.1].SetNamedProxy()"),
      ])
    #expect(try MessagePackDecoder().decode(ModuleStatus.self, from: bytes) == status)
    #expect(try MessagePackEncoder().encode(status) == bytes)
  }

  @Test func timeRoundTrips() throws {
    let bytes = try Vector.bytes("value/time-seconds")
    let time = Timestamp(seconds: 1_700_000_000)
    #expect(try MessagePackDecoder().decode(Timestamp.self, from: bytes) == time)
    #expect(try MessagePackEncoder().encode(time) == bytes)
  }

  @Test func scalarsRoundTrip() throws {
    let bytes = try Vector.bytes("value/scalars")
    let scalars = try MessagePackDecoder().decode(Scalars.self, from: bytes)
    #expect(scalars == Scalars())
    #expect(try MessagePackEncoder().encode(scalars) == bytes)
  }
}

private struct NamedProxy: Codable, Hashable {
  let tlsPassthrough: Bool
  let backends: [String]
  let network: String?
  let name: String

  enum CodingKeys: String, CodingKey {
    case tlsPassthrough = "TLSPassthrough"
    case backends = "Backends"
    case network = "Network"
    case name = "Name"
  }
}

private struct FQDNProxy: Codable, Hashable {
  let tlsPassthrough: Bool
  let backends: [String]
  let network: String?
  let fqdn: String

  enum CodingKeys: String, CodingKey {
    case tlsPassthrough = "TLSPassthrough"
    case backends = "Backends"
    case network = "Network"
    case fqdn = "FQDN"
  }
}

private struct Metrics: Codable {
  let request: [String: Double]
  let response: [String: Double]

  enum CodingKeys: String, CodingKey {
    case request = "Request"
    case response = "Response"
  }
}

private struct PublicConfig: Codable, Hashable {
  struct Network: Codable, Hashable {
    let address: Binary
    let mask: Binary

    enum CodingKeys: String, CodingKey {
      case address = "IP"
      case mask = "Mask"
    }
  }

  let type: String
  let ipv4: Network
  let ipv6: Network
  let gateway4: Binary
  let gateway6: Binary?
  let domain: String

  enum CodingKeys: String, CodingKey {
    case type = "Type"
    case ipv4 = "IPv4"
    case ipv6 = "IPv6"
    case gateway4 = "GW4"
    case gateway6 = "GW6"
    case domain = "Domain"
  }

  static let example = PublicConfig(
    type: "macvlan",
    ipv4: Network(
      address: Binary(hex("00000000 00000000 0000ffff b9ce7a21")), mask: Binary([255, 255, 255, 0])),
    ipv6: Network(
      address: Binary(hex("2a10b600 00010000 0000 0cc4 7a30 65b5")),
      mask: Binary(hex("ffffffff ffffffff 00000000 00000000"))),
    gateway4: Binary(hex("00000000 00000000 0000ffff b9ce7a01")), gateway6: nil, domain: "gent01.dev.grid.tf")
}

/// One of each type, in the order of the vector.
private struct Scalars: Codable, Hashable {
  var int = 1
  var uint: UInt = 1
  var negative = -5
  var double = 1.5
  var float: Float = 1.5
  var bool = true
  var absent: String?
  var string = "x"
  var binary = Binary([0x78])
  var byte: UInt8 = 200
  var word: UInt32 = 70_000
  var long: Int64 = 1 << 40

  init() {}

  init(from decoder: any Decoder) throws {
    var values = try decoder.unkeyedContainer()
    int = try values.decode(Int.self)
    uint = try values.decode(UInt.self)
    negative = try values.decode(Int.self)
    double = try values.decode(Double.self)
    float = try values.decode(Float.self)
    bool = try values.decode(Bool.self)
    absent = try values.decode(String?.self)
    string = try values.decode(String.self)
    binary = try values.decode(Binary.self)
    byte = try values.decode(UInt8.self)
    word = try values.decode(UInt32.self)
    long = try values.decode(Int64.self)
    guard values.isAtEnd else { throw CallError("more values than expected") }
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.unkeyedContainer()
    try values.encode(int)
    try values.encode(uint)
    try values.encode(negative)
    try values.encode(double)
    try values.encode(float)
    try values.encode(bool)
    try values.encode(absent)
    try values.encode(string)
    try values.encode(binary)
    try values.encode(byte)
    try values.encode(word)
    try values.encode(long)
  }
}
