import NIOCore

@testable import Relay

/// What the other side of a yamux session may send. The first byte says whose side this is and how many streams it opens, the next
/// three what it does meanwhile.
///
/// - Where the bytes are cut makes no difference.
/// - Events are told of streams that are there, and nothing follows a stream's end.
/// - No stream has more waiting than its window, and what is to be sent is bounded.
/// - Nothing is sent on a stream that was not there, nor more than a frame may have, nor after the end.
@c(fuzz_yamux)
public func fuzzYamux(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = bytes(start, count)
  guard input.count > 4 else { return 0 }
  let role: YamuxSession.Role = input[0] & 1 == 0 ? .client : .server
  let opens = Int(input[0] >> 1) % 4
  let frames = ByteBuffer(bytes: input[4...])

  let whole = told(role, opens, frames) { count }
  expect(told(role, opens, frames) { 1 } == whole, "frames may come byte by byte")
  var piece = Int(input[1])
  let cut = told(role, opens, frames) {
    piece = piece * 5 % 61 + 1
    return piece
  }
  expect(cut == whole, "frames may be cut anywhere")

  var side = Side(role, seed: input[1..<4].reduce(0) { $0 << 8 | UInt64($1) })
  side.run(opens, frames)
  return 0
}

private let now = NIODeadline.uptimeNanoseconds(1)

private let limits = {
  var limits = YamuxSession.Limits()
  limits.window = 1 << 20
  limits.streams = 8
  limits.unacknowledged = 4
  limits.answers = 64
  return limits
}()

private let content = ByteBuffer(repeating: 0, count: 100_000)

/// What is told of frames that come in pieces: events, with data of one stream that follow each other made one, and what was wrong.
private func told(
  _ role: YamuxSession.Role, _ opens: Int, _ frames: ByteBuffer, _ piece: () -> Int
) -> ([YamuxSession.Event], YamuxViolation?) {
  var session = YamuxSession(role, limits: limits)
  for _ in 0..<opens { _ = session.open() }
  var frames = frames
  var events: [YamuxSession.Event] = []
  do throws(YamuxViolation) {
    while let bytes = frames.readSlice(length: min(piece(), frames.readableBytes)), bytes.readableBytes > 0 {
      session.receive(bytes)
      while let event = try session.nextEvent(now: now) {
        if case .data(let stream, let data) = event, case .data(stream, var before)? = events.last {
          // Gone from there first, so that there is one of them.
          events.removeLast()
          before.writeImmutableBuffer(data)
          events.append(.data(stream, before))
        } else {
          events.append(event)
        }
      }
    }
    return (events, nil)
  } catch {
    return (events, error)
  }
}

private func == (
  one: ([YamuxSession.Event], YamuxViolation?), other: ([YamuxSession.Event], YamuxViolation?)
) -> Bool {
  one.0 == other.0 && one.1 == other.1
}

/// A side that does all that it may while frames come.
private struct Side {
  struct Stream {
    var waiting = 0
    var isFinishing = false
    var hasFinished = false
    var peerHasFinished = false
  }

  var session: YamuxSession
  var streams: [UInt32: Stream] = [:]
  var wentAway = false
  var random: UInt64

  init(_ role: YamuxSession.Role, seed: UInt64) {
    session = YamuxSession(role, limits: limits)
    random = seed
  }

  mutating func run(_ opens: Int, _ frames: ByteBuffer) {
    for _ in 0..<opens { open() }
    var frames = frames
    while let bytes = frames.readSlice(length: min(number(below: 64) + 1, frames.readableBytes)),
      bytes.readableBytes > 0
    {
      session.receive(bytes)
      do {
        while let event = try session.nextEvent(now: now) {
          take(event)
          act()
        }
        act()
        try session.tick(now: now)
      } catch {
        session.goAway(.protocolViolation)
        break
      }
      expect(session.streamCount == streams.count, "what is over is forgotten")
    }
    var count = 0
    while writes() { count += 1 }
    expect(count <= 2 * limits.answers + 64 * (limits.streams + opens + 8), "what is to be sent is bounded")
  }

  private mutating func take(_ event: YamuxSession.Event) {
    switch event {
    case .opened(let id):
      expect(streams[id] == nil, "a stream is opened once")
      streams[id] = Stream()
      expect(streams.count <= 2 * limits.streams + limits.unacknowledged, "the peer opens so many streams")
    case .data(let id, let data):
      expect(data.readableBytes > 0, "data are not empty")
      expect(streams[id]?.peerHasFinished == false, "data come on a stream that is there")
      streams[id]?.waiting += data.readableBytes
      expect(streams[id]!.waiting <= Int(limits.window), "no more waits than the window allows")
    case .finished(let id):
      expect(streams[id]?.peerHasFinished == false, "a stream that is there ends once")
      streams[id]?.peerHasFinished = true
      if streams[id]?.hasFinished == true { streams[id] = nil }
    case .reset(let id):
      expect(streams.removeValue(forKey: id) != nil, "a stream that is there is reset")
    case .drained(let id):
      expect(streams[id] != nil, "a stream that is there takes more")
    case .wentAway:
      expect(!wentAway, "the peer goes away once")
      wentAway = true
    }
  }

  /// Does something, or nothing.
  private mutating func act() {
    let ids = streams.keys.sorted()
    let id = ids.isEmpty ? 0 : ids[number(below: ids.count)]
    switch number(below: 12) {
    case 0: open()
    case 1, 2:
      guard streams[id]?.isFinishing == false, session.takesMore(id) else { return }
      session.send(content.getSlice(at: 0, length: number(below: content.readableBytes))!, on: id)
    case 3:
      streams[id]?.isFinishing = true
      session.finish(id)
    case 4:
      let count = session.streamCount
      session.reset(id)
      if session.streamCount < count { streams[id] = nil }
    case 5, 6:
      let count = streams[id]?.waiting ?? 0
      session.consumed(count, of: id, now: now)
      streams[id]?.waiting = 0
    case 7, 8: _ = writes()
    case 9 where number(below: 16) == 0: session.goAway(.done)
    default: break
    }
  }

  private mutating func open() {
    if let id = session.open() {
      expect(!wentAway && streams[id] == nil, "an opened stream is a new one")
      streams[id] = Stream()
    }
  }

  /// Takes what is to be sent next; false when there is nothing.
  private mutating func writes() -> Bool {
    guard let frame = session.nextFrame() else { return false }
    let id = frame.header.stream
    guard frame.header.kind == .data else { return true }
    expect(frame.header.length == UInt32(frame.data?.readableBytes ?? 0), "a frame's data are as long as it says")
    expect(frame.header.length <= 64 << 10, "a frame is short")
    expect(streams[id]?.hasFinished == false, "a frame is of a stream that is there and has not ended")
    guard frame.header.flags.contains(.fin) else { return true }
    expect(streams[id]?.isFinishing == true, "what ends is finished")
    streams[id]?.hasFinished = true
    if streams[id]?.peerHasFinished == true { streams[id] = nil }
    return true
  }

  private mutating func number(below limit: Int) -> Int {
    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(random >> 33) % limit
  }
}
