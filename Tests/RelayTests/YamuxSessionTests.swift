import NIOCore
import Testing

@testable import Relay

@Suite(.timeLimit(.minutes(3)))
struct YamuxSessionTests {
  // MARK: Opening

  @Test(arguments: YamuxSession.Role.both)
  func opensStreamsWithIdentifiersOfItsOwn(role: YamuxSession.Role) {
    var session = YamuxSession(role)
    #expect((0..<3).map { _ in session.open() } == [role.first, role.first + 2, role.first + 4])
    #expect(
      session.bytes() == Wire.window(on: role.first, .syn) + Wire.window(on: role.first + 2, .syn)
        + Wire.window(on: role.first + 4, .syn))
    #expect(session.streamCount == 3)
  }

  @Test(arguments: YamuxSession.Role.both)
  func acceptsStreamsOfThePeer(role: YamuxSession.Role) throws {
    var session = YamuxSession(role)
    let events = try session.events(
      of: Wire.window(on: role.peers, .syn), Wire.data("hi", on: role.peers + 2, .syn),
      Wire.data("x", on: role.peers))
    #expect(
      events == [
        .opened(role.peers), .opened(role.peers + 2), .data(role.peers + 2, ByteBuffer(string: "hi")),
        .data(role.peers, ByteBuffer(string: "x")),
      ])
    #expect(session.bytes() == Wire.window(on: role.peers, .ack) + Wire.window(on: role.peers + 2, .ack))
  }

  /// Go's library takes an identifier and writes it in two steps, which many may do at the same time.
  @Test(arguments: YamuxSession.Role.both)
  func acceptsStreamsInAnyOrder(role: YamuxSession.Role) throws {
    var session = YamuxSession(role)
    let streams = [4, 0, 2, 8, 6].map { role.peers + $0 }
    for stream in streams { #expect(try session.events(of: Wire.window(on: stream, .syn)) == [.opened(stream)]) }
    #expect(session.streamCount == 5)
    for stream in streams {
      session.reset(stream)
      var again = session
      #expect(again.violation(of: Wire.window(on: stream, .syn)) == "stream \(stream) is opened a second time")
    }
    #expect(
      session.violation(of: Wire.window(on: role.peers + 12, .syn), Wire.window(on: role.peers + 10))
        == "stream \(role.peers + 10) was never opened")
  }

  @Test func remembersOnlySoManyStreamsThatHaveNotBeenOpened() throws {
    var session = YamuxSession(.server)
    #expect(try session.events(of: Wire.window(on: .max, .syn)) == [.opened(.max)])
    #expect(try session.events(of: Wire.window(on: .max - 512, .syn)) == [.opened(.max - 512)])
    #expect(session.violation(of: Wire.window(on: .max - 514, .syn)) == "stream 4294966781 is opened a second time")
  }

  @Test func hasSoManyStreamsWaitForThePeersAcceptance() throws {
    var limits = YamuxSession.Limits()
    limits.unacknowledged = 2
    var session = YamuxSession(.client, limits: limits)
    #expect((0..<3).map { _ in session.open() } == [1, 3, nil])
    #expect(!session.canOpen)
    _ = session.frames()
    #expect(try session.events(of: Wire.window(on: 1, .ack), Wire.window(on: 1, .ack)) == [])
    #expect((0..<2).map { _ in session.open() } == [5, nil])
    // A refusal counts as well, and so do the end of a stream and an acceptance that comes with data.
    #expect(try session.events(of: Wire.window(on: 3, .rst)) == [.reset(3)])
    #expect((0..<2).map { _ in session.open() } == [7, nil])
    _ = session.frames()
    session.reset(5)
    _ = session.frames()
    #expect((0..<2).map { _ in session.open() } == [9, nil])
    _ = session.frames()
    #expect(try session.events(of: Wire.data("a", on: 7, .ack)) == [.data(7, ByteBuffer(string: "a"))])
    #expect((0..<2).map { _ in session.open() } == [11, nil])
  }

  @Test func opensNoMoreThanThePeerHears() {
    var limits = YamuxSession.Limits()
    limits.unacknowledged = 4
    var session = YamuxSession(.client, limits: limits)
    var opened = 0
    while let stream = session.open() {
      opened += 1
      session.reset(stream)
    }
    #expect(opened == 2)
    #expect(session.frames().count == 4)
    #expect(session.canOpen)
  }

  @Test func resetsStreamsAboveTheLimit() throws {
    var limits = YamuxSession.Limits()
    limits.streams = 2
    var session = YamuxSession(.server, limits: limits)
    #expect(
      try session.events(
        of: Wire.window(on: 1, .syn), Wire.window(on: 3, .syn), Wire.data("refused", on: 5, .syn),
        Wire.data("still", on: 5), Wire.ping(9)) == [.opened(1), .opened(3)])
    #expect(
      session.bytes() == Wire.window(on: 1, .ack) + Wire.window(on: 3, .ack) + Wire.window(on: 5, .rst)
        + Wire.ping(9, .ack))
    session.reset(1)
    #expect(try session.events(of: Wire.window(on: 7, .syn), Wire.window(on: 9, .syn)) == [.opened(7)])
    // Its own streams do not count.
    #expect(session.open() == 2)
  }

  // MARK: Closing

  @Test(arguments: YamuxSession.Role.both)
  func finishesAfterThePeer(role: YamuxSession.Role) throws {
    for stream in [role.first, role.peers] {
      var session = try Self.session(role, with: stream)
      #expect(
        try session.events(of: Wire.data("last", on: stream), Wire.window(on: stream, .fin)) == [
          .data(stream, ByteBuffer(string: "last")), .finished(stream),
        ])
      session.send(ByteBuffer(string: "answer"), on: stream)
      #expect(session.bytes() == Wire.data("answer", on: stream))
      #expect(session.streamCount == 1)
      session.finish(stream)
      session.finish(stream)
      #expect(session.bytes() == Wire.data(on: stream, .fin))
      #expect(session.streamCount == 0)
      #expect(try session.events() == [.drained(stream)])
    }
  }

  @Test(arguments: YamuxSession.Role.both)
  func finishesBeforeThePeer(role: YamuxSession.Role) throws {
    for stream in [role.first, role.peers] {
      var session = try Self.session(role, with: stream)
      session.send(ByteBuffer(string: "question"), on: stream)
      session.finish(stream)
      // The end in a frame of its own: Go's library takes it before the data that came with it, and may lose those.
      #expect(session.bytes() == Wire.data("question", on: stream) + Wire.data(on: stream, .fin))
      #expect(session.streamCount == 1)
      #expect(
        try session.events(of: Wire.data("an", on: stream), Wire.data("swer", on: stream, .fin)) == [
          .data(stream, ByteBuffer(string: "an")), .data(stream, ByteBuffer(string: "swer")), .finished(stream),
        ])
      #expect(session.streamCount == 0)
      // What the peer had sent before it knew.
      #expect(try session.events(of: Wire.window(5, on: stream), Wire.window(on: stream, .rst)) == [])
    }
  }

  @Test func tellsTheEndAfterTheDataThatItCameWith() throws {
    var session = try Self.session(.server, with: 1)
    let bytes = Wire.data("abcdef", on: 1, .fin)
    #expect(try session.events(of: Array(bytes[..<15])) == [.data(1, ByteBuffer(string: "abc"))])
    // Finished while the end is on its way.
    session.finish(1)
    #expect(session.bytes() == Wire.data(on: 1, .fin))
    #expect(session.streamCount == 1)
    #expect(try session.events(of: Array(bytes[15...])) == [.data(1, ByteBuffer(string: "def")), .finished(1)])
    #expect(session.streamCount == 0)
    // That of one stream only.
    #expect(
      try session.events(of: Wire.data("g", on: 3, .syn), Wire.data("h", on: 3)) == [
        .opened(3), .data(3, ByteBuffer(string: "g")), .data(3, ByteBuffer(string: "h")),
      ])
  }

  @Test(arguments: YamuxSession.Role.both)
  func isResetByThePeer(role: YamuxSession.Role) throws {
    for stream in [role.first, role.peers] {
      var session = try Self.session(role, with: stream)
      session.send(ByteBuffer(repeating: 1, count: 300_000), on: stream)
      #expect(try session.events(of: Wire.data("gone", on: stream, .rst)) == [.reset(stream)])
      #expect(session.streamCount == 0)
      #expect(session.frames() == [])
      session.send(ByteBuffer(string: "late"), on: stream)
      session.finish(stream)
      session.reset(stream)
      session.consumed(4, of: stream, now: .uptimeNanoseconds(0))
      #expect(session.frames() == [])
    }
  }

  @Test(arguments: YamuxSession.Role.both)
  func resetsAndSkipsWhatThePeerStillSends(role: YamuxSession.Role) throws {
    for stream in [role.first, role.peers] {
      var session = try Self.session(role, with: stream)
      session.send(ByteBuffer(string: "given up"), on: stream)
      let bytes = Wire.data("abcdef", on: stream, .fin)
      // In the middle of a frame, and once more.
      #expect(try session.events(of: Array(bytes[..<14])) == [.data(stream, ByteBuffer(string: "ab"))])
      session.reset(stream)
      session.reset(stream)
      #expect(session.bytes() == Wire.window(on: stream, .rst))
      #expect(
        try session.events(
          of: Array(bytes[14...]), Wire.window(100, on: stream), Wire.data("more", on: stream),
          Wire.data(on: stream, .fin), Wire.data("x", on: stream), Wire.window(on: stream, .rst),
          Wire.window(on: role.peers + 2, .syn), Wire.data("new", on: role.peers + 2)) == [
            .opened(role.peers + 2), .data(role.peers + 2, ByteBuffer(string: "new")),
          ])
    }
  }

  @Test func tellsNothingOfAStreamThatItHasReset() throws {
    var session = try Self.session(.server, with: 1)
    session.send(ByteBuffer(string: "a"), on: 1)
    _ = session.frames()
    session.receive(ByteBuffer(bytes: Wire.data("b", on: 1, .fin) + Wire.window(on: 3, .syn)))
    #expect(try session.nextEvent(now: .uptimeNanoseconds(0)) == .drained(1))
    #expect(try session.nextEvent(now: .uptimeNanoseconds(0)) == .data(1, ByteBuffer(string: "b")))
    session.reset(1)
    #expect(try session.events() == [.opened(3)])

    session.send(ByteBuffer(string: "a"), on: 3)
    _ = session.frames()
    session.reset(3)
    #expect(try session.events() == [])
  }

  // MARK: What is wrong

  /// Not as a tuple, whose bytes would be a test's name.
  struct Wrong: Sendable, CustomTestStringConvertible {
    let bytes: [UInt8]
    let text: String

    init(_ bytes: [UInt8], _ text: String) { (self.bytes, self.text) = (bytes, text) }

    var testDescription: String { text }
  }

  /// What a client sends to a server that has streams 1 and 2, of which 1 is finished.
  static let violations: [Wrong] = [
    Wrong([1] + [UInt8](repeating: 0, count: 11), "version 1 is not known"),
    Wrong([0, 4] + [UInt8](repeating: 0, count: 10), "a frame of kind 4 is not known"),
    Wrong(Wire.data("x", on: 3), "stream 3 was never opened"),
    Wrong(Wire.window(1, on: 3), "stream 3 was never opened"),
    Wrong(Wire.window(on: 3, .rst), "stream 3 was never opened"),
    Wrong(Wire.window(on: 4, .ack), "stream 4 was never opened"),
    Wrong(Wire.data("x", on: 0), "stream 0 was never opened"),
    Wrong(Wire.window(on: 0, .syn), "stream 0 is not the peer's to open"),
    Wrong(Wire.window(on: 2, .syn), "stream 2 is not the peer's to open"),
    Wrong(Wire.data("x", on: 4, .syn), "stream 4 is not the peer's to open"),
    Wrong(Wire.window(on: 1, .syn), "stream 1 is opened a second time"),
    Wrong(
      Wire.window(on: 5, .syn) + Wire.window(on: 5, .rst) + Wire.data(on: 5, .syn), "stream 5 is opened a second time"),
    Wrong(Wire.data("x", on: 1), "data after the end of stream 1"),
    Wrong(Wire.data(262_145, on: 2), "262145 bytes on stream 2 are above its window"),
    Wrong(Wire.data(262_145, on: 5, .syn), "262145 bytes on stream 5 are above its window"),
    Wrong(Wire.data(262_143, on: 2) + Wire.data("xy", on: 2), "2 bytes on stream 2 are above its window"),
    Wrong(Wire.frame(.data, [], 2, .max), "4294967295 bytes on stream 2 are above its window"),
    Wrong(Wire.window(.max - 262_144, on: 2) + Wire.window(1, on: 2), "the window of stream 2 is above 4 GiB"),
    Wrong(Wire.goAway(1), "the peer ended the session with go away 1"),
    Wrong(Wire.goAway(2), "the peer ended the session with go away 2"),
    Wrong(
      Wire.window(on: 5, .syn) + Wire.window(on: 5, .rst) + Wire.frame(.data, [], 5, (16 << 20) + 1),
      "16777217 bytes are above the window"),
  ]

  @Test(arguments: violations)
  func endsWhatIsWrong(wrong: Wrong) throws {
    for cut in [Int.max, 4097] {
      var session = try Self.session(.server, with: 1)
      #expect(session.open() == 2)
      _ = session.frames()
      _ = try session.events(of: Wire.data(on: 1, .fin))
      var violation: String?
      var rest = wrong.bytes[...]
      while violation == nil, !rest.isEmpty {
        violation = session.violation(of: Array(rest.prefix(cut)))
        rest = rest.dropFirst(cut)
      }
      #expect(violation == wrong.text)
    }
  }

  @Test(arguments: YamuxSession.Role.both)
  func takesStreamsOfTheRightSideOnly(role: YamuxSession.Role) {
    var session = YamuxSession(role)
    #expect(
      session.violation(of: Wire.window(on: role.first, .syn)) == "stream \(role.first) is not the peer's to open")
  }

  @Test(
    arguments: [
      { _ in Wire.ping(1) }, { Wire.window(on: $0, .syn) }, { Wire.data("x", on: $0, [.syn, .rst]) },
    ] as [@Sendable (UInt32) -> [UInt8]])
  func boundsWhatItOwesToAPeerThatTakesNothing(frame: @Sendable (UInt32) -> [UInt8]) {
    var limits = YamuxSession.Limits()
    limits.answers = 100
    limits.streams = 50
    var session = YamuxSession(.server, limits: limits)
    let violations = (0..<101).map { session.violation(of: frame(2 * $0 + 1)) }
    #expect(violations == Array(repeating: nil, count: 100) + ["more than 100 answers are not taken"])
    #expect(session.frames().count == 101)
    #expect(session.streamCount <= 50)
  }

  @Test func takesManyPingsAsLongAsThePeerTakesTheAnswers() throws {
    var session = YamuxSession(.server)
    for value in 0..<1000 as Range<UInt32> {
      #expect(try session.events(of: Wire.ping(value)) == [])
      #expect(session.bytes() == Wire.ping(value, .ack))
    }
  }

  @Test func takesAsManyStreamsAtOnceAsTheOtherSideMayOpen() throws {
    var client = YamuxSession(.client)
    while client.open() != nil {}
    try client.tick(now: .uptimeNanoseconds(0))
    var server = YamuxSession(.server)
    #expect(try server.events(of: client.bytes()).count == 256)
  }

  // MARK: Pieces

  @Test func takesFramesThatAreCutAnywhere() throws {
    let bytes =
      Wire.window(on: 1, .syn) + Wire.data("some data", on: 1) + Wire.ping(7) + Wire.data("first", on: 3, .syn)
      + Wire.data(on: 3, .fin) + Wire.data("skipped", on: 5, [.syn, .rst]) + Wire.data("the end", on: 1, .fin)
      + Wire.goAway()
    let wanted: [YamuxSession.Event] = [
      .opened(1), .data(1, ByteBuffer(string: "some data")), .opened(3), .data(3, ByteBuffer(string: "first")),
      .finished(3), .opened(5), .reset(5), .data(1, ByteBuffer(string: "the end")), .finished(1), .wentAway,
    ]
    let answers =
      Wire.window(on: 1, .ack) + Wire.ping(7, .ack) + Wire.window(on: 3, .ack) + Wire.window(on: 5, .ack)
    for cut in 0...bytes.count {
      var session = YamuxSession(.server)
      let events = try session.events(of: Array(bytes[..<cut])) + session.events(of: Array(bytes[cut...]))
      #expect(Self.joined(events) == wanted, "cut at \(cut)")
      #expect(session.bytes() == answers, "cut at \(cut)")
    }
    var session = YamuxSession(.server)
    #expect(try Self.joined(bytes.flatMap { try session.events(of: [$0]) }) == wanted)
  }

  // MARK: Pings

  @Test func asksEvery15SecondsWhetherThePeerIsThere() throws {
    var session = YamuxSession(.client)
    let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    try session.tick(now: start)
    #expect(session.bytes() == Wire.ping(1))
    try session.tick(now: start + .milliseconds(9_999))
    #expect(session.bytes() == [])
    // Neither another answer nor a question is the answer.
    _ = try session.events(of: Wire.ping(2, .ack), Wire.ping(1, []), now: start + .milliseconds(20))
    #expect(session.roundTrip == nil)
    _ = try session.events(of: Wire.ping(1, .ack), now: start + .milliseconds(30))
    #expect(session.roundTrip == .milliseconds(30))
    try session.tick(now: start + .milliseconds(15_029))
    #expect(session.bytes() == [])
    try session.tick(now: start + .milliseconds(15_030))
    #expect(session.bytes() == Wire.ping(2))
    _ = try session.events(of: Wire.ping(2, .ack), now: start + .milliseconds(15_130))
    #expect(session.roundTrip == .milliseconds(30))
    // An answer that comes twice.
    _ = try session.events(of: Wire.ping(2, .ack), now: start + .milliseconds(15_140))
    try session.tick(now: start + .seconds(31))
    #expect(session.bytes() == Wire.ping(3))
    _ = try session.events(of: Wire.ping(3, .ack), now: start + .milliseconds(31_010))
    #expect(session.roundTrip == .milliseconds(10))
  }

  @Test func givesUpAPeerThatDoesNotAnswerFor10Seconds() throws {
    var session = YamuxSession(.server)
    let start = NIODeadline.uptimeNanoseconds(5)
    try session.tick(now: start)
    try session.tick(now: start + .nanoseconds(9_999_999_999))
    #expect(throws: YamuxViolation("no answer to a ping within 10 s")) {
      try session.tick(now: start + .seconds(10))
    }
  }

  // MARK: Windows

  @Test func sendsAsMuchAsThePeerAllows() throws {
    var session = try Self.session(.server, with: 1)
    session.send(ByteBuffer(repeating: 7, count: 300_000), on: 1)
    #expect(!session.takesMore(1))
    #expect(session.frames().map { $0.data?.readableBytes } == [65_536, 65_536, 65_536, 65_536])
    #expect(!session.takesMore(1))
    #expect(try session.events(of: Wire.window(10_000, on: 1)) == [])
    #expect(session.frames().map { $0.data?.readableBytes } == [10_000])
    session.finish(1)
    #expect(session.frames() == [])
    #expect(try session.events(of: Wire.window(1_000_000, on: 1)) == [])
    let frames = session.frames()
    #expect(frames.map { $0.header.length } == [27_856, 0])
    #expect(frames.map { $0.header.flags } == [[], .fin])
    #expect(try session.events() == [])
  }

  @Test func tellsWhenAStreamTakesMore() throws {
    var session = try Self.session(.client, with: 1)
    #expect(session.takesMore(1))
    session.send(ByteBuffer(), on: 1)
    #expect(session.frames() == [])
    session.send(ByteBuffer(string: "a"), on: 1)
    session.send(ByteBuffer(string: "b"), on: 1)
    #expect(!session.takesMore(1))
    #expect(session.bytes() == Wire.data("ab", on: 1))
    #expect(session.takesMore(1))
    #expect(try session.events() == [.drained(1)])
    #expect(!session.takesMore(9))
  }

  @Test func hasStreamsTakeTurns() throws {
    var session = YamuxSession(.client)
    for _ in 0..<3 { _ = session.open() }
    _ = session.frames()
    for stream in [1, 3, 5] as [UInt32] { session.send(ByteBuffer(repeating: 0, count: 150_000), on: stream) }
    #expect(session.nextFrame()?.header == YamuxHeader(.data, stream: 1, length: 65_536))
    _ = try session.events(of: Wire.ping(4))
    #expect(
      session.frames().map { $0.header } == [YamuxHeader(.ping, .ack, stream: 0, length: 4)]
        + [(3, 65_536), (5, 65_536), (1, 65_536), (3, 65_536), (5, 65_536), (1, 18_928), (3, 18_928), (5, 18_928)]
        .map { YamuxHeader(.data, stream: $0, length: $1) })
  }

  @Test func allowsMoreWhenHalfAWindowIsConsumed() throws {
    var session = try Self.session(.server, with: 1)
    _ = try session.events(of: Wire.data(200_000, on: 1))
    session.consumed(131_071, of: 1, now: .uptimeNanoseconds(0))
    #expect(session.frames() == [])
    session.consumed(1, of: 1, now: .uptimeNanoseconds(0))
    session.consumed(5, of: 1, now: .uptimeNanoseconds(0))
    #expect(session.bytes() == Wire.window(131_077, on: 1))
    session.consumed(68_923, of: 1, now: .uptimeNanoseconds(0))
    #expect(session.frames() == [])
    // 262 144 less 200 000, and what it was allowed.
    var full = session
    #expect(session.violation(of: Wire.data(193_221, on: 1)) == nil)
    #expect(full.violation(of: Wire.data(193_222, on: 1)) == "193222 bytes on stream 1 are above its window")
    // Nothing more for a peer that has finished.
    _ = try session.events(of: Wire.window(on: 1, .fin))
    session.consumed(193_221, of: 1, now: .uptimeNanoseconds(0))
    #expect(session.frames() == [])
  }

  @Test(arguments: [UInt32(16 << 20), 5_000_000, 256 << 10])
  func growsAWindowThatIsUsedUpInAFewRoundTrips(limit: UInt32) throws {
    var limits = YamuxSession.Limits()
    limits.window = limit
    var session = try Self.session(.server, with: 1, limits: limits)
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    try session.tick(now: now)
    _ = session.frames()
    _ = try session.events(of: Wire.ping(1, .ack), now: now + .milliseconds(100))
    // By what the peer may have sent that is not consumed.
    var window: UInt32 = 256 << 10
    var allowed = window
    var windows = [window]
    for _ in 0..<12 {
      now = now + .milliseconds(399)
      let count = window / 2
      _ = try session.events(of: Wire.data(Int(count), on: 1), now: now)
      allowed -= count
      session.consumed(Int(count), of: 1, now: now)
      allowed += session.frames().reduce(0) { $0 + $1.header.length }
      window = allowed
      windows.append(window)
    }
    var wanted: [UInt32] = [256 << 10]
    for _ in 0..<11 { wanted.append(min(wanted.last! * 2, limit)) }
    // The first update has none before it from which to measure.
    #expect(windows == [256 << 10] + wanted)
  }

  @Test func windowsGrowNoFurtherThanAllOfThemMay() throws {
    let process = WindowBudget(1 << 20)
    var first: YamuxSession? = YamuxSession(.server, budget: WindowBudget(600 << 10, of: process))
    var second = YamuxSession(.server, budget: WindowBudget(600 << 10, of: process))
    /// By how much a stream's window grows in ten rounds.
    func growth(_ session: inout YamuxSession, of stream: UInt32) throws -> UInt32 {
      var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
      _ = try session.events(of: Wire.window(on: stream, .syn))
      try session.tick(now: now)
      _ = session.frames()
      _ = try session.events(of: Wire.ping(1, .ack), now: now + .milliseconds(100))
      var allowed: UInt32 = 256 << 10
      for _ in 0..<10 {
        now = now + .milliseconds(200)
        let count = allowed / 2
        _ = try session.events(of: Wire.data(Int(count), on: stream), now: now)
        session.consumed(Int(count), of: stream, now: now)
        allowed += session.frames().reduce(0) { $0 + $1.header.length } - count
      }
      return allowed - 256 << 10
    }
    // To 512 KiB; the next doubling is more than is left of the session's.
    #expect(try growth(&first!, of: 1) == 256 << 10)
    #expect(try growth(&first!, of: 3) == 256 << 10)
    #expect(try growth(&first!, of: 5) == 0)
    #expect(try growth(&second, of: 1) == 256 << 10)
    #expect(try growth(&second, of: 3) == 256 << 10)
    #expect(!process.take(1))
    // What streams and sessions had that are gone is there for others.
    second.reset(1)
    #expect(process.take(256 << 10) && !process.take(1))
    first = nil
    #expect(process.take(512 << 10) && !process.take(1))
  }

  @Test func takesWhatComesBeforeAllOfWhatCameIsTaken() throws {
    var session = YamuxSession(.server)
    session.receive(ByteBuffer(bytes: Wire.window(on: 1, .syn) + Wire.data("one", on: 1)))
    #expect(try session.nextEvent(now: .uptimeNanoseconds(0)) == .opened(1))
    session.receive(ByteBuffer(bytes: Wire.data("two", on: 1)))
    #expect(try session.events() == [.data(1, ByteBuffer(string: "one")), .data(1, ByteBuffer(string: "two"))])
  }

  @Test func leavesTheWindowOfAPeerThatIsNotHeldUp() throws {
    var session = try Self.session(.server, with: 1)
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    for _ in 0..<3 {
      // Without a measured round trip, then with one.
      for _ in 0..<3 {
        now = now + .milliseconds(400)
        _ = try session.events(of: Wire.data(131_072, on: 1), now: now)
        session.consumed(131_072, of: 1, now: now)
        #expect(session.bytes() == Wire.window(131_072, on: 1))
      }
      if session.roundTrip != nil { break }
      try session.tick(now: now)
      _ = session.frames()
      _ = try session.events(of: Wire.ping(1, .ack), now: now + .milliseconds(100))
    }
  }

  // MARK: Going away

  @Test func goesAway() throws {
    var session = try Self.session(.server, with: 1)
    session.goAway(.done)
    session.goAway(.done)
    #expect(session.bytes() == Wire.goAway())
    #expect(session.open() == nil)
    // The stream that there is goes on.
    #expect(
      try session.events(of: Wire.data("x", on: 1), Wire.data("y", on: 3, .syn), Wire.window(on: 3, .fin)) == [
        .data(1, ByteBuffer(string: "x"))
      ])
    session.send(ByteBuffer(string: "z"), on: 1)
    #expect(session.bytes() == Wire.window(on: 3, .rst) + Wire.data("z", on: 1))
  }

  @Test(
    arguments: [
      (YamuxSession.GoAwayReason.protocolViolation, 1), (.internalError, 2),
    ] as [(YamuxSession.GoAwayReason, UInt32)])
  func saysWhyItEndsAlsoWhenItWasGoingAway(reason: YamuxSession.GoAwayReason, code: UInt32) {
    for isGoing in [false, true] {
      var session = YamuxSession(.server)
      if isGoing {
        session.goAway(.done)
        #expect(session.bytes() == Wire.goAway())
      }
      session.goAway(reason)
      session.goAway(.done)
      session.goAway(.internalError)
      #expect(session.bytes() == Wire.goAway(code))
    }
  }

  @Test func hearsThatThePeerGoesAway() throws {
    var session = try Self.session(.client, with: 1)
    #expect(session.canOpen)
    #expect(
      try session.events(of: Wire.goAway(), Wire.goAway(), Wire.data("x", on: 1)) == [
        .wentAway, .data(1, ByteBuffer(string: "x")),
      ])
    #expect(!session.canOpen)
    #expect(session.open() == nil)
    session.send(ByteBuffer(string: "y"), on: 1)
    #expect(session.bytes() == Wire.data("y", on: 1))
  }

  // MARK: What the tests share

  /// A session with one stream, whoever opened it, about which nothing is left to say.
  static func session(
    _ role: YamuxSession.Role, with stream: UInt32, limits: YamuxSession.Limits = YamuxSession.Limits()
  ) throws -> YamuxSession {
    var session = YamuxSession(role, limits: limits)
    if stream == role.first {
      #expect(session.open() == stream)
      _ = try session.events(of: Wire.window(on: stream, .ack))
    } else {
      _ = try session.events(of: Wire.window(on: stream, .syn))
    }
    _ = session.frames()
    return session
  }

  /// Events with pieces of data that came one after the other made one.
  static func joined(_ events: [YamuxSession.Event]) -> [YamuxSession.Event] {
    events.reduce(into: []) { joined, event in
      guard case .data(let stream, let data) = event, case .data(stream, var whole)? = joined.last else {
        joined.append(event)
        return
      }
      whole.writeImmutableBuffer(data)
      joined[joined.count - 1] = .data(stream, whole)
    }
  }
}
