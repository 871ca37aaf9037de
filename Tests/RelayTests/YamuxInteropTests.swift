import Foundation
import NIOCore
import TestSupport
import Testing

@testable import Relay

/// Against hashicorp's library (Tests/Peers/yamux), over TCP.
@Suite(.timeLimit(.minutes(5)))
struct YamuxInteropTests {
  /// Both sides open 20 streams at the same time and have 1 MiB sent back on each; one of either side's is held up meanwhile, and
  /// three more are reset half-way.
  @Test(arguments: YamuxSession.Role.both, 1...2)
  func talksToGosLibrary(role: YamuxSession.Role, run: Int) async throws {
    let program = Repository.file(".build/peers/yamux")
    try #require(
      FileManager.default.isExecutableFile(atPath: program), "\(program) is not built: scripts/peers does that")
    let listener = try Listener()
    try await TemporaryDirectory.withDirectory { directory in
      let arguments = [
        "--role", role == .client ? "server" : "client", "--connect", "127.0.0.1:\(listener.port)", "--open", "20",
        "--bytes", "\(Conversation.size)", "--go-away",
      ]
      try await ChildProcess.withProcess(program, arguments, log: directory.file("log")) { peer in
        do {
          let outcome = try await onThread {
            var conversation = Conversation(role)
            try conversation.run(over: listener.accepted())
            return conversation.outcome
          }
          #expect(outcome == Conversation.Outcome(faults: [], echoed: 20, left: 0, hasBeenAnswered: true))
        } catch {
          throw FixtureError("\(error)\n\(peer.lastWords)")
        }
        #expect(try await peer.exit() == .code(0), "\(peer.lastWords)")
        #expect(peer.lines.contains("ok"), "\(peer.lastWords)")
      }
    }
  }
}

/// What this side does: it opens streams of its own, and sends back what comes on the others.
private struct Conversation {
  /// A stream of this side.
  struct Own {
    /// Where in ``content`` what it sends begins.
    let start: Int
    /// After how many bytes it is reset.
    var resetsAfter = Int.max
    var sent = 0
    var received = 0
    /// What is not consumed.
    var waiting = 0
    var hasEnded = false
  }

  /// A stream of the peer.
  struct Echo {
    /// What has been held up.
    var held = ByteBuffer()
    /// What is to be consumed once it is sent.
    var waiting = 0
    var hasEnded = false
  }

  struct Outcome: Equatable {
    let faults: [String]
    /// How many streams the peer opened.
    let echoed: Int
    /// How many streams are left.
    let left: Int
    /// Whether there was an answer to a ping.
    let hasBeenAnswered: Bool
  }

  static let size = 1 << 20

  static let content: ByteBuffer = {
    var random = SeededGenerator(seed: 7)
    var bytes = ByteBuffer()
    for _ in 0...(size / 8 + 25_000) { bytes.writeInteger(random.next()) }
    return bytes
  }()

  var session: YamuxSession
  var own: [UInt32: Own] = [:]
  var echoed: [UInt32: Echo] = [:]
  var faults: [String] = []
  /// One of each side's streams, until all others have ended.
  private var heldUp: Set<UInt32> = []
  private var peerWentAway = false
  private let began = ContinuousClock.now

  init(_ role: YamuxSession.Role) {
    var limits = YamuxSession.Limits()
    limits.pingInterval = .milliseconds(20)
    session = YamuxSession(role, limits: limits)
    for number in 0..<23 {
      guard let id = session.open() else {
        faults.append("only \(number) streams could be opened")
        return
      }
      own[id] = Own(start: number * 7001, resetsAfter: number < 20 ? .max : 150_000 * (number - 19))
      if number == 0 { heldUp.insert(id) }
      send(id)
    }
  }

  var outcome: Outcome {
    Outcome(
      faults: faults, echoed: echoed.count, left: session.streamCount, hasBeenAnswered: session.roundTrip != nil)
  }

  private var now: NIODeadline { .now() }

  private var isOver: Bool {
    peerWentAway && own.values.allSatisfy(\.hasEnded) && echoed.values.allSatisfy(\.hasEnded) && heldUp.isEmpty
  }

  mutating func run(over socket: consuming Socket) throws {
    var out = ByteBuffer()
    while !isOver {
      guard ContinuousClock.now - began < .patience else { throw FixtureError("not over: \(own), \(echoed)") }
      try session.tick(now: now)
      var isMoving = true
      while isMoving {
        isMoving = false
        while out.readableBytes < 200_000, let frame = session.nextFrame() {
          frame.writeHeader(to: &out)
          if let data = frame.data { out.writeImmutableBuffer(data) }
        }
        while let event = try session.nextEvent(now: now) {
          take(event)
          isMoving = true
        }
        releaseHeldUp()
      }
      try socket.wait(toWrite: out.readableBytes > 0)
      try socket.write(&out)
      if let bytes = try socket.read() { session.receive(bytes) }
      while let event = try session.nextEvent(now: now) { take(event) }
    }
  }

  private mutating func take(_ event: YamuxSession.Event) {
    switch event {
    case .opened(let id):
      if echoed.isEmpty { heldUp.insert(id) }
      echoed[id] = Echo()
    case .data(let id, let data):
      if own[id] != nil { takeOwn(data, id) } else { takeEchoed(data, id) }
    case .finished(let id):
      own[id]?.hasEnded = true
      if let stream = own[id], stream.received != Self.size {
        faults.append("stream \(id) ended after \(stream.received) bytes")
      }
      if echoed[id] != nil {
        echoed[id]?.hasEnded = true
        if !heldUp.contains(id) { session.finish(id) }
      }
    case .reset(let id): faults.append("stream \(id) was reset")
    case .drained(let id):
      if own[id] != nil { send(id) }
      if let waiting = echoed[id]?.waiting { session.consumed(waiting, of: id, now: now) }
      echoed[id]?.waiting = 0
    case .wentAway: peerWentAway = true
    }
  }

  private mutating func takeOwn(_ data: ByteBuffer, _ id: UInt32) {
    guard let stream = own[id] else { return }
    if data != Self.content.getSlice(at: stream.start + stream.received, length: data.readableBytes) {
      faults.append("stream \(id) differs after \(stream.received) bytes")
    }
    own[id]?.received += data.readableBytes
    if heldUp.contains(id) {
      own[id]?.waiting += data.readableBytes
    } else {
      session.consumed(data.readableBytes, of: id, now: now)
    }
  }

  private mutating func takeEchoed(_ data: ByteBuffer, _ id: UInt32) {
    echoed[id]?.waiting += data.readableBytes
    if heldUp.contains(id) {
      echoed[id]?.held.writeImmutableBuffer(data)
    } else {
      session.send(data, on: id)
    }
  }

  /// Sends the next piece of a stream of its own, or its end.
  private mutating func send(_ id: UInt32) {
    guard let stream = own[id], !stream.hasEnded, session.takesMore(id) else { return }
    guard stream.sent < stream.resetsAfter else {
      session.reset(id)
      own[id]?.hasEnded = true
      return
    }
    let count = min(100_000, Self.size - stream.sent)
    session.send(Self.content.getSlice(at: stream.start + stream.sent, length: count)!, on: id)
    own[id]?.sent += count
    if stream.sent + count == Self.size { session.finish(id) }
  }

  /// Goes on with the streams that were held up once all others have ended.
  private mutating func releaseHeldUp() {
    guard !heldUp.isEmpty, echoed.count == 20 else { return }
    let others =
      own.filter { !heldUp.contains($0.key) }.values.allSatisfy(\.hasEnded)
      && echoed.filter { !heldUp.contains($0.key) }.values.allSatisfy(\.hasEnded)
    guard others else { return }
    for id in heldUp {
      let waiting = own[id]?.waiting ?? echoed[id]?.waiting ?? 0
      if waiting > 256 << 10 { faults.append("\(waiting) bytes came on stream \(id) while it was held up") }
      if let held = echoed[id]?.held {
        session.send(held, on: id)
      } else {
        session.consumed(waiting, of: id, now: now)
      }
    }
    heldUp = []
  }
}

/// A socket that blocks nobody.
private struct Socket: ~Copyable {
  let descriptor: Int32

  deinit { close(descriptor) }

  /// Until something can be read, or written, or 5 ms have passed.
  func wait(toWrite: Bool) throws {
    var descriptors = [pollfd(fd: descriptor, events: Int16(POLLIN | (toWrite ? POLLOUT : 0)), revents: 0)]
    guard poll(&descriptors, 1, 5) >= 0 || errno == EINTR else { throw FixtureError("poll: \(errno)") }
  }

  /// Nil when there is nothing now.
  func read() throws -> ByteBuffer? {
    var buffer = ByteBuffer()
    let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 64 << 10) {
      max(0, recv(descriptor, $0.baseAddress, $0.count, 0))
    }
    if count > 0 { return buffer }
    guard errno == EAGAIN || errno == EINTR else { throw FixtureError("the peer has closed the connection") }
    return nil
  }

  func write(_ buffer: inout ByteBuffer) throws {
    guard buffer.readableBytes > 0 else { return }
    let count = buffer.withUnsafeReadableBytes {
      send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    guard count >= 0 || errno == EAGAIN || errno == EINTR else { throw FixtureError("send: \(errno)") }
    buffer.moveReaderIndex(forwardBy: max(0, count))
    buffer.discardReadBytes()
  }
}

/// A port of the loopback address.
private final class Listener: Sendable {
  let descriptor: Int32
  let port: UInt16

  init() throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = descriptor
    let isListening = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && listen(descriptor, 1) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    port = UInt16(bigEndian: address.sin_port)
    guard isListening else { throw FixtureError("cannot listen: \(errno)") }
  }

  deinit { close(descriptor) }

  /// The connection of whoever dials.
  func accepted() throws -> Socket {
    var descriptors = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
    guard poll(&descriptors, 1, 60_000) == 1 else { throw FixtureError("nobody has dialled") }
    let connection = accept(descriptor, nil, nil)
    guard connection >= 0 else { throw FixtureError("accept: \(errno)") }
    _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
    _ = fcntl(connection, F_SETFL, O_NONBLOCK)
    return Socket(descriptor: connection)
  }
}

/// Runs what blocks on a thread of its own.
private func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Swift.Result(catching: body)) }
  }
}
