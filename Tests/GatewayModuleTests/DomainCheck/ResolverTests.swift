import Foundation
import ProxyConfig
import System
import TestSupport
import Testing

@testable import GatewayModule

@Suite(.timeLimit(.minutes(5))) struct ResolverTests {
  private static let records: [Dnsmasq.Record] = [
    .address("a.example.com", "192.0.2.1"), .address("aaaa.example.com", "2001:db8::1"),
    .address("both.example.com", "192.0.2.1"), .address("both.example.com", "2001:db8::1"),
    .address("many.example.com", "192.0.2.1"), .address("many.example.com", "192.0.2.2"),
    .alias("alias.example.com", to: "alias2.example.com"), .alias("alias2.example.com", to: "both.example.com"),
    .address("below.empty.example.com", "192.0.2.1"),
    .failing("failing.example.com"), .silent("silent.example.com"),
  ]

  private static func resolver(_ address: String, limit: Duration = .seconds(5)) throws -> Resolver {
    try Resolver(at: Endpoint(address), limit: limit)
  }

  @Test func bothKindsOfAddressesAreFound() async throws {
    try await Dnsmasq.withServer(Self.records) { server in
      let resolver = try Self.resolver(server.address)
      let cases = [
        ("a.example.com", ["192.0.2.1"]), ("aaaa.example.com", ["2001:db8::1"]),
        ("both.example.com", ["192.0.2.1", "2001:db8::1"]), ("alias.example.com", ["192.0.2.1", "2001:db8::1"]),
        ("MANY.example.com.", ["192.0.2.1", "192.0.2.2"]),
      ]
      for (name, addresses) in cases {
        let domain = try Domain(name)
        let found = try await resolver.addresses(of: domain)
        #expect(found.domain == domain && found.missing == nil)
        #expect(found.addresses.map(\.description).sorted() == addresses)
      }
    }
  }

  @Test func everyFailureIsToldApart() async throws {
    try await Dnsmasq.withServer(Self.records) { server in
      let limit = Duration.milliseconds(700)
      let cases: [(String, LookupError.Reason, String)] = [
        ("missing.example.com", .noSuchDomain, "there is no such domain (NXDOMAIN)"),
        ("empty.example.com", .noAddresses, "it has no A or AAAA records"),
        ("failing.example.com", .serverFailure, "the resolver could not find out (SERVFAIL)"),
        ("silent.example.com", .silence(limit), "no answer within 0.7 seconds"),
      ]
      for (name, reason, text) in cases {
        // An answer has time to come.
        let resolver = try Self.resolver(server.address, limit: reason == .silence(limit) ? limit : .seconds(50))
        let error = await #expect(throws: LookupError.self) { try await resolver.addresses(of: Domain(name)) }
        #expect(error?.reason == reason)
        #expect(error?.description == "cannot look up \(name) at \(server.address): \(text)")
      }
    }
  }

  @Test func aResolverThatRefusesIsToldApart() async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let port = try FreePort.next()
      // With nobody to ask, dnsmasq refuses.
      let arguments = [
        "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--group=root", "--pid-file=", "--no-resolv",
        "--no-hosts",
        "--listen-address=127.0.0.1", "--bind-interfaces", "--port=\(port)", "--log-facility=-",
      ]
      try await ChildProcess.withProcess("dnsmasq", arguments, log: directory.file("log")) { process in
        _ = try await process.line { $0.contains("started, version") }
        let resolver = try Self.resolver("127.0.0.1:\(port)")
        let error = await #expect(throws: LookupError.self) { try await resolver.addresses(of: Domain("example.com")) }
        #expect(error?.reason == .refused)
      }
    }
  }

  @Test(arguments: ["127.0.0.1", "[::1]"])
  func aClosedPortIsSeenBeforeTheLimit(_ host: String) async throws {
    let resolver = try Self.resolver("\(host):\(FreePort.next())", limit: .seconds(50))
    let error = await #expect(throws: LookupError.self) { try await resolver.addresses(of: Domain("example.com")) }
    #expect(error?.reason == .unreachable)
  }

  @Test func recordsAreLookedUpAnewEachTime() async throws {
    try await Dnsmasq.withServer([.address("a.example.com", "192.0.2.1")]) { server in
      let resolver = try Self.resolver(server.address)
      let domain = try Domain("a.example.com")
      #expect(try await resolver.addresses(of: domain).addresses == [IPAddress("192.0.2.1")])
      try await server.know([.address("a.example.com", "192.0.2.7")])
      #expect(try await resolver.addresses(of: domain).addresses == [IPAddress("192.0.2.7")])
    }
  }

  @Test func anAnswerTooLongForUDPComesOverTCP() async throws {
    let addresses = (1...120).map { "192.0.2.\($0)" }
    try await Dnsmasq.withServer(addresses.map { .address("large.example.com", $0) }) { server in
      let found = try await Self.resolver(server.address).addresses(of: Domain("large.example.com"))
      #expect(Set(found.addresses.map(\.description)) == Set(addresses))
    }
  }

  @Test func whatOneKindOfRecordsGivesIsKeptWhenTheOtherIsNotToBeHad() async throws {
    // Has the A record, and lets the question for the AAAA record go unanswered.
    try await Self.withScript("half") { address in
      // In which the A record has to come.
      let limit = Duration.seconds(5)
      let found = try await Self.resolver(address, limit: limit).addresses(of: Domain("example.com"))
      #expect(try found.addresses == [IPAddress("192.0.2.1")])
      #expect(found.missing?.reason == .silence(limit))
    }
  }

  @Test func manyLookupsThatGetNoAnswerHoldUpNothing() async throws {
    try await Dnsmasq.withServer(Self.records) { server in
      let (silent, port) = try Self.silentSocket()
      defer { close(silent) }
      func lookUp(within limit: Duration, meanwhile: () async throws -> Bool) async throws {
        let mute = try Self.resolver("127.0.0.1:\(port)", limit: limit)
        try await withThrowingTaskGroup(of: LookupError.Reason?.self) { group in
          for number in 0..<500 {
            group.addTask {
              let domain = try Domain("\(number).example.com")
              return await #expect(throws: LookupError.self) { try await mute.addresses(of: domain) }?.reason
            }
          }
          let isOver = try await meanwhile()
          if isOver { group.cancelAll() }
          // Those that were cancelled had not come to their limit.
          for try await reason in group { #expect(reason == (isOver ? .cancelled : .silence(limit))) }
        }
      }
      let healthy = try Self.resolver(server.address)
      try await lookUp(within: .seconds(50)) {
        let found = try await healthy.addresses(of: Domain("a.example.com"))
        #expect(try found.addresses == [IPAddress("192.0.2.1")])
        return true
      }
      // One after the other they would take longer than the limit of this suite.
      try await lookUp(within: .seconds(1)) { false }
    }
  }

  @Test func aLookupIsAnsweredWhileManyAtTheSameResolverWait() async throws {
    try await Dnsmasq.withServer(Self.records) { server in
      let resolver = try Self.resolver(server.address, limit: .seconds(50))
      await withTaskGroup(of: String.self) { group in
        for _ in 0..<50 {
          group.addTask {
            _ = try? await resolver.addresses(of: Domain("silent.example.com"))
            return "silent"
          }
        }
        group.addTask {
          _ = try? await resolver.addresses(of: Domain("a.example.com"))
          return "answered"
        }
        #expect(await group.next() == "answered")
        group.cancelAll()
      }
    }
  }

  @Test(arguments: [false, true])
  func aCancelledLookupEndsBeforeItsLimit(_ isAsked: Bool) async throws {
    let (silent, port) = try Self.silentSocket()
    defer { close(silent) }
    let resolver = try Self.resolver("127.0.0.1:\(port)", limit: .seconds(50))
    let lookup = Task { try await resolver.addresses(of: Domain("example.com")) }
    if isAsked { try await Self.waitForQuestion(at: silent) }
    lookup.cancel()
    let error = await #expect(throws: LookupError.self) { try await lookup.value }
    #expect(error?.reason == .cancelled)
  }

  @Test func aResolverEndsWithQuestionsOpen() async throws {
    let (silent, port) = try Self.silentSocket()
    defer { close(silent) }
    for _ in 0..<20 {
      let resolver = try Self.resolver("127.0.0.1:\(port)", limit: .seconds(50))
      let lookup = Task { try await resolver.addresses(of: Domain("example.com")) }
      try await Self.waitForQuestion(at: silent)
      lookup.cancel()
      await #expect(throws: LookupError.self) { try await lookup.value }
    }
  }

  /// A resolver that sends noise: parts of right answers, changed, cut and padded, with right and wrong counts.
  @Test func noAnswerCrashesIt() async throws {
    try await Self.withScript("noise") { address in
      let resolver = try Self.resolver(address, limit: .milliseconds(500))
      await withTaskGroup(of: Void.self) { group in
        for number in 0..<2000 {
          group.addTask { _ = try? await resolver.addresses(of: Domain("\(number).example.com")) }
        }
      }
    }
    // It gets answers through, so the noise is read.
    try await Self.withScript("noise") { address in
      let resolver = try Self.resolver(address, limit: .milliseconds(500))
      var reasons: Set<String> = []
      for number in 0..<60 {
        do {
          let found = try await resolver.addresses(of: Domain("\(number).example.com"))
          #expect(!found.addresses.isEmpty)
          reasons.insert("addresses")
        } catch let error as LookupError {
          reasons.insert("\(error.reason)")
        }
      }
      #expect(reasons.count >= 3, "\(reasons)")
    }
  }

  // MARK: - Resolvers

  /// A port at which every question arrives and none is answered.
  private static func silentSocket() throws -> (descriptor: Int32, port: UInt16) {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutableBytes(of: &address) { bytes in
      let address = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
      return bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
    }
    try #require(isBound)
    return (descriptor, UInt16(bigEndian: address.sin_port))
  }

  private static func waitForQuestion(at socket: Int32) async throws {
    try await eventually {
      var buffer = [UInt8](repeating: 0, count: 512)
      return recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0
    }
  }

  /// Runs `body` with the address of a resolver made of a few lines.
  private static func withScript(_ mode: String, _ body: (String) async throws -> Void) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let script = try directory.write(Self.script, to: "resolver.py")
      try await ChildProcess.withProcess("python3", ["-u", script, mode], log: directory.file("log")) { process in
        let port = try await process.line { $0.hasPrefix("port ") }.dropFirst(5)
        try await body("127.0.0.1:\(port)")
      }
    }
  }

  private static let script = """
    import random, socket, struct, sys

    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    print("port", server.getsockname()[1])
    chance = random.Random(1)

    def answer(question):
        kind = struct.unpack(">H", question[-4:-2])[0]
        data = bytes([192, 0, 2, 1]) if kind == 1 else bytes(15) + b"\\x01"
        record = b"\\xc0\\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data
        return question[:2] + b"\\x81\\x80" + struct.pack(">HHHH", 1, 1, 0, 0) + question[12:] + record

    def noise(question):
        message = bytearray(answer(question))
        way = chance.randrange(6)
        if way == 0:
            message = message[:chance.randrange(len(message))]
        elif way == 1:
            # Behind the question, which c-ares compares with its own.
            for _ in range(4):
                message[chance.randrange(len(question), len(message))] = chance.randrange(256)
        elif way == 2:
            message[6:12] = chance.randbytes(6)
        elif way == 3:
            message[2:4] = chance.randbytes(2)
        elif way == 4:
            # Names that point at themselves and at each other.
            message = message[:len(question)] + b"\\xc0" + bytes([len(question)]) + message[len(question) + 2:]
            message[7] = 2
            message += b"\\xff" * chance.randrange(200)
        else:
            record = bytes(message[len(question):])
            message = message[:len(question)] + record * 30
            message[6:8] = struct.pack(">H", chance.choice([30, 31, 65535]))
        return bytes(message)

    while True:
        question, sender = server.recvfrom(4096)
        if sys.argv[1] == "noise":
            server.sendto(noise(question), sender)
        elif struct.unpack(">H", question[-4:-2])[0] == 1:
            server.sendto(answer(question), sender)
    """
}
